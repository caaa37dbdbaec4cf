/**
 * Comparisons: as the condition of a jump, as a value, and in a select. eBPF has conditional jumps only, so a comparison
 * is made where its result is wanted as a condition, and materialised only when something reads it as a number.
 */
import type { JumpOp } from "../../lib/isa/index.ts";
import type { Compare, CompareOp, Select, Value } from "../ir/ir.ts";
import { extendInPlace } from "./bits.ts";
import { immediate, widthOf, type Lowering } from "./context.ts";
import type { Condition, MachineReg } from "./mir.ts";

// prettier-ignore
const JUMPS: Readonly<Record<CompareOp, JumpOp>> = {
  eq: "eq", ne: "ne", lt_u: "lt", le_u: "le", gt_u: "gt", ge_u: "ge", lt_s: "slt", le_s: "sle", gt_s: "sgt", ge_s: "sge",
};
/** a op b = b MIRRORED[op] a. */
// prettier-ignore
const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = {
  eq: "eq", ne: "ne", lt_u: "gt_u", le_u: "ge_u", gt_u: "lt_u", ge_u: "le_u", lt_s: "gt_s", le_s: "ge_s", gt_s: "lt_s", ge_s: "le_s",
};
/** a op b = not (a NEGATED[op] b). `set` has no opposite. */
// prettier-ignore
export const NEGATED: Readonly<Record<Exclude<JumpOp, "set">, JumpOp>> = {
  eq: "ne", ne: "eq", lt: "ge", ge: "lt", le: "gt", gt: "le", slt: "sge", sge: "slt", sle: "sgt", sgt: "sle",
};
/** Jumps that v1 lacks. */
export const SINCE_V2: ReadonlySet<JumpOp> = new Set<JumpOp>(["lt", "le", "slt", "sle"]);

/** A jump condition; the value is true when its outcome is `holds`. */
export interface Test {
  readonly condition: Condition;
  readonly holds: boolean;
}

/** How to test that a value is not zero. */
export function testNonZero(l: Lowering, value: Value): Test {
  if (value.op === "compare") return testCompare(l, value);
  const folded = testZero(l, value, true);
  if (folded !== null) return folded;
  const wide = value.type !== "i32" || !l.has("v3");
  return {
    condition: { op: "ne", width: wide ? 64 : 32, dst: wide ? l.reg(value) : l.low(value, 32), src: { imm: 0 } },
    holds: true,
  };
}

function testCompare(l: Lowering, value: Compare): Test {
  let [a, b] = value.args;
  let operator = value.operator;
  if (a.op === "const" && b.op !== "const") {
    [a, b] = [b, a];
    operator = MIRRORED[operator];
  }
  const equality = operator === "eq" || operator === "ne";
  if (equality && b.op === "const" && b.value === 0n) {
    const folded = testZero(l, a, operator === "ne");
    if (folded !== null) return folded;
  }
  const jump = JUMPS[operator];
  const condition = compareOperands(l, jump, a, b);
  if (l.has("v2") || !SINCE_V2.has(jump)) return { condition, holds: true };
  return { condition: { ...condition, op: NEGATED[jump as Exclude<JumpOp, "set">] }, holds: false };
}

/** (x op y) ==/!= 0 is the comparison itself; (x & y) ==/!= 0 is jset. */
function testZero(l: Lowering, value: Value, nonZero: boolean): Test | null {
  if (value.op === "compare") {
    const test = testCompare(l, value);
    return nonZero ? test : { ...test, holds: !test.holds };
  }
  const once = l.uses.get(value)?.length === 1;
  if (value.op !== "binary" || value.operator !== "and" || !once || l.isWanted(value)) return null;
  return { condition: compareOperands(l, "set", value.args[0], value.args[1]), holds: nonZero };
}

function compareOperands(l: Lowering, op: JumpOp, a: Value, b: Value): Condition {
  const width = widthOf(a);
  if (width === 64 || l.has("v3")) return { op, width, dst: l.at(a, width), src: l.operand(b, width) };
  return compareWide(l, op, a, b);
}

/** Without 32-bit jumps: both sides are extended, by sign for a signed comparison. */
function compareWide(l: Lowering, op: JumpOp, a: Value, b: Value): Condition {
  if (!op.startsWith("sg") && !op.startsWith("sl")) return { op, width: 64, dst: l.reg(a), src: l.operand(b, 64) };
  const imm = immediate(b, 32);
  return { op, width: 64, dst: signExtended(l, a), src: imm === null ? { reg: signExtended(l, b) } : { imm } };
}

function signExtended(l: Lowering, value: Value): MachineReg {
  const wide = l.temp();
  l.move(wide, l.low(value, 32));
  extendInPlace(l, wide, 32, 64);
  return wide;
}

// --- as values ------------------------------------------------------------------------------------------------------

/** dst = 1; if it holds, skip: dst = 0. */
export function materialise(l: Lowering, value: Compare): boolean {
  const { condition, holds } = testCompare(l, value);
  const dst = l.result(value);
  l.alu("mov", 32, dst, { imm: holds ? 1 : 0 });
  l.skipIf(condition, () => l.alu("mov", 32, dst, { imm: holds ? 0 : 1 }));
  return true;
}

/** dst = one arm; if it is the right one, skip: dst = the other. */
export function select(l: Lowering, value: Select): boolean {
  const { condition, holds } = testNonZero(l, value.args[0]);
  const dst = l.result(value);
  const [first, second] = holds ? [value.args[1], value.args[2]] : [value.args[2], value.args[1]];
  const arms = betterFirst(l, condition, first, second);
  l.copy(dst, arms.first);
  l.skipIf(arms.condition, () => l.copy(dst, arms.second));
  return true;
}

/** The first arm's copy vanishes when its register is free to be the result: prefer an operand that dies here. */
function betterFirst(
  l: Lowering,
  condition: Condition,
  first: Value,
  second: Value,
): { condition: Condition; first: Value; second: Value } {
  const { op } = condition;
  const dies = (v: Value): boolean => v.op !== "const" && !l.isWanted(v);
  const negated = op === "set" ? null : NEGATED[op];
  const swap = !dies(first) && dies(second) && negated !== null && (l.has("v2") || !SINCE_V2.has(negated));
  return swap
    ? { condition: { ...condition, op: negated }, first: second, second: first }
    : { condition, first, second };
}
