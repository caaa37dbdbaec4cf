/**
 * Arithmetic: what is known of `dst op src`. Each operation bounds the ranges as far as overflow allows and says which bits are
 * known, then `settle` brings them in step. Exactly as Linux 6.18 does, where that is less than could be known as well.
 *
 * Two constants are calculated directly: that is what every rule below comes to for them.
 */
import type { AluOp, Width } from "../../isa/index.ts";
import { Bounds } from "./bounds.ts";
// prettier-ignore
import {
  addBits, andBits, keepLowBits, multiplyBits, orBits, shiftLeftBits, shiftRightBits, shiftRightSignedBits, subtractBits, xorBits,
} from "./bits.ts";
import { UNKNOWN, ZERO, constantOf } from "./scalar.ts";
import type { Halves, Scalar } from "./scalar.ts";
import { learnFromBits, learnLowFromBits, settle } from "./sync.ts";
// prettier-ignore
import {
  addHi, below, less, mulHi, sarHi, sarLo, shlHi, shlLo, shrHi, shrLo, subHi, toDouble, toSigned, toSignedDouble, toUnsigned,
} from "./wide.ts";

const MIN = -0x8000_0000;
const MAX = 0x7fff_ffff;

/** The pad that results are worked out on; it holds `dst` first. */
const w = new Bounds();

export type Operation = Exclude<AluOp, "mov">;

/** dst op src. Results that the kernel does not bound (division, shifts by what is not known) are as unknown as there. */
export function alu(op: Operation, width: Width, dst: Scalar, src: Scalar): Scalar {
  if ((dst.maskHi | dst.maskLo | src.maskHi | src.maskLo) === 0) return calculate(op, width, dst, src);
  w.load(dst);
  if (!RULES[op](src, width)) return UNKNOWN;
  return finish(width, dst);
}

/** 0 - s, by the rules of subtraction. */
export function negate(width: Width, s: Scalar): Scalar {
  return alu("sub", width, ZERO, s);
}

/** 32-bit results are zero-extended. */
function finish(width: Width, dst: Scalar): Scalar {
  if (width === 32) widenLow(w);
  settle(w);
  return w.freeze(dst);
}

/** Ranges of a number whose high half is 0, from those of its low half. */
export function widenLow(w: Bounds): void {
  keepLowBits(w);
  w.setUnsigned(0, w.lowUmin, 0, w.lowUmax);
  if (w.lowSmin >= 0 && w.lowSmax >= 0) w.setSigned(0, w.lowSmin, 0, w.lowSmax);
  else w.setSigned(0, 0, 0, -1);
}

/**
 * Changes the pad from dst to dst op src; false: nothing is known. At width 32 `finish` makes the 64-bit ranges of the low
 * half's; sums, products and shifts leave them out, bitwise operations do not, since their bits learn from them.
 */
