// Random numbers from a seed: the same seed gives the same programs on every machine.

/** A source of numbers (mulberry32). Each program has its own, made of the run's seed and its index. */
export class Random {
  #state;

  constructor(seed, index = 0) {
    this.#state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35)) >>> 0;
  }

  /** 32 bits, unsigned. */
  word() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** 0 to `end` - 1. */
  below(end) {
    return this.word() % end;
  }

  /** `from` to `to`, both inclusive. */
  between(from, to) {
    return from + this.below(to - from + 1);
  }

  /** True `percent` times in a hundred. */
  chance(percent) {
    return this.below(100) < percent;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** One of `rows` ([weight, value]), by weight. */
  weighted(rows) {
    let at = this.below(rows.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, value] of rows) {
      at -= weight;
      if (at < 0) return value;
    }
    return rows.at(-1)[1];
  }
}
