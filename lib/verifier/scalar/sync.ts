/**
 * Keeps the five views of a number in step: what one of them learnt, the others learn. Exactly the deductions of Linux 6.18
 * and their order (kernel/bpf/verifier.c, reg_bounds_sync), for pruning compares the results: more knowledge would be as wrong
 * as less.
 *
 *     bits --> ranges;  three times: low <-- wide, signed <-> unsigned, wide <-- low;  ranges --> bits;  bits --> ranges
 */
import type { Bounds } from "./bounds.ts";
import { addHi, below, subHi } from "./wide.ts";

const MIN = -0x8000_0000;
const MAX = 0x7fff_ffff;
const ROUNDS = 3;

/** How often views contradicted each other, for who wants to know (BPF_F_TEST_REG_INVARIANTS); never counted back by itself. */
export const contradictions = { count: 0 };

/** Brings the views in step, and forgets the ranges where they contradict each other (a branch that cannot be taken). */
export function settle(w: Bounds): void {
  if ((w.maskHi | w.maskLo) === 0 && isWideConstant(w, w.bitsHi, w.bitsLo) && isLowConstant(w, w.bitsLo)) return;
  sync(w);
  forgetContradiction(w);
}

/** Where the views contradict each other only the known bits stay. */
export function forgetContradiction(w: Bounds): void {
  if (!contradicts(w)) return;
  contradictions.count += 1;
  w.forgetRanges();
}

/** Brings the views in step; they may contradict each other afterwards. */
export function sync(w: Bounds): void {
  learnFromBits(w);
  if (syncSmall(w)) return;
  for (let round = 0; round < ROUNDS; round++) {
    const before = w.changes;
    relateLow(w);
    relateSigns(w);
    relateWide(w);
    if (w.changes === before) break;
  }
  learnBits(w);
  learnFromBits(w);
}

/**
 * The way for most numbers of most programs: known by its 64-bit ranges to be in [0, 2^31), a number has one range in all
 * notations, which one round of the rules below gives each of them and the next does not change. False: not such a number.
 */
function syncSmall(w: Bounds): boolean {
  if ((w.umaxHi | w.sminHi | w.smaxHi) !== 0 || (w.umaxLo | w.sminLo | w.smaxLo) < 0) return false;
  const min = Math.max(w.uminLo, w.sminLo, w.lowSmin, w.lowUmin >>> 0);
  const max = Math.min(w.umaxLo, w.smaxLo, w.lowSmax, w.lowUmax >>> 0);
  if (min > max) return false;
  narrowBits(w, 0, min, 0, max);
  setSmall(w, Math.max(min, w.bitsLo), Math.min(max, w.bitsLo | w.maskLo));
  findOnly(w);
  return true;
}

function setSmall(w: Bounds, min: number, max: number): void {
  w.setUnsigned(0, min, 0, max);
  w.setSigned(0, min, 0, max);
  w.setLowUnsigned(min, max);
  w.setLowSigned(min, max);
}

/** The known bits bound every range: unknown bits all 0, or all 1; of signed numbers the sign bit the other way. */
export function learnFromBits(w: Bounds): void {
  learnLowFromBits(w);
  const { bitsHi, bitsLo, maskHi, maskLo } = w;
  w.raiseSmin(bitsHi | (maskHi & MIN), bitsLo);
  w.lowerSmax(bitsHi | (maskHi & MAX), bitsLo | maskLo);
  w.raiseUmin(bitsHi, bitsLo);
  w.lowerUmax(bitsHi | maskHi, bitsLo | maskLo);
  findOnly(w);
}

/**
 * Where only one number that the bits allow is in the unsigned range, that is it: the minimum, the number that follows it among
 * those that the bits allow, or (never looked for beyond the range) the largest of those.
 */
function findOnly(w: Bounds): void {
  const { bitsHi, bitsLo, maskHi, maskLo, uminHi, uminLo, umaxHi, umaxLo } = w;
  if ((maskHi | maskLo) === 0) return;
  findNext(w, uminHi, uminLo);
  if ((uminHi & ~maskHi) === bitsHi && (uminLo & ~maskLo) === bitsLo) {
    if (below(umaxHi, umaxLo, nextHi, nextLo)) w.setConstant(uminHi, uminLo);
    return;
  }
  if (nextHi === (bitsHi | maskHi) && nextLo === (bitsLo | maskLo)) {
    w.setConstant(nextHi, nextLo);
    return;
  }
  if (below(umaxHi, umaxLo, nextHi, nextLo)) return;
  const onlyHi = nextHi;
  const onlyLo = nextLo;
  findNext(w, onlyHi, onlyLo);
  if (below(umaxHi, umaxLo, nextHi, nextLo)) w.setConstant(onlyHi, onlyLo);
}

let nextHi = 0;
let nextLo = 0;

/**
 * Sets `next` to the smallest number above this one that the bits allow; to their largest where there is none. The number is at
 * least their smallest. Counting up within the mask: all bits outside of it, and those under the highest one that differs
 * there, are filled so that the carry runs through.
 */
