/**
 * Conditional jumps: which way they go where that is certain, and what is known on each way where it is not. As Linux 6.18 does
 * it (kernel/bpf/verifier.c: is_scalar_branch_taken, regs_refine_cond_op).
 */
import type { JumpOp, Width } from "../../isa/index.ts";
import { Bounds } from "./bounds.ts";
import { andBits, orBits } from "./bits.ts";
import { constantOf } from "./scalar.ts";
import type { Scalar } from "./scalar.ts";
import { settle, sync } from "./sync.ts";
import { addHi, below, less, subHi } from "./wide.ts";

/** Whether a jump is taken: true, false, or null where it may go either way. */
export function branchTaken(op: JumpOp, width: Width, a: Scalar, b: Scalar): boolean | null {
  switch (op) {
    case "eq":
      return equal(width, a, b);
    case "ne": {
      const same = equal(width, a, b);
      return same === null ? null : !same;
    }
    case "set":
      return intersects(width, a, b);
    case "lt":
      return isBelow(width, a, b);
    case "gt":
      return isBelow(width, b, a);
    case "ge":
      return not(isBelow(width, a, b));
    case "le":
      return not(isBelow(width, b, a));
    case "slt":
      return isLess(width, a, b);
    case "sgt":
      return isLess(width, b, a);
    case "sge":
      return not(isLess(width, a, b));
    case "sle":
      return not(isLess(width, b, a));
  }
}

function not(answer: boolean | null): boolean | null {
  return answer === null ? null : !answer;
}

/** Equal where both are constants; not equal where a known bit, or a range of any kind, keeps them apart. */
function equal(width: Width, a: Scalar, b: Scalar): boolean | null {
  if (width === 32) {
    if ((a.maskLo | b.maskLo) === 0) return a.bitsLo === b.bitsLo;
    if (((a.bitsLo ^ b.bitsLo) & ~a.maskLo & ~b.maskLo) !== 0) return false;
    return lowRangesApart(a, b) ? false : null;
  }
  if ((a.maskHi | a.maskLo | b.maskHi | b.maskLo) === 0) return a.bitsHi === b.bitsHi && a.bitsLo === b.bitsLo;
  if (((a.bitsHi ^ b.bitsHi) & ~a.maskHi & ~b.maskHi) !== 0) return false;
  if (((a.bitsLo ^ b.bitsLo) & ~a.maskLo & ~b.maskLo) !== 0) return false;
  if (
    below(b.umaxHi, b.umaxLo, a.uminHi, a.uminLo) ||
    below(a.umaxHi, a.umaxLo, b.uminHi, b.uminLo) ||
    less(b.smaxHi, b.smaxLo, a.sminHi, a.sminLo) ||
    less(a.smaxHi, a.smaxLo, b.sminHi, b.sminLo) ||
    lowRangesApart(a, b)
  )
    return false;
  return null;
}

function lowRangesApart(a: Scalar, b: Scalar): boolean {
  return (
    a.lowUmin >>> 0 > b.lowUmax >>> 0 ||
    a.lowUmax >>> 0 < b.lowUmin >>> 0 ||
    a.lowSmin > b.lowSmax ||
    a.lowSmax < b.lowSmin
  );
}

/** Whether a & b is not 0, where one of them is a constant. */
function intersects(width: Width, a: Scalar, b: Scalar): boolean | null {
  const known = isKnown(width, b);
  if (!known && !isKnown(width, a)) return null;
  const unknown = known ? a : b;
  const bits = known ? b : a;
  if (((unknown.bitsLo & bits.bitsLo) | (width === 64 ? unknown.bitsHi & bits.bitsHi : 0)) !== 0) return true;
  const possibleLo = (unknown.maskLo | unknown.bitsLo) & bits.bitsLo;
  const possibleHi = width === 64 ? (unknown.maskHi | unknown.bitsHi) & bits.bitsHi : 0;
  return (possibleLo | possibleHi) === 0 ? false : null;
}

/** a < b, unsigned. */
function isBelow(width: Width, a: Scalar, b: Scalar): boolean | null {
  if (width === 32) {
    if (a.lowUmax >>> 0 < b.lowUmin >>> 0) return true;
    return a.lowUmin >>> 0 >= b.lowUmax >>> 0 ? false : null;
  }
  if (below(a.umaxHi, a.umaxLo, b.uminHi, b.uminLo)) return true;
  return below(a.uminHi, a.uminLo, b.umaxHi, b.umaxLo) ? null : false;
}

