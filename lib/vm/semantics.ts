/**
 * What atomic operations compute, as a table: they read and write memory in one step, so both engines take them apart. All
 * else is in execute.ts.
 */
import type { AtomicOp } from "../isa/index.ts";

/** The low `bits` of a number, unsigned. */
export function truncate(value: bigint, bits: number): bigint {
  return BigInt.asUintN(bits, value);
}

/** What an atomic operation leaves in memory, and which register gets the old value (section 5.3). */
export interface AtomicRow {
  /** Operands cut to the access size; `expected` is r0 (cmpxchg only). */
  readonly store: (old: bigint, src: bigint, expected: bigint) => bigint;
  readonly fetch: "src" | "r0" | null;
}

export const ATOMIC: Readonly<Record<AtomicOp, AtomicRow>> = {
  add: { store: (old, src) => old + src, fetch: null },
  or: { store: (old, src) => old | src, fetch: null },
  and: { store: (old, src) => old & src, fetch: null },
  xor: { store: (old, src) => old ^ src, fetch: null },
  fetch_add: { store: (old, src) => old + src, fetch: "src" },
  fetch_or: { store: (old, src) => old | src, fetch: "src" },
  fetch_and: { store: (old, src) => old & src, fetch: "src" },
  fetch_xor: { store: (old, src) => old ^ src, fetch: "src" },
  xchg: { store: (_, src) => src, fetch: "src" },
  cmpxchg: { store: (old, src, expected) => (old === expected ? src : old), fetch: "r0" },
};
