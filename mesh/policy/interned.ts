/** Values that many share, by their text: made when the first asks, gone when the last lets go. */
export class Interned<T> {
  readonly #entries = new Map<string, { readonly value: T; uses: number }>();

  acquire(key: string, make: () => T): T {
    const known = this.#entries.get(key);
    if (known === undefined) {
      const value = make();
      this.#entries.set(key, { value, uses: 1 });
      return value;
    }
    known.uses++;
    return known.value;
  }

  /** Gives the value when that was its last use, else null. */
  release(key: string): T | null {
    const entry = this.#entries.get(key)!;
    if (--entry.uses > 0) return null;
    this.#entries.delete(key);
    return entry.value;
  }
}

/** The same, and tells what came and what went. */
export class Tracked<T> {
  readonly #values = new Interned<T>();
  readonly #fresh = new Map<string, T>();
  readonly #dead = new Map<string, T>();

  acquire(key: string, make: () => T): T {
    return this.#values.acquire(key, () => {
      // One that was let go since the last look was never gone.
      const value = this.#dead.get(key) ?? make();
      if (!this.#dead.delete(key)) this.#fresh.set(key, value);
      return value;
    });
  }

  release(key: string): void {
    const value = this.#values.release(key);
    if (value !== null && !this.#fresh.delete(key)) this.#dead.set(key, value);
  }

  /** Since the last call, by key. */
  takeChanges(): { readonly fresh: ReadonlyMap<string, T>; readonly dead: ReadonlyMap<string, T> } {
    const changes = { fresh: new Map(this.#fresh), dead: new Map(this.#dead) };
    this.#fresh.clear();
    this.#dead.clear();
    return changes;
  }
}
