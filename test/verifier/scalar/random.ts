/** Seeded random numbers for the tests of scalars, with a liking for the edges at which ranges break. */

/** A 32-bit generator (mulberry32): the same seed, the same numbers. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** An int32. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return t ^ (t >>> 14);
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    return (this.next() >>> 0) % limit;
  }

  chance(probability: number): boolean {
    return (this.next() >>> 0) / 0x1_0000_0000 < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Any 64 bits, unsigned. */
  wide(): bigint {
    return (BigInt(this.next() >>> 0) << 32n) | BigInt(this.next() >>> 0);
  }
}

const EDGES: readonly bigint[] = [
  0n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_8000_0000n,
  0xffff_ffff_ffff_ffffn,
];

/** A 64-bit value, unsigned: most often small or near an edge of a width, sometimes anything. */
export function interesting(random: Random): bigint {
  const kind = random.below(10);
  if (kind < 3) return BigInt(random.below(16));
  if (kind < 7) return BigInt.asUintN(64, random.pick(EDGES) + BigInt(random.below(9) - 4));
  if (kind < 8) return 1n << BigInt(random.below(64));
  if (kind < 9) return BigInt.asUintN(64, random.wide() >> BigInt(random.below(64)));
  return random.wide();
}