/** a < b, signed. */
function isLess(width: Width, a: Scalar, b: Scalar): boolean | null {
  if (width === 32) {
    if (a.lowSmax < b.lowSmin) return true;
    return a.lowSmin >= b.lowSmax ? false : null;
  }
  if (less(a.smaxHi, a.smaxLo, b.sminHi, b.sminLo)) return true;
  return less(a.sminHi, a.sminLo, b.smaxHi, b.smaxLo) ? null : false;
}

function isKnown(width: Width, s: Scalar): boolean {
  return width === 64 ? (s.maskHi | s.maskLo) === 0 : s.maskLo === 0;
}

// ---- what is known on each way

export interface Refined {
  readonly taken: readonly [a: Scalar, b: Scalar];
  readonly fallThrough: readonly [a: Scalar, b: Scalar];
}

/** A condition that holds; "clear" is that `set` does not. */
type Condition = JumpOp | "clear";

// prettier-ignore
const OPPOSITE: Readonly<Record<JumpOp, Condition>> = {
  eq: "ne", ne: "eq", set: "clear", ge: "lt", gt: "le", le: "gt", lt: "ge", sge: "slt", sgt: "sle", sle: "sgt", slt: "sge",
};

/** What a and b are when the jump is taken and when not. `isOne`: both are one register, which learns what either would. */
export function refine(op: JumpOp, width: Width, a: Scalar, b: Scalar, isOne = false): Refined {
  const fallThrough = holding(OPPOSITE[op], width, a, b, isOne);
  return { taken: holding(op, width, a, b, isOne), fallThrough };
}

const left = new Bounds();
const right = new Bounds();

/** a and b where the condition holds. */
function holding(condition: Condition, width: Width, a: Scalar, b: Scalar, isOne: boolean): readonly [Scalar, Scalar] {
  const x = left.load(a);
  const y = isOne ? x : right.load(b);
  switch (condition) {
    case "eq":
      unite(width, x, y);
      break;
    case "ne":
      trim(width, x, y);
      break;
    case "set":
      setBit(width, x, y);
      break;
    case "clear":
      clearBits(width, x, y);
      break;
    case "le":
      orderUnsigned(width, x, y, 0);
      break;
    case "lt":
      orderUnsigned(width, x, y, 1);
      break;
    case "ge":
      orderUnsigned(width, y, x, 0);
      break;
    case "gt":
      orderUnsigned(width, y, x, 1);
      break;
    case "sle":
      orderSigned(width, x, y, 0);
      break;
    case "slt":
      orderSigned(width, x, y, 1);
      break;
    case "sge":
      orderSigned(width, y, x, 0);
      break;
    case "sgt":
      orderSigned(width, y, x, 1);
      break;
  }
  // One register is brought in step for either side, and looked at for contradictions after that.
  if (isOne) sync(x);
  else settle(y);
  settle(x);
  return [x.freeze(a), y.freeze(b)];
}

/** x = y: each is known as well as both together. */
function unite(width: Width, x: Bounds, y: Bounds): void {
  if (width === 32) {
    x.raiseLowUmin(y.lowUmin);
    x.lowerLowUmax(y.lowUmax);
    x.raiseLowSmin(y.lowSmin);
    x.lowerLowSmax(y.lowSmax);
    y.setLowUnsigned(x.lowUmin, x.lowUmax);
    y.setLowSigned(x.lowSmin, x.lowSmax);
  } else {
    x.raiseUmin(y.uminHi, y.uminLo);
    x.lowerUmax(y.umaxHi, y.umaxLo);
    x.raiseSmin(y.sminHi, y.sminLo);
    x.lowerSmax(y.smaxHi, y.smaxLo);
    y.setUnsigned(x.uminHi, x.uminLo, x.umaxHi, x.umaxLo);
    y.setSigned(x.sminHi, x.sminLo, x.smaxHi, x.smaxLo);
    const maskHi = x.maskHi & y.maskHi;
    x.bitsHi = y.bitsHi = (x.bitsHi | y.bitsHi) & ~maskHi;
    x.maskHi = y.maskHi = maskHi;
  }
  const maskLo = x.maskLo & y.maskLo;
  x.bitsLo = y.bitsLo = (x.bitsLo | y.bitsLo) & ~maskLo;
  x.maskLo = y.maskLo = maskLo;
}