const RULES: Readonly<Record<Operation, (src: Scalar, width: Width) => boolean>> = {
  add(src, width) {
    addLow(src);
    if (width === 64) addWide(src);
    addBits(w, w, src);
    return true;
  },
  sub(src, width) {
    subtractLow(src);
    if (width === 64) subtractWide(src);
    subtractBits(w, w, src);
    return true;
  },
  mul(src, width) {
    multiplyBits(w, w, src);
    multiplyLow(src);
    if (width === 64) multiplyWide(src);
    return true;
  },
  and(src) {
    const known = w.maskLo === 0 && src.maskLo === 0;
    andBits(w, w, src);
    // The smallest result is in the known bits; the largest is at most either operand.
    if (known) w.setLowConstant(w.bitsLo);
    else boundLow(w.bitsLo, w.lowUmax >>> 0 < src.lowUmax >>> 0 ? w.lowUmax : src.lowUmax);
    if (below(src.umaxHi, src.umaxLo, w.umaxHi, w.umaxLo)) boundWide(w.bitsHi, w.bitsLo, src.umaxHi, src.umaxLo);
    else boundWide(w.bitsHi, w.bitsLo, w.umaxHi, w.umaxLo);
    learnFromBits(w);
    return true;
  },
  or(src) {
    const known = w.maskLo === 0 && src.maskLo === 0;
    orBits(w, w, src);
    // The largest result is in the known bits; the smallest is at least either operand.
    if (known) w.setLowConstant(w.bitsLo);
    else boundLow(w.lowUmin >>> 0 < src.lowUmin >>> 0 ? src.lowUmin : w.lowUmin, w.bitsLo | w.maskLo);
    const maxHi = w.bitsHi | w.maskHi;
    const maxLo = w.bitsLo | w.maskLo;
    if (below(w.uminHi, w.uminLo, src.uminHi, src.uminLo)) boundWide(src.uminHi, src.uminLo, maxHi, maxLo);
    else boundWide(w.uminHi, w.uminLo, maxHi, maxLo);
    learnFromBits(w);
    return true;
  },
  xor(src) {
    const known = w.maskLo === 0 && src.maskLo === 0;
    xorBits(w, w, src);
    if (known) w.setLowConstant(w.bitsLo);
    else boundLow(w.bitsLo, w.bitsLo | w.maskLo);
    boundWide(w.bitsHi, w.bitsLo, w.bitsHi | w.maskHi, w.bitsLo | w.maskLo);
    learnFromBits(w);
    return true;
  },
  lsh(src, width) {
    const n = shiftOf(src, width);
    if (n < 0) return false;
    if (width === 64) {
      shiftLeftWide(n);
      shiftLeftLow(n);
      shiftLeftBits(w, w, n);
      learnFromBits(w);
    } else {
      shiftLeftLow(n);
      w.setBits(0, shlLo(w.bitsLo, n), 0, shlLo(w.maskLo, n));
      learnLowFromBits(w);
    }
    return true;
  },
  rsh(src, width) {
    const n = shiftOf(src, width);
    if (n < 0) return false;
    if (width === 64) {
      w.forgetSigned();
      shiftRightBits(w, w, n);
      w.setUnsigned(shrHi(w.uminHi, n), shrLo(w.uminHi, w.uminLo, n), shrHi(w.umaxHi, n), shrLo(w.umaxHi, w.umaxLo, n));
      // Bits come down from the high half: the low half's ranges come from the known bits alone.
      w.forgetLow();
      learnFromBits(w);
    } else {
      w.forgetLowSigned();
      w.setBits(0, (w.bitsLo >>> n) | 0, 0, (w.maskLo >>> n) | 0);
      w.setLowUnsigned((w.lowUmin >>> n) | 0, (w.lowUmax >>> n) | 0);
      learnLowFromBits(w);
    }
    return true;
  },
  arsh(src, width) {
    const n = shiftOf(src, width);
    if (n < 0) return false;
    if (width === 64) {
      w.setSigned(sarHi(w.sminHi, n), sarLo(w.sminHi, w.sminLo, n), sarHi(w.smaxHi, n), sarLo(w.smaxHi, w.smaxLo, n));
      shiftRightSignedBits(w, w, n);
      w.forgetUnsigned();
      w.forgetLow();
      learnFromBits(w);
    } else {
      w.setLowSigned(w.lowSmin >> n, w.lowSmax >> n);
      w.setBits(0, w.bitsLo >> n, 0, w.maskLo >> n);
      w.forgetLowUnsigned();
      learnLowFromBits(w);
    }
    return true;
  },
  div: () => false,
  mod: () => false,
  sdiv: () => false,
  smod: () => false,
};

