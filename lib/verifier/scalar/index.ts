/**
 * Arithmetic of what is known of numbers, exactly as Linux 6.18 computes it (pruning compares the results).
 *
 *     scalar.ts  what is known, immutable      sync.ts    what the views of a number learn from each other
 *     wide.ts    64-bit numbers as two int32   alu.ts, resize.ts, jump.ts   what operations make of it
 *     bits.ts    known bits                    bounds.ts  the pad on which results are worked out
 */
export { Scalar, UNKNOWN, ZERO, contains, includesValue, isAligned, sameScalar, smallConstant } from "./scalar.ts";
export {
  constant,
  copied,
  deduce,
  forgetLow,
  fromBits,
  signedRange,
  splitSign,
  unsignedRange,
  withinInt32,
} from "./ranges.ts";
export { addConstant, addOffset, alu, negate, subtractOffset } from "./alu.ts";
export { signExtend, swap, zeroExtend } from "./resize.ts";
export { branchTaken, refine } from "./jump.ts";
export { branchTakenByConstant, refineByConstant } from "./older-jump.ts";
export type { Refined } from "./jump.ts";
export { printScalar } from "./print.ts";
export { contradictions } from "./sync.ts";
