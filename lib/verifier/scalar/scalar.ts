/**
 * What is known of a 64-bit number, five ways at once:
 *
 *     known bits        where the mask has 0 the bit is that of `bits`, where it has 1 it is unknown ("tnum")
 *     umin..umax        as an unsigned number         low umin..umax    its low 32 bits, unsigned
 *     smin..smax        as a signed number            low smin..smax    its low 32 bits, signed
 *
 * The number is one that all five allow. They are kept in step with each other by `sync`.
 *
 * Immutable and shared. Inside, everything is int32 halves (see wide.ts); the getters make BigInts, for messages and tests.
 */
import { below, less, toDouble, toSigned, toSignedDouble, toUnsigned } from "./wide.ts";

/** The fields of a scalar, as halves. High and low half of a 64-bit number, or a number of the low 32 bits; each an int32. */
export interface Halves {
  readonly bitsHi: number;
  readonly bitsLo: number;
  readonly maskHi: number;
  readonly maskLo: number;
  readonly uminHi: number;
  readonly uminLo: number;
  readonly umaxHi: number;
  readonly umaxLo: number;
  readonly sminHi: number;
  readonly sminLo: number;
  readonly smaxHi: number;
  readonly smaxLo: number;
  readonly lowUmin: number;
  readonly lowUmax: number;
  readonly lowSmin: number;
  readonly lowSmax: number;
}

export class Scalar implements Halves {
  readonly bitsHi: number;
  readonly bitsLo: number;
  readonly maskHi: number;
  readonly maskLo: number;
  readonly uminHi: number;
  readonly uminLo: number;
  readonly umaxHi: number;
  readonly umaxLo: number;
  readonly sminHi: number;
  readonly sminLo: number;
  readonly smaxHi: number;
  readonly smaxLo: number;
  readonly lowUmin: number;
  readonly lowUmax: number;
  readonly lowSmin: number;
  readonly lowSmax: number;

  constructor(from: Halves) {
    this.bitsHi = from.bitsHi;
    this.bitsLo = from.bitsLo;
    this.maskHi = from.maskHi;
    this.maskLo = from.maskLo;
    this.uminHi = from.uminHi;
    this.uminLo = from.uminLo;
    this.umaxHi = from.umaxHi;
    this.umaxLo = from.umaxLo;
    this.sminHi = from.sminHi;
    this.sminLo = from.sminLo;
    this.smaxHi = from.smaxHi;
    this.smaxLo = from.smaxLo;
    this.lowUmin = from.lowUmin;
    this.lowUmax = from.lowUmax;
    this.lowSmin = from.lowSmin;
    this.lowSmax = from.lowSmax;
  }

  get isConst(): boolean {
    return (this.maskHi | this.maskLo) === 0;
  }
  /** The low 32 bits are known. */
  get isConst32(): boolean {
    return this.maskLo === 0;
  }
  /** Of a constant: unsigned. */
  get value(): bigint {
    return toUnsigned(this.bitsHi, this.bitsLo);
  }
  get umin(): bigint {
    return toUnsigned(this.uminHi, this.uminLo);
  }
  get umax(): bigint {
    return toUnsigned(this.umaxHi, this.umaxLo);
  }
  get smin(): bigint {
    return toSigned(this.sminHi, this.sminLo);
  }
  get smax(): bigint {
    return toSigned(this.smaxHi, this.smaxLo);
  }
  /** The same as doubles, rounded: what compares with a small number compares right. */
  get sminRounded(): number {
    return toSignedDouble(this.sminHi, this.sminLo);
  }
  get smaxRounded(): number {
    return toSignedDouble(this.smaxHi, this.smaxLo);
  }
  get umaxRounded(): number {
    return toDouble(this.umaxHi, this.umaxLo);
  }
  get u32min(): number {
    return this.lowUmin >>> 0;
  }
  get u32max(): number {
    return this.lowUmax >>> 0;
  }
  get s32min(): number {
    return this.lowSmin;
  }
  get s32max(): number {
    return this.lowSmax;
  }
  /** Known bits: where `bitMask` has 0 the bit is that of `bits`. */
  get bits(): bigint {
    return toUnsigned(this.bitsHi, this.bitsLo);
  }
  get bitMask(): bigint {
    return toUnsigned(this.maskHi, this.maskLo);
  }
}

/** Nothing known. */
export const UNKNOWN: Scalar = new Scalar({
  bitsHi: 0,
  bitsLo: 0,
  maskHi: -1,
  maskLo: -1,
  uminHi: 0,
  uminLo: 0,
  umaxHi: -1,
  umaxLo: -1,
  sminHi: -0x8000_0000,
  sminLo: 0,
  smaxHi: 0x7fff_ffff,
  smaxLo: -1,
  lowUmin: 0,
  lowUmax: -1,
  lowSmin: -0x8000_0000,
  lowSmax: 0x7fff_ffff,
});