/** The constant that is shifted by, or -1 where it is not known or out of range (the result is then not defined). */
function shiftOf(src: Scalar, width: Width): number {
  if (width === 64 ? (src.maskHi | src.maskLo) !== 0 : src.maskLo !== 0) return -1;
  if (src.lowSmin !== src.lowSmax || src.lowUmin !== src.lowUmax) return -1;
  return src.umaxHi === 0 && src.umaxLo >= 0 && src.umaxLo < width ? src.lowUmin : -1;
}

// ---- sums and differences: a range survives where no pair overflows, or (unsigned) every pair does

function addLow(src: Halves): void {
  const smin = (w.lowSmin + src.lowSmin) | 0;
  const smax = (w.lowSmax + src.lowSmax) | 0;
  if (((w.lowSmin ^ smin) & (src.lowSmin ^ smin)) < 0 || ((w.lowSmax ^ smax) & (src.lowSmax ^ smax)) < 0)
    w.forgetLowSigned();
  else w.setLowSigned(smin, smax);
  const umin = (w.lowUmin + src.lowUmin) | 0;
  const umax = (w.lowUmax + src.lowUmax) | 0;
  const minOverflows = umin >>> 0 < w.lowUmin >>> 0;
  const maxOverflows = umax >>> 0 < w.lowUmax >>> 0;
  if (!minOverflows && maxOverflows) w.forgetLowUnsigned();
  else w.setLowUnsigned(umin, umax);
}

function addWide(src: Halves): void {
  addSigned(src);
  const minHi = addHi(w.uminHi, w.uminLo, src.uminHi, src.uminLo);
  const minLo = (w.uminLo + src.uminLo) | 0;
  const maxHi = addHi(w.umaxHi, w.umaxLo, src.umaxHi, src.umaxLo);
  const maxLo = (w.umaxLo + src.umaxLo) | 0;
  const minOverflows = below(minHi, minLo, w.uminHi, w.uminLo);
  const maxOverflows = below(maxHi, maxLo, w.umaxHi, w.umaxLo);
  if (!minOverflows && maxOverflows) w.forgetUnsigned();
  else w.setUnsigned(minHi, minLo, maxHi, maxLo);
}

function addSigned(src: Halves): void {
  const minHi = addHi(w.sminHi, w.sminLo, src.sminHi, src.sminLo);
  const maxHi = addHi(w.smaxHi, w.smaxLo, src.smaxHi, src.smaxLo);
  const minOverflows = ((w.sminHi ^ minHi) & (src.sminHi ^ minHi)) < 0;
  const maxOverflows = ((w.smaxHi ^ maxHi) & (src.smaxHi ^ maxHi)) < 0;
  if (minOverflows || maxOverflows) w.forgetSigned();
  else w.setSigned(minHi, (w.sminLo + src.sminLo) | 0, maxHi, (w.smaxLo + src.smaxLo) | 0);
}

function subtractLow(src: Halves): void {
  const smin = (w.lowSmin - src.lowSmax) | 0;
  const smax = (w.lowSmax - src.lowSmin) | 0;
  if (((w.lowSmin ^ src.lowSmax) & (w.lowSmin ^ smin)) < 0 || ((w.lowSmax ^ src.lowSmin) & (w.lowSmax ^ smax)) < 0)
    w.forgetLowSigned();
  else w.setLowSigned(smin, smax);
  const minUnderflows = w.lowUmin >>> 0 < src.lowUmax >>> 0;
  const maxUnderflows = w.lowUmax >>> 0 < src.lowUmin >>> 0;
  if (minUnderflows && !maxUnderflows) w.forgetLowUnsigned();
  else w.setLowUnsigned((w.lowUmin - src.lowUmax) | 0, (w.lowUmax - src.lowUmin) | 0);
}

