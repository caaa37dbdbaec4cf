/**
 * What each operation of RFC 9669 computes, said once, as tables keyed by the unions of lib/isa: a missing operation does
 * not compile.
 *
 * A register holds an unsigned 64-bit number as a bigint in 0..2^64-1. The functions here take operands already cut to
 * the operation's width (`truncate`) and may return any integer: the caller cuts the result to the width, which is also
 * the zero extension that 32-bit operations ask for. Division and remainder follow RFC 9669 section 4.1: dividing by
 * zero gives 0, the remainder by zero the dividend; bigint division rounds towards zero as the RFC wants, and the one
 * overflowing quotient (the smallest number by -1) wraps when it is cut.
 */
import type { AluOp, AtomicOp, JumpOp, Swap, Width } from "../isa/index.ts";

/** The low `bits` of a number, unsigned. */
export function truncate(value: bigint, bits: number): bigint {
  return BigInt.asUintN(bits, value);
}

/** The low `bits` of a number, sign-extended to 64 bits, as a register holds it. */
export function signExtend(value: bigint, bits: number): bigint {
  return BigInt.asUintN(64, BigInt.asIntN(bits, value));
}

/** An instruction's 32-bit immediate as an operand of `width` bits: sign-extended (RFC 9669 section 4.1). */
export function immediate(imm: number, width: Width): bigint {
  return BigInt.asUintN(width, BigInt(imm));
}

const signed = (value: bigint, width: Width): bigint => BigInt.asIntN(width, value);
// Shift counts are masked to the width (RFC 9669 section 4.1), for immediates too; the kernel refuses to load those.
const shiftCount = (b: bigint, width: Width): bigint => b & (width === 64 ? 63n : 31n);

export const ALU: Readonly<Record<AluOp, (dst: bigint, src: bigint, width: Width) => bigint>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  sdiv: (a, b, width) => (b === 0n ? 0n : signed(a, width) / signed(b, width)),
  mod: (a, b) => (b === 0n ? a : a % b),
  smod: (a, b, width) => (b === 0n ? a : signed(a, width) % signed(b, width)),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  xor: (a, b) => a ^ b,
  lsh: (a, b, width) => a << shiftCount(b, width),
  rsh: (a, b, width) => a >> shiftCount(b, width),
  arsh: (a, b, width) => signed(a, width) >> shiftCount(b, width),
  mov: (_, b) => b,
};

/** Section 4.3. Operands cut to the width. */
export const JUMP: Readonly<Record<JumpOp, (dst: bigint, src: bigint, width: Width) => boolean>> = {
  eq: (a, b) => a === b,
  ne: (a, b) => a !== b,
  gt: (a, b) => a > b,
  ge: (a, b) => a >= b,
  lt: (a, b) => a < b,
  le: (a, b) => a <= b,
  set: (a, b) => (a & b) !== 0n,
  sgt: (a, b, width) => signed(a, width) > signed(b, width),
  sge: (a, b, width) => signed(a, width) >= signed(b, width),
  slt: (a, b, width) => signed(a, width) < signed(b, width),
  sle: (a, b, width) => signed(a, width) <= signed(b, width),
};

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

/** The low `bits` of a number with their bytes reversed. */
export function swapBytes(value: bigint, bits: 16 | 32 | 64): bigint {
  let rest = truncate(value, bits);
  let out = 0n;
  for (let i = 0; i < bits; i += 8) {
    out = (out << 8n) | (rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** Section 4.2 on a little-endian machine, which this one is: `le` only cuts. */
export const SWAP: Readonly<Record<Swap["op"], (value: bigint, bits: 16 | 32 | 64) => bigint>> = {
  le: truncate,
  be: swapBytes,
  bswap: swapBytes,
};