function findNext(w: Bounds, hi: number, lo: number): void {
  const { bitsHi, bitsLo, maskHi, maskLo } = w;
  if (!below(hi, lo, bitsHi | maskHi, bitsLo | maskLo)) {
    nextHi = bitsHi | maskHi;
    nextLo = bitsLo | maskLo;
    return;
  }
  const aboveHi = subHi(hi, lo, bitsHi, bitsLo);
  const aboveLo = (lo - bitsLo) | 0;
  const outsideHi = aboveHi & ~maskHi;
  const filledHi = aboveHi | freeBelow(outsideHi) | ~maskHi;
  const filledLo = aboveLo | (outsideHi === 0 ? freeBelow(aboveLo & ~maskLo) : -1) | ~maskLo;
  nextHi = bitsHi | (addHi(filledHi, filledLo, 0, 1) & maskHi);
  nextLo = bitsLo | ((filledLo + 1) & maskLo);
}

export function learnLowFromBits(w: Bounds): void {
  const { bitsLo, maskLo } = w;
  w.raiseLowSmin(bitsLo | (maskLo & MIN));
  w.lowerLowSmax(bitsLo | (maskLo & MAX));
  w.raiseLowUmin(bitsLo);
  w.lowerLowUmax(bitsLo | maskLo);
}

/** The low half's ranges, from the 64-bit ones and from each other. */
function relateLow(w: Bounds): void {
  // The high half is one number in all of the range: the low halves are a range too.
  if (w.uminHi === w.umaxHi) {
    w.raiseLowUmin(w.uminLo);
    w.lowerLowUmax(w.umaxLo);
    if (w.uminLo <= w.umaxLo) {
      w.raiseLowSmin(w.uminLo);
      w.lowerLowSmax(w.umaxLo);
    }
  }
  if (w.sminHi === w.smaxHi) {
    if (w.sminLo >>> 0 <= w.smaxLo >>> 0) {
      w.raiseLowUmin(w.sminLo);
      w.lowerLowUmax(w.smaxLo);
    }
    if (w.sminLo <= w.smaxLo) {
      w.raiseLowSmin(w.sminLo);
      w.lowerLowSmax(w.smaxLo);
    }
  }
  // The high half is one of two neighbours, and the low half goes from negative to positive between them: [-16, 16].
  if (((w.uminHi + 1) | 0) === w.umaxHi && w.uminLo < 0 && w.umaxLo >= 0) {
    w.raiseLowSmin(w.uminLo);
    w.lowerLowSmax(w.umaxLo);
  }
  if (((w.sminHi + 1) | 0) === w.smaxHi && w.sminLo < 0 && w.smaxLo >= 0) {
    w.raiseLowSmin(w.sminLo);
    w.lowerLowSmax(w.smaxLo);
  }
  // A range that does not cross the sign's boundary is one in the other notation as well.
  if (w.lowUmin <= w.lowUmax) {
    w.raiseLowSmin(w.lowUmin);
    w.lowerLowSmax(w.lowUmax);
  }
  if (w.lowSmin >>> 0 <= w.lowSmax >>> 0) {
    w.raiseLowUmin(w.lowSmin);
    w.lowerLowUmax(w.lowSmax);
  } else if (w.lowUmax >>> 0 < w.lowSmin >>> 0) {
    // Signed, it is in two parts, and only the one without a sign overlaps the unsigned range.
    setLowSmin(w, w.lowUmin);
    w.lowerLowUmax(w.lowSmax);
  } else if (w.lowSmax >>> 0 < w.lowUmin >>> 0) {
    setLowSmax(w, w.lowUmax);
    w.raiseLowUmin(w.lowSmin);
  }
}

/** The 64-bit ranges, signed and unsigned, from each other: as the last part of `relateLow`. */
function relateSigns(w: Bounds): void {
  if (w.uminHi < w.umaxHi || (w.uminHi === w.umaxHi && w.uminLo >>> 0 <= w.umaxLo >>> 0)) {
    w.raiseSmin(w.uminHi, w.uminLo);
    w.lowerSmax(w.umaxHi, w.umaxLo);
  }
  if (!below(w.smaxHi, w.smaxLo, w.sminHi, w.sminLo)) {
    w.raiseUmin(w.sminHi, w.sminLo);
    w.lowerUmax(w.smaxHi, w.smaxLo);
  } else if (below(w.umaxHi, w.umaxLo, w.sminHi, w.sminLo)) {
    setSmin(w, w.uminHi, w.uminLo);
    w.lowerUmax(w.smaxHi, w.smaxLo);
  } else if (below(w.smaxHi, w.smaxLo, w.uminHi, w.uminLo)) {
    setSmax(w, w.umaxHi, w.umaxLo);
    w.raiseUmin(w.sminHi, w.sminLo);
  }
}