function subtractWide(src: Halves): void {
  subtractSigned(src);
  const minUnderflows = below(w.uminHi, w.uminLo, src.umaxHi, src.umaxLo);
  const maxUnderflows = below(w.umaxHi, w.umaxLo, src.uminHi, src.uminLo);
  if (minUnderflows && !maxUnderflows) {
    w.forgetUnsigned();
    return;
  }
  const minHi = subHi(w.uminHi, w.uminLo, src.umaxHi, src.umaxLo);
  const maxHi = subHi(w.umaxHi, w.umaxLo, src.uminHi, src.uminLo);
  w.setUnsigned(minHi, (w.uminLo - src.umaxLo) | 0, maxHi, (w.umaxLo - src.uminLo) | 0);
}

function subtractSigned(src: Halves): void {
  const minHi = subHi(w.sminHi, w.sminLo, src.smaxHi, src.smaxLo);
  const maxHi = subHi(w.smaxHi, w.smaxLo, src.sminHi, src.sminLo);
  const minOverflows = ((w.sminHi ^ src.smaxHi) & (w.sminHi ^ minHi)) < 0;
  const maxOverflows = ((w.smaxHi ^ src.sminHi) & (w.smaxHi ^ maxHi)) < 0;
  if (minOverflows || maxOverflows) w.forgetSigned();
  else w.setSigned(minHi, (w.sminLo - src.smaxLo) | 0, maxHi, (w.smaxLo - src.sminLo) | 0);
}

// ---- offsets of pointers: sums that keep no range of the low half, and unsigned ones only where no pair overflows

/** The variable offset of a pointer after a number was added to it. */
export function addOffset(offset: Scalar, by: Scalar): Scalar {
  w.load(offset);
  addSigned(by);
  const minHi = addHi(w.uminHi, w.uminLo, by.uminHi, by.uminLo);
  const minLo = (w.uminLo + by.uminLo) | 0;
  const maxHi = addHi(w.umaxHi, w.umaxLo, by.umaxHi, by.umaxLo);
  const maxLo = (w.umaxLo + by.umaxLo) | 0;
  if (below(minHi, minLo, w.uminHi, w.uminLo) || below(maxHi, maxLo, w.umaxHi, w.umaxLo)) w.forgetUnsigned();
  else w.setUnsigned(minHi, minLo, maxHi, maxLo);
  addBits(w, w, by);
  w.forgetLow();
  return finish(64, offset);
}

/** The variable offset of a pointer after a number was subtracted from it. */
export function subtractOffset(offset: Scalar, by: Scalar): Scalar {
  w.load(offset);
  subtractSigned(by);
  if (below(w.uminHi, w.uminLo, by.umaxHi, by.umaxLo)) w.forgetUnsigned();
  else {
    const minHi = subHi(w.uminHi, w.uminLo, by.umaxHi, by.umaxLo);
    const maxHi = subHi(w.umaxHi, w.umaxLo, by.uminHi, by.uminLo);
    w.setUnsigned(minHi, (w.uminLo - by.umaxLo) | 0, maxHi, (w.umaxLo - by.uminLo) | 0);
  }
  subtractBits(w, w, by);
  w.forgetLow();
  return finish(64, offset);
}

/** A constant added, in 64 bits: a linked scalar, when the one that it is linked to became better known. */
export function addConstant(s: Scalar, value: number): Scalar {
  return alu("add", 64, s, constantOf(Math.floor(value / 0x1_0000_0000) | 0, value | 0));
}

// ---- products: a range survives where no product of bounds overflows

function multiplyLow(src: Halves): void {
  const umin = (w.lowUmin >>> 0) * (src.lowUmin >>> 0);
  const umax = (w.lowUmax >>> 0) * (src.lowUmax >>> 0);
  if (umax > 0xffff_ffff) w.forgetLowUnsigned();
  else w.setLowUnsigned(umin | 0, umax | 0);
  const a = w.lowSmin * src.lowSmin;
  const b = w.lowSmin * src.lowSmax;
  const c = w.lowSmax * src.lowSmin;
  const d = w.lowSmax * src.lowSmax;
  const smin = Math.min(a, b, c, d);
  const smax = Math.max(a, b, c, d);
  if (smin < MIN || smax > MAX) w.forgetLowSigned();
  else w.setLowSigned(smin | 0, smax | 0);
}

