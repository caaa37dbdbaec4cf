/** Scalars from what is known of them at first: a constant, a range, some bits. */
import { Bounds } from "./bounds.ts";
import { UNKNOWN, constantOf } from "./scalar.ts";
import type { Scalar } from "./scalar.ts";
import { forgetContradiction, settle } from "./sync.ts";
import { hiOf, loOf } from "./wide.ts";

const w = new Bounds();

/** The constant of a value's low 64 bits; a number is an integer. */
export function constant(value: bigint | number): Scalar {
  if (typeof value === "bigint") return constantOf(hiOf(value), loOf(value));
  return constantOf(Math.floor(value / 0x1_0000_0000) | 0, value | 0);
}

/** min..max, unsigned; the rest deduced. */
export function unsignedRange(min: bigint, max: bigint): Scalar {
  w.load(UNKNOWN);
  w.setUnsigned(hiOf(min), loOf(min), hiOf(max), loOf(max));
  settle(w);
  return w.freeze(UNKNOWN);
}

/** min..max, signed; the rest deduced. */
export function signedRange(min: bigint, max: bigint): Scalar {
  w.load(UNKNOWN);
  w.setSigned(hiOf(min), loOf(min), hiOf(max), loOf(max));
  settle(w);
  return w.freeze(UNKNOWN);
}

/** Known bits: those where `mask` is 0; the rest deduced. */
export function fromBits(bits: bigint, mask: bigint): Scalar {
  w.load(UNKNOWN);
  w.setBits(hiOf(bits & ~mask), loOf(bits & ~mask), hiOf(mask), loOf(mask));
  settle(w);
  return w.freeze(UNKNOWN);
}

/** `s`, known to be an int32 in min..max as well, sign-extended: results of functions that return int. */
export function withinInt32(s: Scalar, min: number, max: number): Scalar {
  w.load(s);
  w.raiseLowSmin(min);
  w.lowerLowSmax(max);
  w.raiseSmin(min >> 31, min);
  w.lowerSmax(max >> 31, max);
  settle(w);
  return w.freeze(s);
}

/** `s` with nothing known of its low 32 bits as ranges, and nothing deduced again: as a state of Linux 6.18 may hold it. */
export function forgetLow(s: Scalar): Scalar {
  w.load(s);
  w.forgetLow();
  return w.freeze(s);
}

/** What the views of `s` tell each other, where an operation has left them apart. */
export function deduce(s: Scalar): Scalar {
  w.load(s);
  settle(w);
  return w.freeze(s);
}

/** `s` as a copy of it: its ranges are forgotten where they contradict what the bits know. */
export function copied(s: Scalar): Scalar {
  w.load(s);
  forgetContradiction(w);
  return w.freeze(s);
}

/**
 * A number that is 0 or -1, or whose low half is: what an arithmetic shift leaves of a sign. Before such a number is and-ed or
 * or-ed with a constant, Linux 6.18 walks on with each of the two; [0, -1], or null where `s` is no such number.
 */
export function splitSign(s: Scalar): readonly [zero: Scalar, ones: Scalar] | null {
  if (s.sminHi === -1 && s.sminLo === -1 && s.smaxHi === 0 && s.smaxLo === 0)
    return [constantOf(0, 0), constantOf(-1, -1)];
  if (s.lowSmin !== -1 || s.lowSmax !== 0) return null;
  w.load(s);
  w.setLowConstant(0);
  const zero = w.freeze(s);
  w.load(s);
  w.setLowConstant(-1);
  return [zero, w.freeze(s)];
}
