/**
 * Numbers for things that have a text of their own: the same text has the same number, here, after a restart and on other
 * nodes, without anybody who hands them out.
 *
 * A number is the hash of the text, or the next one that is free; who claims several texts claims them in sorted order, so
 * that nodes that know the same texts agree on collisions too. What was freed keeps its number for a while, so that nobody
 * else has it while packets, flows or log lines still carry it. When the range is full the numbers go on above it.
 */
export class NumberTable {
  readonly #first: number;
  readonly #size: number;
  readonly #numbers = new Map<string, number>();
  readonly #taken = new Set<number>();
  /** Texts whose number is nobody's now, oldest first. */
  readonly #resting = new Map<string, number>();
  readonly #maxResting: number;

  /** Numbers from `first` to `last`. */
  constructor(first: number, last: number) {
    this.#first = first;
    this.#size = last - first + 1;
    this.#maxResting = Math.min(4096, this.#size >> 2);
  }

  claim(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#resting.get(text) ?? this.#pick(text);
    this.#resting.delete(text);
    this.#taken.add(number);
    this.#numbers.set(text, number);
    return number;
  }

  free(text: string): void {
    const number = this.#numbers.get(text);
    if (number === undefined) return;
    this.#numbers.delete(text);
    this.#resting.set(text, number);
    if (this.#resting.size > this.#maxResting) this.#forgetOldest();
  }

  /** What `restore` takes: texts and numbers, those at rest too. */
  save(): [text: string, number: number][] {
    return [...this.#resting, ...this.#numbers];
  }

  /** Into a table that is empty. The texts are claimed by nobody until they are. */
  restore(saved: readonly (readonly [text: string, number: number])[]): void {
    for (const [text, number] of saved) {
      if (number < this.#first || this.#taken.has(number)) continue;
      this.#taken.add(number);
      this.#resting.set(text, number);
    }
  }

  #pick(text: string): number {
    const start = hashText(text) % this.#size;
    for (let step = 0; step < this.#size; step++) {
      const number = this.#first + ((start + step) % this.#size);
      if (!this.#taken.has(number)) return number;
    }
    if (this.#resting.size > 0) return this.#forgetOldest();
    let above = this.#first + this.#size;
    while (this.#taken.has(above)) above++;
    return above;
  }

  #forgetOldest(): number {
    const [text, number] = this.#resting.entries().next().value!;
    this.#resting.delete(text);
    this.#taken.delete(number);
    return number;
  }
}

/** 32 bits of FNV-1a, mixed so that near texts are far apart. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