function multiplyWide(src: Halves): void {
  if (productOverflows(w.umaxHi, w.umaxLo, src.umaxHi, src.umaxLo)) w.forgetUnsigned();
  else
    w.setUnsigned(
      mulHi(w.uminHi, w.uminLo, src.uminHi, src.uminLo),
      Math.imul(w.uminLo, src.uminLo),
      mulHi(w.umaxHi, w.umaxLo, src.umaxHi, src.umaxLo),
      Math.imul(w.umaxLo, src.umaxLo),
    );
  const { sminHi, sminLo, smaxHi, smaxLo } = w;
  if (
    signedProductOverflows(sminHi, sminLo, src.sminHi, src.sminLo) ||
    signedProductOverflows(sminHi, sminLo, src.smaxHi, src.smaxLo) ||
    signedProductOverflows(smaxHi, smaxLo, src.sminHi, src.sminLo) ||
    signedProductOverflows(smaxHi, smaxLo, src.smaxHi, src.smaxLo)
  ) {
    w.forgetSigned();
    return;
  }
  w.setSigned(MAX, -1, MIN, 0);
  includeSignedProduct(sminHi, sminLo, src.sminHi, src.sminLo);
  includeSignedProduct(sminHi, sminLo, src.smaxHi, src.smaxLo);
  includeSignedProduct(smaxHi, smaxLo, src.sminHi, src.sminLo);
  includeSignedProduct(smaxHi, smaxLo, src.smaxHi, src.smaxLo);
}

function includeSignedProduct(aHi: number, aLo: number, bHi: number, bLo: number): void {
  const hi = mulHi(aHi, aLo, bHi, bLo);
  const lo = Math.imul(aLo, bLo);
  if (less(hi, lo, w.sminHi, w.sminLo)) {
    w.sminHi = hi;
    w.sminLo = lo;
  }
  if (less(w.smaxHi, w.smaxLo, hi, lo)) {
    w.smaxHi = hi;
    w.smaxLo = lo;
  }
}

/** A double says it, except within its rounding of the limit. */
const ROUNDING = 2 ** -48;

function productOverflows(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  const estimate = toDouble(aHi, aLo) * toDouble(bHi, bLo);
  if (estimate < 2 ** 64 * (1 - ROUNDING)) return false;
  if (estimate > 2 ** 64 * (1 + ROUNDING)) return true;
  return toUnsigned(aHi, aLo) * toUnsigned(bHi, bLo) >= 1n << 64n;
}

function signedProductOverflows(aHi: number, aLo: number, bHi: number, bLo: number): boolean {
  const estimate = Math.abs(toSignedDouble(aHi, aLo) * toSignedDouble(bHi, bLo));
  if (estimate < 2 ** 63 * (1 - ROUNDING)) return false;
  if (estimate > 2 ** 63 * (1 + ROUNDING)) return true;
  const exact = toSigned(aHi, aLo) * toSigned(bHi, bLo);
  return exact !== BigInt.asIntN(64, exact);
}

// ---- bitwise operations: signed ranges are the unsigned ones where those do not cross the sign's boundary

function boundLow(umin: number, umax: number): void {
  w.setLowUnsigned(umin, umax);
  if (umin <= umax) w.setLowSigned(umin, umax);
  else w.forgetLowSigned();
}

function boundWide(minHi: number, minLo: number, maxHi: number, maxLo: number): void {
  w.setUnsigned(minHi, minLo, maxHi, maxLo);
  if (less(maxHi, maxLo, minHi, minLo)) w.forgetSigned();
  else w.setSigned(minHi, minLo, maxHi, maxLo);
}

// ---- shifts to the left: a range survives where no bit of its maximum is shifted out

