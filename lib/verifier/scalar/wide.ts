/**
 * 64-bit numbers as two int32 halves, high half first in every parameter list.
 *
 * Node keeps int32 values unboxed and its optimiser turns these small functions into a few machine instructions; a BigInt
 * would be an object on the heap for every bound of every register of every state.
 */

/** a < b, unsigned, of one half. */
export function belowLow(a: number, b: number): boolean {
  return a >>> 0 < b >>> 0;
}

/** a < b, unsigned. */
export function below(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;
}

/** a < b, signed. */
export function less(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi < bHi;
}

/** The high half of a + b; the low half is `(aLo + bLo) | 0`. */
export function addHi(aHi: number, aLo: number, bHi: number, bLo: number): number {
  const lo = (aLo + bLo) | 0;
  return (aHi + bHi + (lo >>> 0 < aLo >>> 0 ? 1 : 0)) | 0;
}

/** The high half of a - b; the low half is `(aLo - bLo) | 0`. */
export function subHi(aHi: number, aLo: number, bHi: number, bLo: number): number {
  return (aHi - bHi - (aLo >>> 0 < bLo >>> 0 ? 1 : 0)) | 0;
}

/** The high half of the 64-bit product of two unsigned halves; the low half is `Math.imul(a, b)`. */
export function mulHalvesHi(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const mid = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (mid & 0xffff);
  return (a1 * b1 + Math.floor(mid / 0x10000) + Math.floor(other / 0x10000)) | 0;
}

/** The high half of the low 64 bits of a * b; the low half is `Math.imul(aLo, bLo)`. */
export function mulHi(aHi: number, aLo: number, bHi: number, bLo: number): number {
  return (mulHalvesHi(aLo, bLo) + Math.imul(aHi, bLo) + Math.imul(aLo, bHi)) | 0;
}

/** The high half of a << n, 0 <= n <= 63; for the low half see `shlLo`. */
export function shlHi(hi: number, lo: number, n: number): number {
  if (n === 0) return hi;
  return n < 32 ? (hi << n) | (lo >>> (32 - n)) : lo << (n - 32);
}

export function shlLo(lo: number, n: number): number {
  return n < 32 ? lo << n : 0;
}

/** The high half of a >>> n, 0 <= n <= 63. */
export function shrHi(hi: number, n: number): number {
  return n < 32 ? (hi >>> n) | 0 : 0;
}

export function shrLo(hi: number, lo: number, n: number): number {
  if (n === 0) return lo;
  return n < 32 ? (lo >>> n) | (hi << (32 - n)) : (hi >>> (n - 32)) | 0;
}

/** The high half of a >> n, arithmetic, 0 <= n <= 63. */
export function sarHi(hi: number, n: number): number {
  return n < 32 ? hi >> n : hi >> 31;
}

export function sarLo(hi: number, lo: number, n: number): number {
  if (n === 0) return lo;
  return n < 32 ? (lo >>> n) | (hi << (32 - n)) : hi >> (n - 32);
}

/** As a double, rounded; unsigned. */
export function toDouble(hi: number, lo: number): number {
  return (hi >>> 0) * 0x1_0000_0000 + (lo >>> 0);
}

/** As a double, rounded; signed. */
export function toSignedDouble(hi: number, lo: number): number {
  return hi * 0x1_0000_0000 + (lo >>> 0);
}

/** As a BigInt, unsigned. */
export function toUnsigned(hi: number, lo: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** As a BigInt, signed. */
export function toSigned(hi: number, lo: number): bigint {
  return (BigInt(hi) << 32n) | BigInt(lo >>> 0);
}

/** The halves of a BigInt's low 64 bits. */
export function hiOf(value: bigint): number {
  return Number(BigInt.asIntN(32, value >> 32n));
}

export function loOf(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}
