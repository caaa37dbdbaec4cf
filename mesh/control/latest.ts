/** A value that changes, for readers that want the newest one and not each: what the queue of a slow reader would be is one cell. */

export class Latest<T> {
  private current: T;
  /** Counts the values, so that a reader knows whether it has seen this one. */
  private version = 1;
  private closed = false;
  private readonly waiting = new Set<() => void>();

  constructor(first: T) {
    this.current = first;
  }

  get value(): T {
    return this.current;
  }

  set(value: T): void {
    this.current = value;
    this.version++;
    this.wake();
  }

  /** Readers get what they have not seen yet, then the end. */
  close(): void {
    this.closed = true;
    this.wake();
  }

  /** The value now, then newer ones. */
  async *read(): AsyncIterableIterator<T> {
    for (let seen = 0; ;) {
      if (seen !== this.version) {
        seen = this.version;
        yield this.current;
      } else if (this.closed) {
        return;
      } else {
        await new Promise<void>((resolve) => this.waiting.add(resolve));
      }
    }
  }

  private wake(): void {
    const waiting = [...this.waiting];
    this.waiting.clear();
    for (const resolve of waiting) resolve();
  }
}