function shiftLeftLow(n: number): void {
  w.forgetLowSigned();
  if (n > 31 || w.lowUmax >>> 0 > 2 ** (31 - n)) w.forgetLowUnsigned();
  else w.setLowUnsigned(w.lowUmin << n, w.lowUmax << n);
}

function shiftLeftWide(n: number): void {
  // `<< 32` and `s>> 32` is how compilers extend a sign.
  if (n === 32) w.setSigned(w.lowSmin, 0, w.lowSmax, 0);
  else w.forgetSigned();
  const limit = 63 - n;
  const limitHi = limit < 32 ? 0 : 1 << (limit - 32);
  const limitLo = limit < 32 ? 1 << limit : 0;
  if (below(limitHi, limitLo, w.umaxHi, w.umaxLo)) {
    w.forgetUnsigned();
    return;
  }
  w.setUnsigned(shlHi(w.uminHi, w.uminLo, n), shlLo(w.uminLo, n), shlHi(w.umaxHi, w.umaxLo, n), shlLo(w.umaxLo, n));
}

// ---- constants

function calculate(op: Operation, width: Width, a: Scalar, b: Scalar): Scalar {
  return width === 32 ? calculateLow(op, a, b) : calculateWide(op, a, b);
}

function calculateLow(op: Operation, a: Scalar, b: Scalar): Scalar {
  const x = a.bitsLo;
  const y = b.bitsLo;
  switch (op) {
    case "add":
      return constantOf(0, (x + y) | 0);
    case "sub":
      return constantOf(0, (x - y) | 0);
    case "mul":
      return constantOf(0, Math.imul(x, y));
    case "and":
      return constantOf(0, x & y);
    case "or":
      return constantOf(0, x | y);
    case "xor":
      return constantOf(0, x ^ y);
    case "lsh":
      return b.bitsHi === 0 && y >= 0 && y < 32 ? constantOf(0, x << y) : UNKNOWN;
    case "rsh":
      return b.bitsHi === 0 && y >= 0 && y < 32 ? constantOf(0, (x >>> y) | 0) : UNKNOWN;
    case "arsh":
      return b.bitsHi === 0 && y >= 0 && y < 32 ? constantOf(0, x >> y) : UNKNOWN;
    case "div":
    case "mod":
    case "sdiv":
    case "smod":
      return UNKNOWN;
  }
}

function calculateWide(op: Operation, a: Scalar, b: Scalar): Scalar {
  const xHi = a.bitsHi;
  const xLo = a.bitsLo;
  const yHi = b.bitsHi;
  const yLo = b.bitsLo;
  switch (op) {
    case "add":
      return constantOf(addHi(xHi, xLo, yHi, yLo), (xLo + yLo) | 0);
    case "sub":
      return constantOf(subHi(xHi, xLo, yHi, yLo), (xLo - yLo) | 0);
    case "mul":
      return constantOf(mulHi(xHi, xLo, yHi, yLo), Math.imul(xLo, yLo));
    case "and":
      return constantOf(xHi & yHi, xLo & yLo);
    case "or":
      return constantOf(xHi | yHi, xLo | yLo);
    case "xor":
      return constantOf(xHi ^ yHi, xLo ^ yLo);
    case "lsh":
      return yHi === 0 && yLo >= 0 && yLo < 64 ? constantOf(shlHi(xHi, xLo, yLo), shlLo(xLo, yLo)) : UNKNOWN;
    case "rsh":
      return yHi === 0 && yLo >= 0 && yLo < 64 ? constantOf(shrHi(xHi, yLo), shrLo(xHi, xLo, yLo)) : UNKNOWN;
    case "arsh":
      return yHi === 0 && yLo >= 0 && yLo < 64 ? constantOf(sarHi(xHi, yLo), sarLo(xHi, xLo, yLo)) : UNKNOWN;
    case "div":
    case "mod":
    case "sdiv":
    case "smod":
      return UNKNOWN;
  }
}
