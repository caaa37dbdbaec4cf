/**
 * Places in an array of the kernel's, given out in ranges. What the state before has stays taken: it is read until nothing names
 * it any more, so its place is free only for the state after the next.
 */
interface Range {
  readonly first: number;
  readonly length: number;
}

export class Places {
  private readonly gaps: { first: number; length: number }[] = [];

  /** Of the places `first` to `first + length - 1`, those that none of `taken` has. */
  constructor({ first, length }: Range, taken: Iterable<Range>) {
    let at = first;
    for (const range of [...taken].toSorted((a, b) => a.first - b.first)) {
      if (range.first > at) this.gaps.push({ first: at, length: range.first - at });
      at = Math.max(at, range.first + range.length);
    }
    if (first + length > at) this.gaps.push({ first: at, length: first + length - at });
  }

  /** The first place of a free range, which is taken then; undefined: there is none of that length. */
  take(length: number): number | undefined {
    const index = this.gaps.findIndex((gap) => gap.length >= length);
    const gap = this.gaps[index];
    if (gap === undefined) return undefined;
    const { first } = gap;
    gap.first += length;
    gap.length -= length;
    if (gap.length === 0) this.gaps.splice(index, 1);
    return first;
  }
}