/** x != y, one of them a constant: it is cut off the ends of the other's ranges. */
function trim(width: Width, a: Bounds, b: Bounds): void {
  const x = isConstant(width, b) ? a : b;
  const y = x === a ? b : a;
  if (!isConstant(width, y)) return;
  const hi = y.bitsHi;
  const lo = y.bitsLo;
  if (width === 32) {
    if (x.lowUmin === lo) x.lowUmin = (lo + 1) | 0;
    if (x.lowUmax === lo) x.lowUmax = (lo - 1) | 0;
    if (x.lowSmin === lo) x.lowSmin = (lo + 1) | 0;
    if (x.lowSmax === lo) x.lowSmax = (lo - 1) | 0;
    return;
  }
  const nextLo = (lo + 1) | 0;
  const nextHi = addHi(hi, lo, 0, 1);
  const previousLo = (lo - 1) | 0;
  const previousHi = subHi(hi, lo, 0, 1);
  if (x.uminHi === hi && x.uminLo === lo) {
    x.uminHi = nextHi;
    x.uminLo = nextLo;
  }
  if (x.umaxHi === hi && x.umaxLo === lo) {
    x.umaxHi = previousHi;
    x.umaxLo = previousLo;
  }
  if (x.sminHi === hi && x.sminLo === lo) {
    x.sminHi = nextHi;
    x.sminLo = nextLo;
  }
  if (x.smaxHi === hi && x.smaxLo === lo) {
    x.smaxHi = previousHi;
    x.smaxLo = previousLo;
  }
}

function isConstant(width: Width, s: Bounds): boolean {
  return width === 64 ? (s.maskHi | s.maskLo) === 0 : s.maskLo === 0;
}

/** x & y is not 0, y a constant of one bit: x has that bit. */
function setBit(width: Width, a: Bounds, b: Bounds): void {
  const x = isConstant(width, b) ? a : b;
  const y = x === a ? b : a;
  if (!isConstant(width, y)) return;
  const hi = width === 64 ? y.bitsHi : 0;
  const lo = y.bitsLo;
  if (!isOneBit(hi, lo)) return;
  orBits(x, x, constantOf(hi, lo));
}

function isOneBit(hi: number, lo: number): boolean {
  if (hi === 0) return lo !== 0 && (lo & (lo - 1)) === 0;
  return lo === 0 && (hi & (hi - 1)) === 0;
}

/** x & y is 0, y a constant: x has none of its bits. The ranges start anew: in a branch that is never taken they might contradict. */
function clearBits(width: Width, a: Bounds, b: Bounds): void {
  const x = isConstant(width, b) ? a : b;
  const y = x === a ? b : a;
  if (!isConstant(width, y)) return;
  x.forgetRanges();
  andBits(x, x, constantOf(width === 64 ? ~y.bitsHi : -1, ~y.bitsLo));
}

/** x + gap <= y, unsigned. */
function orderUnsigned(width: Width, x: Bounds, y: Bounds, gap: 0 | 1): void {
  if (width === 32) {
    x.lowerLowUmax((y.lowUmax - gap) | 0);
    y.raiseLowUmin((x.lowUmin + gap) | 0);
    return;
  }
  x.lowerUmax(subHi(y.umaxHi, y.umaxLo, 0, gap), (y.umaxLo - gap) | 0);
  y.raiseUmin(addHi(x.uminHi, x.uminLo, 0, gap), (x.uminLo + gap) | 0);
}

/** x + gap <= y, signed. */
function orderSigned(width: Width, x: Bounds, y: Bounds, gap: 0 | 1): void {
  if (width === 32) {
    x.lowerLowSmax((y.lowSmax - gap) | 0);
    y.raiseLowSmin((x.lowSmin + gap) | 0);
    return;
  }
  x.lowerSmax(subHi(y.smaxHi, y.smaxLo, 0, gap), (y.smaxLo - gap) | 0);
  y.raiseSmin(addHi(x.sminHi, x.sminLo, 0, gap), (x.sminLo + gap) | 0);
}
