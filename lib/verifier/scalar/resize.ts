/**
 * Numbers cut to their low bytes and extended again: narrow loads, 32-bit moves, sign-extending moves and loads. As Linux 6.18
 * does it; what the views of a sign-extended number could learn from each other, the kernel leaves to the next operation.
 */
import type { Size, Width } from "../../isa/index.ts";
import { widenLow } from "./alu.ts";
import { Bounds } from "./bounds.ts";
import { UNKNOWN, constantOf } from "./scalar.ts";
import type { Scalar } from "./scalar.ts";
import { settle } from "./sync.ts";

const w = new Bounds();

/** The low bytes, zero-extended to 64 bits. */
export function zeroExtend(s: Scalar, size: Size): Scalar {
  if (size === 8) return s;
  if ((s.maskHi | s.maskLo) === 0) return constantOf(0, size === 4 ? s.bitsLo : s.bitsLo & lowMask(size));
  w.load(s);
  if (size === 4) widenLow(w);
  else cut(size);
  settle(w);
  return w.freeze(s);
}

/** The low bytes: a range survives where the bits above are the same in all of it. */
function cut(size: 1 | 2 | 4): void {
  const mask = size === 4 ? -1 : lowMask(size);
  w.setBits(0, w.bitsLo & mask, 0, w.maskLo & mask);
  if (w.uminHi === w.umaxHi && (w.uminLo & ~mask) === (w.umaxLo & ~mask))
    w.setUnsigned(0, w.uminLo & mask, 0, w.umaxLo & mask);
  else w.setUnsigned(0, 0, 0, mask);
  w.setSigned(w.uminHi, w.uminLo, w.umaxHi, w.umaxLo);
  if (size !== 4) w.forgetLow();
}

function lowMask(size: 1 | 2): number {
  return size === 1 ? 0xff : 0xffff;
}

/** The low bytes, sign-extended to 64 bits; at width 32 to 32 bits, and those zero-extended. `size` 4 only at width 64. */
export function signExtend(s: Scalar, size: 1 | 2 | 4, width: Width): Scalar {
  if ((s.maskHi | s.maskLo) === 0) {
    const lo = extended(s.bitsLo, size);
    return constantOf(width === 32 ? 0 : lo >> 31, lo);
  }
  w.load(s);
  if (width === 64) {
    extendWide(size);
    return w.freeze(s);
  }
  extendLow(size);
  widenLow(w);
  settle(w);
  return w.freeze(s);
}

function extended(lo: number, size: 1 | 2 | 4): number {
  const unused = 32 - size * 8;
  return (lo << unused) >> unused;
}

/** The signed range survives where the bits above are the same in all of it and the new sign is as well. */
function extendWide(size: 1 | 2 | 4): void {
  const above = size === 4 ? 0 : -1 << (size * 8);
  if (w.sminHi === w.smaxHi && (w.sminLo & above) === (w.smaxLo & above)) {
    const a = extended(w.sminLo, size);
    const b = extended(w.smaxLo, size);
    if (a >= 0 === b >= 0) {
      const min = Math.min(a, b);
      const max = Math.max(a, b);
      const sign = min >> 31;
      w.setLowSigned(min, max);
      w.setLowUnsigned(min, max);
      w.setSigned(sign, min, sign, max);
      w.setUnsigned(sign, min, sign, max);
      setBitsOfRange(sign, min, max);
      return;
    }
  }
  w.load(UNKNOWN);
  const limit = 2 ** (size * 8 - 1);
  w.setSigned(-1, -limit | 0, 0, limit - 1);
  w.setLowSigned(-limit | 0, limit - 1);
}

function extendLow(size: 1 | 2 | 4): void {
  const above = size === 4 ? 0 : -1 << (size * 8);
  if ((w.lowSmin & above) === (w.lowSmax & above)) {
    const a = extended(w.lowSmin, size);
    const b = extended(w.lowSmax, size);
    if (a >= 0 === b >= 0) {
      const min = Math.min(a, b);
      const max = Math.max(a, b);
      w.setLowSigned(min, max);
      w.setLowUnsigned(min, max);
      setBitsOfRange(0, min, max);
      return;
    }
  }
  w.setBits(0, 0, 0, -1);
  w.forgetLowUnsigned();
  const limit = 2 ** (size * 8 - 1);
  w.setLowSigned(-limit | 0, limit - 1);
}

/** The bits that all numbers of a range with one high half have in common. */
function setBitsOfRange(hi: number, minLo: number, maxLo: number): void {
  const difference = minLo ^ maxLo;
  const free = difference === 0 ? 0 : (-1 >>> Math.clz32(difference)) | 0;
  w.setBits(hi, minLo & ~free, 0, free);
}

/**
 * The low bytes in the other order (`bswap`, `be`), or as they are (`le`), zero-extended; hosts are little-endian. A swap keeps
 * what is known of each bit and forgets the ranges.
 */
export function swap(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, s: Scalar): Scalar {
  w.load(s);
  if (op !== "le") {
    if (bits === 64) w.setBits(reversed(w.bitsLo), reversed(w.bitsHi), reversed(w.maskLo), reversed(w.maskHi));
    else w.setBits(0, (reversed(w.bitsLo) >>> (32 - bits)) | 0, 0, (reversed(w.maskLo) >>> (32 - bits)) | 0);
    w.forgetRanges();
  }
  if (bits !== 64) cut(bits === 16 ? 2 : 4);
  settle(w);
  return w.freeze(s);
}

/** The four bytes in the other order. */
function reversed(half: number): number {
  return (half << 24) | ((half & 0xff00) << 8) | ((half >>> 8) & 0xff00) | (half >>> 24);
}
