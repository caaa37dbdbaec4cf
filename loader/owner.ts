/**
 * Who closes what. Every descriptor has one owner; a loaded object owns a list of things and closes them together, last
 * made first. Closing twice is closing once.
 */

/** Something that holds a kernel object. `close` is idempotent and does not wait. */
export interface Closable {
  close(): void;
}

export class Owner implements Closable {
  private readonly owned: Closable[] = [];

  /** Takes over a thing and returns it. */
  take<T extends Closable>(thing: T): T {
    this.owned.push(thing);
    return thing;
  }

  /** Closes all, last first. One failure does not keep the others open; the first is thrown at the end. */
  close(): void {
    const failures: unknown[] = [];
    for (let thing = this.owned.pop(); thing !== undefined; thing = this.owned.pop()) {
      try {
        thing.close();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