/** The 64-bit ranges from the low half's: its bounds put under the high halves. */
function relateWide(w: Bounds): void {
  w.raiseUmin(w.uminHi, w.lowUmin);
  w.lowerUmax(w.umaxHi, w.lowUmax);
  w.raiseSmin(w.sminHi, w.lowUmin);
  w.lowerSmax(w.smaxHi, w.lowUmax);
  if (w.lowSmin >>> 0 <= w.lowSmax >>> 0) {
    w.raiseUmin(w.uminHi, w.lowSmin);
    w.lowerUmax(w.umaxHi, w.lowSmax);
    w.raiseSmin(w.sminHi, w.lowSmin);
    w.lowerSmax(w.smaxHi, w.lowSmax);
  }
  // A number that fits an int32, whose low half is not negative, is that half (sign-extending loads).
  if (w.lowSmin >= 0 && fitsInt32(w)) {
    setSmin(w, 0, w.lowSmin);
    setSmax(w, 0, w.lowSmax);
    if (w.uminHi !== 0 || w.uminLo !== w.lowSmin || w.umaxHi !== 0 || w.umaxLo !== w.lowSmax) {
      w.setUnsigned(0, w.lowSmin, 0, w.lowSmax);
      w.changes++;
    }
    narrowBits(w, 0, w.lowSmin, 0, w.lowSmax);
  }
}

/** -2^31 <= smin and smax < 2^31. */
function fitsInt32(w: Bounds): boolean {
  const minFits = w.sminHi > -1 || (w.sminHi === -1 && w.sminLo < 0);
  const maxFits = w.smaxHi < 0 || (w.smaxHi === 0 && w.smaxLo >= 0);
  return minFits && maxFits;
}

/** The bits that the unsigned ranges fix: those above the highest in which minimum and maximum differ. */
function learnBits(w: Bounds): void {
  narrowBits(w, w.uminHi, w.uminLo, w.umaxHi, w.umaxLo);
  const free = freeBelow(w.lowUmin ^ w.lowUmax);
  const mask = w.maskLo & free;
  w.bitsLo = (w.bitsLo | (w.lowUmin & ~free)) & ~mask;
  w.maskLo = mask;
}

/** Known bits of a number that is also in min..max, unsigned. */
function narrowBits(w: Bounds, minHi: number, minLo: number, maxHi: number, maxLo: number): void {
  const freeHi = freeBelow(minHi ^ maxHi);
  const freeLo = minHi === maxHi ? freeBelow(minLo ^ maxLo) : -1;
  const maskHi = w.maskHi & freeHi;
  const maskLo = w.maskLo & freeLo;
  w.bitsHi = (w.bitsHi | (minHi & ~freeHi)) & ~maskHi;
  w.bitsLo = (w.bitsLo | (minLo & ~freeLo)) & ~maskLo;
  w.maskHi = maskHi;
  w.maskLo = maskLo;
}

/** All bits up to the highest that is set. */
function freeBelow(difference: number): number {
  return difference === 0 ? 0 : (-1 >>> Math.clz32(difference)) | 0;
}

function setSmin(w: Bounds, hi: number, lo: number): void {
  if (w.sminHi === hi && w.sminLo === lo) return;
  w.sminHi = hi;
  w.sminLo = lo;
  w.changes++;
}
function setSmax(w: Bounds, hi: number, lo: number): void {
  if (w.smaxHi === hi && w.smaxLo === lo) return;
  w.smaxHi = hi;
  w.smaxLo = lo;
  w.changes++;
}
function setLowSmin(w: Bounds, value: number): void {
  if (w.lowSmin === value) return;
  w.lowSmin = value;
  w.changes++;
}
function setLowSmax(w: Bounds, value: number): void {
  if (w.lowSmax === value) return;
  w.lowSmax = value;
  w.changes++;
}

/** No number is in all of the ranges, or the bits know the number and a range does not. */
function contradicts(w: Bounds): boolean {
  if (
    below(w.umaxHi, w.umaxLo, w.uminHi, w.uminLo) ||
    w.smaxHi < w.sminHi ||
    (w.smaxHi === w.sminHi && w.smaxLo >>> 0 < w.sminLo >>> 0) ||
    w.lowUmax >>> 0 < w.lowUmin >>> 0 ||
    w.lowSmax < w.lowSmin
  )
    return true;
  if (w.maskLo !== 0) return false;
  if (!isLowConstant(w, w.bitsLo)) return true;
  return w.maskHi === 0 && !isWideConstant(w, w.bitsHi, w.bitsLo);
}

function isWideConstant(w: Bounds, hi: number, lo: number): boolean {
  return (
    w.uminHi === hi &&
    w.uminLo === lo &&
    w.umaxHi === hi &&
    w.umaxLo === lo &&
    w.sminHi === hi &&
    w.sminLo === lo &&
    w.smaxHi === hi &&
    w.smaxLo === lo
  );
}

function isLowConstant(w: Bounds, lo: number): boolean {
  return w.lowUmin === lo && w.lowUmax === lo && w.lowSmin === lo && w.lowSmax === lo;
}
