/**
 * Arithmetic of known bits: each operation writes `bits` and `mask` of the scratch pad. An unknown bit is one that some pair
 * of operands sets and another clears, or that a carry out of an unknown bit may reach (Vishwanathan et al., "Sound, Precise,
 * and Fast Abstract Interpretation with Tristate Numbers", CGO 2022; the product as in Linux 6.18).
 */
import { Bounds } from "./bounds.ts";
import type { Halves } from "./scalar.ts";
import { addHi, shlHi, shlLo, shrHi, shrLo, sarHi, sarLo, subHi } from "./wide.ts";

export function addBits(w: Bounds, a: Halves, b: Halves): void {
  const sumLo = (a.bitsLo + b.bitsLo) | 0;
  const sumHi = addHi(a.bitsHi, a.bitsLo, b.bitsHi, b.bitsLo);
  const masksLo = (a.maskLo + b.maskLo) | 0;
  const masksHi = addHi(a.maskHi, a.maskLo, b.maskHi, b.maskLo);
  const allLo = (masksLo + sumLo) | 0;
  const allHi = addHi(masksHi, masksLo, sumHi, sumLo);
  const maskLo = (allLo ^ sumLo) | a.maskLo | b.maskLo;
  const maskHi = (allHi ^ sumHi) | a.maskHi | b.maskHi;
  w.setBits(sumHi & ~maskHi, sumLo & ~maskLo, maskHi, maskLo);
}

export function subtractBits(w: Bounds, a: Halves, b: Halves): void {
  const differenceLo = (a.bitsLo - b.bitsLo) | 0;
  const differenceHi = subHi(a.bitsHi, a.bitsLo, b.bitsHi, b.bitsLo);
  const mostLo = (differenceLo + a.maskLo) | 0;
  const mostHi = addHi(differenceHi, differenceLo, a.maskHi, a.maskLo);
  const leastLo = (differenceLo - b.maskLo) | 0;
  const leastHi = subHi(differenceHi, differenceLo, b.maskHi, b.maskLo);
  const maskLo = (mostLo ^ leastLo) | a.maskLo | b.maskLo;
  const maskHi = (mostHi ^ leastHi) | a.maskHi | b.maskHi;
  w.setBits(differenceHi & ~maskHi, differenceLo & ~maskLo, maskHi, maskLo);
}

export function andBits(w: Bounds, a: Halves, b: Halves): void {
  const bitsHi = a.bitsHi & b.bitsHi;
  const bitsLo = a.bitsLo & b.bitsLo;
  const maskHi = (a.bitsHi | a.maskHi) & (b.bitsHi | b.maskHi) & ~bitsHi;
  const maskLo = (a.bitsLo | a.maskLo) & (b.bitsLo | b.maskLo) & ~bitsLo;
  w.setBits(bitsHi, bitsLo, maskHi, maskLo);
}

export function orBits(w: Bounds, a: Halves, b: Halves): void {
  const bitsHi = a.bitsHi | b.bitsHi;
  const bitsLo = a.bitsLo | b.bitsLo;
  w.setBits(bitsHi, bitsLo, (a.maskHi | b.maskHi) & ~bitsHi, (a.maskLo | b.maskLo) & ~bitsLo);
}

export function xorBits(w: Bounds, a: Halves, b: Halves): void {
  const maskHi = a.maskHi | b.maskHi;
  const maskLo = a.maskLo | b.maskLo;
  w.setBits((a.bitsHi ^ b.bitsHi) & ~maskHi, (a.bitsLo ^ b.bitsLo) & ~maskLo, maskHi, maskLo);
}

/**
 * Long multiplication, bit by bit of `a`: a bit that is 1 adds `b` shifted, a bit that is unknown joins the sum with and
 * without it. It ends early where another summand could change nothing: `b` is shifted out, or the sum is unknown from the
 * lowest bit that `b` has on. The latter is what becomes of the product where nothing is known of `a`, for each bit of it makes
 * another bit unknown.
 */
export function multiplyBits(w: Bounds, a: Halves, b: Halves): void {
  if ((a.maskHi & a.maskLo) === -1) {
    const hi = b.bitsHi | b.maskHi;
    const lo = b.bitsLo | b.maskLo;
    if (lo !== 0) w.setBits(0, 0, -1, -(lo & -lo) | 0);
    else w.setBits(0, 0, -(hi & -hi) | 0, 0);
    return;
  }
  let aHi = a.bitsHi;
  let aLo = a.bitsLo;
  let unknownHi = a.maskHi;
  let unknownLo = a.maskLo;
  factor.load(b);
  sum.setBits(0, 0, 0, 0);
  while ((aHi | aLo | unknownHi | unknownLo) !== 0) {
    const lowHi = factor.bitsHi | factor.maskHi;
    const lowLo = factor.bitsLo | factor.maskLo;
    if ((lowHi | lowLo) === 0 || isUnknownFrom(lowHi, lowLo)) break;
    if ((aLo & 1) !== 0) {
      addBits(sum, sum, factor);
    } else if ((unknownLo & 1) !== 0) {
      addBits(withFactor, sum, factor);
      joinBits(sum, sum, withFactor);
    }
    aLo = (aLo >>> 1) | (aHi << 31);
    aHi = (aHi >>> 1) | 0;
    unknownLo = (unknownLo >>> 1) | (unknownHi << 31);
    unknownHi = (unknownHi >>> 1) | 0;
    shiftLeftBits(factor, factor, 1);
  }
  w.setBits(sum.bitsHi, sum.bitsLo, sum.maskHi, sum.maskLo);
}

const factor = new Bounds();
const sum = new Bounds();
const withFactor = new Bounds();

/** All bits of `sum` are unknown from the lowest one that is set in these halves. */
function isUnknownFrom(hi: number, lo: number): boolean {
  if (lo !== 0) return sum.maskHi === -1 && (sum.maskLo | ((lo & -lo) - 1)) === -1;
  return (sum.maskHi | ((hi & -hi) - 1)) === -1;
}

/** What is known of a number that is one of two. */
function joinBits(w: Bounds, a: Halves, b: Halves): void {
  const maskHi = (a.bitsHi ^ b.bitsHi) | a.maskHi | b.maskHi;
  const maskLo = (a.bitsLo ^ b.bitsLo) | a.maskLo | b.maskLo;
  w.setBits(a.bitsHi & b.bitsHi & ~maskHi, a.bitsLo & b.bitsLo & ~maskLo, maskHi, maskLo);
}

export function shiftLeftBits(w: Bounds, a: Halves, n: number): void {
  w.setBits(shlHi(a.bitsHi, a.bitsLo, n), shlLo(a.bitsLo, n), shlHi(a.maskHi, a.maskLo, n), shlLo(a.maskLo, n));
}

export function shiftRightBits(w: Bounds, a: Halves, n: number): void {
  w.setBits(shrHi(a.bitsHi, n), shrLo(a.bitsHi, a.bitsLo, n), shrHi(a.maskHi, n), shrLo(a.maskHi, a.maskLo, n));
}

/** An unknown sign is shifted in as unknown. */
export function shiftRightSignedBits(w: Bounds, a: Halves, n: number): void {
  w.setBits(sarHi(a.bitsHi, n), sarLo(a.bitsHi, a.bitsLo, n), sarHi(a.maskHi, n), sarLo(a.maskHi, a.maskLo, n));
}

/** The low half, the high one known to be 0. */
export function keepLowBits(w: Bounds): void {
  w.setBits(0, w.bitsLo, 0, w.maskLo);
}
