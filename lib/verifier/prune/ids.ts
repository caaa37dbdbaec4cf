/**
 * Ids of two states set against each other: registers that shared an id then have to share one now. Which number it is does
 * not matter, so pairs are remembered as they are met. A scratch pad, used by one comparison after the other.
 */
export class IdMap {
  readonly #old: number[] = [];
  readonly #now: number[] = [];
  #count = 0;
  /** Numbers that no register has: for "an id of its own" where one side has none. */
  #fresh = 0;

  /** Forgets all pairs; ids above `last` are free. */
  reset(last: number): void {
    this.#count = 0;
    this.#fresh = last + FLAG;
  }

  /** Both have an id or neither, and it goes with the pairs met so far. */
  same(old: number, now: number): boolean {
    if (old === 0 || now === 0) return old === now;
    for (let i = 0; i < this.#count; i += 1) {
      if (this.#old[i] === old) return this.#now[i] === now;
      if (this.#now[i] === now) return false;
    }
    this.#old[this.#count] = old;
    this.#now[this.#count] = now;
    this.#count += 1;
    return true;
  }

  /** As `same` for an old id, but a number without an id now counts as one that it shares with nobody. */
  sameNumber(old: number, now: number): boolean {
    return this.same(old, now === 0 ? ++this.#fresh : now);
  }
}

/** Added to the id of a register that differs from the others of that id by a constant: they are another group. */
export const FLAG = 2 ** 32;