/** Constants that programs are full of are made once. */
const SMALLEST_SHARED = -512;
const LARGEST_SHARED = 4096;
const shared: Scalar[] = [];
for (let value = SMALLEST_SHARED; value <= LARGEST_SHARED; value++) shared.push(newConstant(value >> 31, value));

function newConstant(hi: number, lo: number): Scalar {
  return new Scalar({
    bitsHi: hi,
    bitsLo: lo,
    maskHi: 0,
    maskLo: 0,
    uminHi: hi,
    uminLo: lo,
    umaxHi: hi,
    umaxLo: lo,
    sminHi: hi,
    sminLo: lo,
    smaxHi: hi,
    smaxLo: lo,
    lowUmin: lo,
    lowUmax: lo,
    lowSmin: lo,
    lowSmax: lo,
  });
}

/** The constant of these halves. */
export function constantOf(hi: number, lo: number): Scalar {
  if (hi === lo >> 31 && lo >= SMALLEST_SHARED && lo <= LARGEST_SHARED) return shared[lo - SMALLEST_SHARED] as Scalar;
  return newConstant(hi, lo);
}

/** 0, shared. */
export const ZERO: Scalar = constantOf(0, 0);

/** A constant that fits a double exactly, or null: the fast way to read small constants (sign as a 64-bit number). */
export function smallConstant(s: Scalar): number | null {
  if ((s.maskHi | s.maskLo) !== 0) return null;
  // an int32, as almost all are, stays one
  if (s.bitsHi === s.bitsLo >> 31) return s.bitsLo;
  if (s.bitsHi >= 0x20_0000 || s.bitsHi < -0x20_0000) return null;
  return s.bitsHi * 0x1_0000_0000 + (s.bitsLo >>> 0);
}

/** The same is known of both. */
export function sameScalar(a: Scalar, b: Scalar): boolean {
  return a === b || sameHalves(a, b);
}

export function sameHalves(a: Halves, b: Halves): boolean {
  return (
    a.bitsLo === b.bitsLo &&
    a.maskLo === b.maskLo &&
    a.bitsHi === b.bitsHi &&
    a.maskHi === b.maskHi &&
    a.uminLo === b.uminLo &&
    a.uminHi === b.uminHi &&
    a.umaxLo === b.umaxLo &&
    a.umaxHi === b.umaxHi &&
    a.sminLo === b.sminLo &&
    a.sminHi === b.sminHi &&
    a.smaxLo === b.smaxLo &&
    a.smaxHi === b.smaxHi &&
    a.lowUmin === b.lowUmin &&
    a.lowUmax === b.lowUmax &&
    a.lowSmin === b.lowSmin &&
    a.lowSmax === b.lowSmax
  );
}

/** Everything that `inner` may be, `outer` may be: each range within the other's, known bits known alike. */
export function contains(outer: Scalar, inner: Scalar): boolean {
  if (outer === inner || outer === UNKNOWN) return true;
  return (
    !below(inner.uminHi, inner.uminLo, outer.uminHi, outer.uminLo) &&
    !below(outer.umaxHi, outer.umaxLo, inner.umaxHi, inner.umaxLo) &&
    !less(inner.sminHi, inner.sminLo, outer.sminHi, outer.sminLo) &&
    !less(outer.smaxHi, outer.smaxLo, inner.smaxHi, inner.smaxLo) &&
    outer.lowUmin >>> 0 <= inner.lowUmin >>> 0 &&
    outer.lowUmax >>> 0 >= inner.lowUmax >>> 0 &&
    outer.lowSmin <= inner.lowSmin &&
    outer.lowSmax >= inner.lowSmax &&
    (inner.maskHi & ~outer.maskHi) === 0 &&
    (inner.maskLo & ~outer.maskLo) === 0 &&
    (inner.bitsHi & ~outer.maskHi) === outer.bitsHi &&
    (inner.bitsLo & ~outer.maskLo) === outer.bitsLo
  );
}

/** `value` (its low 64 bits) is one of the numbers that `s` may be. For checkers and tests. */
export function includesValue(s: Scalar, value: bigint): boolean {
  const unsigned = BigInt.asUintN(64, value);
  const signed = BigInt.asIntN(64, value);
  const low = Number(unsigned & 0xffff_ffffn);
  return (
    (unsigned & ~s.bitMask) === s.bits &&
    s.umin <= unsigned &&
    unsigned <= s.umax &&
    s.smin <= signed &&
    signed <= s.smax &&
    s.u32min <= low &&
    low <= s.u32max &&
    s.s32min <= (low | 0) &&
    (low | 0) <= s.s32max
  );
}

/** `(number + off) & (size - 1)` is known to be 0; `size` a power of two. */
export function isAligned(s: Scalar, off: number, size: number): boolean {
  if (size <= 1) return true;
  const value = (s.bitsLo + off) | 0;
  // Where an unknown bit may carry into another, that one is unknown too: as adding known bits does (bits.ts).
  const unknown = ((s.maskLo + value) ^ value) | s.maskLo;
  return ((value | unknown) & (size - 1)) === 0;
}
