/**
 * Conditional jumps as verifiers before 6.8 see them: a number is compared with a constant, and only the number learns. Of two numbers
 * that may each be several they know nothing but that equal ones have both their bounds; of an unequal one they learn nothing.
 */
import type { JumpOp, Width } from "../../isa/index.ts";
import { branchTaken, refine } from "./jump.ts";
import type { Refined } from "./jump.ts";
import type { Scalar } from "./scalar.ts";

/**
 * Whether a jump is taken: true, false, or null where it may go either way. `byRange`: a range without the constant makes the
 * number unequal to it (from 6.2 on); before that only another constant is.
 */
export function branchTakenByConstant(
  op: JumpOp,
  width: Width,
  a: Scalar,
  b: Scalar,
  byRange: boolean,
): boolean | null {
  if (!isKnown(width, b)) return null;
  if ((op === "eq" || op === "ne") && !byRange && !isKnown(width, a)) return null;
  return branchTaken(op, width, a, b);
}

/** What a and b are when the jump is taken and when not. */
export function refineByConstant(op: JumpOp, width: Width, a: Scalar, b: Scalar, isOne: boolean): Refined {
  const unchanged = [a, b] as const;
  const isEquality = op === "eq" || op === "ne";
  const hasConstant = isKnown(width, a) || isKnown(width, b);
  if (!hasConstant && !(isEquality && width === 64)) return { taken: unchanged, fallThrough: unchanged };
  const known = refine(op, width, a, b, isOne);
  if (op === "eq") return { taken: known.taken, fallThrough: unchanged };
  return op === "ne" ? { taken: unchanged, fallThrough: known.fallThrough } : known;
}

function isKnown(width: Width, number: Scalar): boolean {
  return width === 64 ? number.isConst : number.isConst32;
}
