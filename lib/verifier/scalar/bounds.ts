/**
 * The scratch pad on which a scalar's successor is worked out: the fields of a scalar, changeable, and the verbs by which
 * rules say what they found. A rule never widens by accident: `raise` and `lower` only ever narrow.
 */
import { Scalar, UNKNOWN, constantOf, sameHalves } from "./scalar.ts";
import type { Halves } from "./scalar.ts";
import { below, less } from "./wide.ts";

const MIN = -0x8000_0000;
const MAX = 0x7fff_ffff;

export class Bounds implements Halves {
  bitsHi = 0;
  bitsLo = 0;
  maskHi = 0;
  maskLo = 0;
  uminHi = 0;
  uminLo = 0;
  umaxHi = 0;
  umaxLo = 0;
  sminHi = 0;
  sminLo = 0;
  smaxHi = 0;
  smaxLo = 0;
  lowUmin = 0;
  lowUmax = 0;
  lowSmin = 0;
  lowSmax = 0;
  /** Counts changes of ranges: rules that found nothing will find nothing again. */
  changes = 0;

  load(from: Halves): this {
    this.changes = 0;
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
    return this;
  }

  /** The immutable scalar; `before` itself where nothing changed, so that equal scalars are most often one object. */
  freeze(before: Scalar): Scalar {
    if (sameHalves(this, before)) return before;
    if ((this.maskHi & this.maskLo) === -1 && sameHalves(this, UNKNOWN)) return UNKNOWN;
    if ((this.maskHi | this.maskLo) === 0) {
      const known = constantOf(this.bitsHi, this.bitsLo);
      if (sameHalves(this, known)) return known;
    }
    return new Scalar(this);
  }

  // ---- known bits

  setBits(bitsHi: number, bitsLo: number, maskHi: number, maskLo: number): void {
    this.bitsHi = bitsHi;
    this.bitsLo = bitsLo;
    this.maskHi = maskHi;
    this.maskLo = maskLo;
  }

  /** Known to be a constant, in every way. */
  setConstant(hi: number, lo: number): void {
    this.setBits(hi, lo, 0, 0);
    this.setUnsigned(hi, lo, hi, lo);
    this.setSigned(hi, lo, hi, lo);
    this.setLowUnsigned(lo, lo);
    this.setLowSigned(lo, lo);
    this.changes++;
  }

  // ---- all 64 bits

  setUnsigned(minHi: number, minLo: number, maxHi: number, maxLo: number): void {
    this.uminHi = minHi;
    this.uminLo = minLo;
    this.umaxHi = maxHi;
    this.umaxLo = maxLo;
  }
  setSigned(minHi: number, minLo: number, maxHi: number, maxLo: number): void {
    this.sminHi = minHi;
    this.sminLo = minLo;
    this.smaxHi = maxHi;
    this.smaxLo = maxLo;
  }
  forgetUnsigned(): void {
    this.setUnsigned(0, 0, -1, -1);
  }
  forgetSigned(): void {
    this.setSigned(MIN, 0, MAX, -1);
  }
  raiseUmin(hi: number, lo: number): void {
    if (below(this.uminHi, this.uminLo, hi, lo)) {
      this.uminHi = hi;
      this.uminLo = lo;
      this.changes++;
    }
  }
  lowerUmax(hi: number, lo: number): void {
    if (below(hi, lo, this.umaxHi, this.umaxLo)) {
      this.umaxHi = hi;
      this.umaxLo = lo;
      this.changes++;
    }
  }
  raiseSmin(hi: number, lo: number): void {
    if (less(this.sminHi, this.sminLo, hi, lo)) {
      this.sminHi = hi;
      this.sminLo = lo;
      this.changes++;
    }
  }
  lowerSmax(hi: number, lo: number): void {
    if (less(hi, lo, this.smaxHi, this.smaxLo)) {
      this.smaxHi = hi;
      this.smaxLo = lo;
      this.changes++;
    }
  }

  // ---- the low 32 bits

  setLowUnsigned(min: number, max: number): void {
    this.lowUmin = min;
    this.lowUmax = max;
  }
  setLowSigned(min: number, max: number): void {
    this.lowSmin = min;
    this.lowSmax = max;
  }
  /** The low half is known, in every way. */
  setLowConstant(value: number): void {
    this.bitsLo = value;
    this.maskLo = 0;
    this.setLowUnsigned(value, value);
    this.setLowSigned(value, value);
  }
  forgetLowUnsigned(): void {
    this.setLowUnsigned(0, -1);
  }
  forgetLowSigned(): void {
    this.setLowSigned(MIN, MAX);
  }
  raiseLowUmin(value: number): void {
    if (this.lowUmin >>> 0 < value >>> 0) {
      this.lowUmin = value;
      this.changes++;
    }
  }
  lowerLowUmax(value: number): void {
    if (value >>> 0 < this.lowUmax >>> 0) {
      this.lowUmax = value;
      this.changes++;
    }
  }
  raiseLowSmin(value: number): void {
    if (this.lowSmin < value) {
      this.lowSmin = value;
      this.changes++;
    }
  }
  lowerLowSmax(value: number): void {
    if (value < this.lowSmax) {
      this.lowSmax = value;
      this.changes++;
    }
  }

  forgetLow(): void {
    this.forgetLowUnsigned();
    this.forgetLowSigned();
  }
  forgetWide(): void {
    this.forgetUnsigned();
    this.forgetSigned();
  }
  forgetRanges(): void {
    this.forgetWide();
    this.forgetLow();
  }
}
