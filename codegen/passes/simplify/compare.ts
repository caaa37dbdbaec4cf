/** Rules for comparisons and selects. Constants stand on the right. */
import { bitsOf, foldCompare, swapBytes, toSigned, toUnsigned } from "../../ir/fold.ts";
import type { Compare, CompareOp, Select, Value } from "../../ir/ir.ts";
import { allBits, possibleBits } from "../../ir/known-bits.ts";
// prettier-ignore
import { asSwap, constantOf, firstOf, invert, isBinary, isBoolean, isConst, isUnary, like, lowMask, type Builder, type Rule } from "./rules.ts";

/** a op b = b MIRRORED[op] a. */
// prettier-ignore
const MIRRORED: Readonly<Record<CompareOp, CompareOp>> = {
  eq: "eq", ne: "ne", lt_u: "gt_u", le_u: "ge_u", gt_u: "lt_u", ge_u: "le_u", lt_s: "gt_s", le_s: "ge_s", gt_s: "lt_s", ge_s: "le_s",
};
const REFLEXIVE: ReadonlySet<CompareOp> = new Set<CompareOp>(["eq", "le_u", "ge_u", "le_s", "ge_s"]);
// prettier-ignore
const UNSIGNED: Readonly<Partial<Record<CompareOp, CompareOp>>> = {
  lt_s: "lt_u", le_s: "le_u", gt_s: "gt_u", ge_s: "ge_u",
};

/** Rules in the order they are tried. */
// prettier-ignore
const COMPARE: readonly Rule<Compare>[] = [
  fold, constantRight, reflexive, neverNull, signless, limits, impossible,
  ofBoolean, ofDifference, ofXor, ofSum, ofExtended, ofSelect, ofShift, ofMask, ofSwap, ofTwoSwaps, ofMaskedSwap,
];

export function simplifyCompare(value: Compare, b: Builder): Value | null {
  return firstOf(COMPARE, value, b);
}

function isEquality(operator: CompareOp): operator is "eq" | "ne" {
  return operator === "eq" || operator === "ne";
}

function truth(holds: boolean, b: Builder): Value {
  return b.constant("i32", holds ? 1n : 0n);
}

// --- constants and limits -------------------------------------------------------------------------------------------

function fold(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args.map(constantOf) as [bigint | null, bigint | null];
  return x === null || y === null ? null : truth(foldCompare(value.operator, value.args[0].type, x, y), b);
}

function constantRight(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  return x.op === "const" && y.op !== "const" ? b.compare(MIRRORED[value.operator], y, x) : null;
}

function reflexive(value: Compare, b: Builder): Value | null {
  return value.args[0] === value.args[1] ? truth(REFLEXIVE.has(value.operator), b) : null;
}

function neverNull(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || !isConst(y, 0n) || !isNeverNull(x)) return null;
  return truth(value.operator === "ne", b);
}

/** Addresses of objects, and pointers whose origin says so. */
export function isNeverNull(value: Value): boolean {
  switch (value.op) {
    case "stack_slot":
    case "global_address":
    case "map_address":
      return true;
    default:
      return value.type === "ptr" && value.origin?.nullable === false;
  }
}

/** Signed comparison of numbers that are not negative. */
function signless(value: Compare, b: Builder): Value | null {
  const operator = UNSIGNED[value.operator];
  if (operator === undefined) return null;
  const sign = 1n << BigInt(bitsOf(value.args[0].type) - 1);
  if (value.args.some((v) => (possibleBits(v) & sign) !== 0n)) return null;
  return b.compare(operator, value.args[0], value.args[1]);
}

/** Unsigned comparisons that are always true or false, or an equality. */
function limits(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (y.op !== "const" || x.type === "ptr") return null;
  const n = toUnsigned(x.type, y.value);
  const max = possibleBits(x);
  switch (value.operator) {
    case "lt_u":
      if (n === 0n || max < n) return truth(n !== 0n, b);
      return n === 1n ? b.compare("eq", x, like(x, 0n, b)) : null;
    case "le_u":
      if (max <= n) return truth(true, b);
      return n === 0n ? b.compare("eq", x, y) : null;
    case "gt_u":
      if (max <= n) return truth(false, b);
      return n === 0n ? b.compare("ne", x, y) : null;
    case "ge_u":
      if (n === 0n || max < n) return truth(n === 0n, b);
      return n === 1n ? b.compare("ne", x, like(x, 0n, b)) : null;
    default:
      return null;
  }
}

/** Equality with a number that has bits which the other side cannot have. */
function impossible(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || y.op !== "const" || x.type === "ptr") return null;
  return (toUnsigned(x.type, y.value) & ~possibleBits(x)) === 0n ? null : truth(value.operator === "ne", b);
}

// --- what is compared -----------------------------------------------------------------------------------------------

/** Booleans compared with 0 and 1: themselves, or the opposite. */
function ofBoolean(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || x.type !== "i32" || !isBoolean(x)) return null;
  const n = constantOf(y);
  if (n !== 0n && n !== 1n) return null;
  if ((value.operator === "ne") === (n === 0n)) return x;
  if (x.op === "compare") return invert(x, b);
  return n === 0n ? null : b.compare("eq", x, like(x, 0n, b));
}

/** x - y == 0 is x == y */
function ofDifference(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || !isConst(y, 0n) || !isBinary(x, "sub")) return null;
  return b.compare(value.operator, x.args[0], x.args[1]);
}

/** x ^ m == n is x == n ^ m; x ^ y == 0 is x == y */
function ofXor(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || !isBinary(x, "xor")) return null;
  if (isConst(y, 0n)) return b.compare(value.operator, x.args[0], x.args[1]);
  const [n, m] = [constantOf(y), constantOf(x.args[1])];
  return n === null || m === null ? null : b.compare(value.operator, x.args[0], like(x, n ^ m, b));
}

/** x + m == n is x == n - m, when the sum is for nothing else (else the verifier would not learn about it). */
function ofSum(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || !isBinary(x, "add") || x.type === "ptr" || !b.isOnce(x)) return null;
  const [n, m] = [constantOf(y), constantOf(x.args[1])];
  // An address compared with null keeps its form, for the analysis of pointers.
  if (n === null || m === null || (n === 0n && b.stage === "scalar")) return null;
  return b.compare(value.operator, x.args[0], like(x, n - m, b));
}

/** In 32 bits where both sides are extended from them. */
function ofExtended(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  const kind = isUnary(x, "extend_u") ? "extend_u" : isUnary(x, "extend_s") ? "extend_s" : null;
  if (kind === null || x.op !== "unary") return null;
  const signed = value.operator.endsWith("_s");
  if (!isEquality(value.operator) && signed !== (kind === "extend_s")) return null;
  const [narrow] = x.args;
  if (isUnary(y, kind)) return b.compare(value.operator, narrow, y.args[0]);
  const n = constantOf(y);
  if (n === null) return null;
  const fits = kind === "extend_u" ? BigInt.asUintN(32, n) === n : BigInt.asIntN(32, n) === n;
  return fits ? b.compare(value.operator, narrow, b.constant("i32", BigInt.asIntN(32, n))) : null;
}

/** A select of two constants compared with one: its condition. */
function ofSelect(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  const n = constantOf(y);
  if (!isEquality(value.operator) || n === null || x.op !== "select") return null;
  const [condition, then, otherwise] = x.args;
  const [m, k] = [constantOf(then), constantOf(otherwise)];
  if (m === null || k === null || m === k) return null;
  const zero = b.constant(condition.type, 0n);
  const wantsThen = (m === n) === (value.operator === "eq");
  if (m !== n && k !== n) return truth(value.operator === "ne", b);
  return b.compare(wantsThen ? "ne" : "eq", condition, zero);
}

/** x << k == n is x == n >> k, where no bit is shifted out. */
function ofShift(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  const n = constantOf(y);
  const k = isBinary(x, "shl") ? constantOf(x.args[1]) : null;
  if (!isEquality(value.operator) || n === null || k === null || !isBinary(x, "shl")) return null;
  const [shifted] = x.args;
  const lost = BigInt(bitsOf(x.type)) - k;
  if (k < 0n || lost <= 0n || possibleBits(shifted) >> lost !== 0n) return null;
  const unsigned = toUnsigned(x.type, n);
  if ((unsigned & lowMask(Number(k))) !== 0n) return truth(value.operator === "ne", b);
  return b.compare(value.operator, shifted, like(x, unsigned >> k, b));
}

/** x & m == n where m has all bits that x may have. */
function ofMask(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || y.op !== "const" || !isBinary(x, "and")) return null;
  const mask = constantOf(x.args[1]);
  if (mask === null || (possibleBits(x.args[0]) & ~toUnsigned(x.type, mask)) !== 0n) return null;
  return b.compare(value.operator, x.args[0], y);
}

// --- byte swaps: the constant is swapped instead ----------------------------------------------------------------------

/** True when the swap reads all that the value has. */
function readsAll(swap: { of: Value; bits: number }): boolean {
  return possibleBits(swap.of) <= lowMask(swap.bits);
}

/** swap(x) == n is x == swap(n) */
function ofSwap(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  const swap = asSwap(x);
  if (!isEquality(value.operator) || y.op !== "const" || swap === null || !readsAll(swap)) return null;
  return b.compare(value.operator, swap.of, like(x, swapBytes(toUnsigned(x.type, y.value), swap.bits), b));
}

/** swap(x) == swap(y) is x == y */
function ofTwoSwaps(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args.map(asSwap);
  if (!isEquality(value.operator) || x == null || y == null || x.bits !== y.bits || !readsAll(x) || !readsAll(y))
    return null;
  return b.compare(value.operator, x.of, y.of);
}

/** swap(x) & m == n is x & swap(m) == swap(n) */
function ofMaskedSwap(value: Compare, b: Builder): Value | null {
  const [x, y] = value.args;
  if (!isEquality(value.operator) || y.op !== "const" || !isBinary(x, "and")) return null;
  const swap = asSwap(x.args[0]);
  const mask = constantOf(x.args[1]);
  if (swap === null || mask === null) return null;
  const swapped = (n: bigint): Value => like(x, toSigned(x.type, swapBytes(toUnsigned(x.type, n), swap.bits)), b);
  const n = toUnsigned(x.type, y.value);
  if ((n & ~(allBits(x.type) & lowMask(swap.bits))) !== 0n) return null;
  return b.compare(value.operator, b.binary("and", swap.of, swapped(mask)), swapped(n));
}

// --- select ---------------------------------------------------------------------------------------------------------

export function simplifySelect(value: Select, b: Builder): Value | null {
  const [condition, then, otherwise] = value.args;
  if (then === otherwise) return then;
  const n = constantOf(condition);
  if (n !== null) return n === 0n ? otherwise : then;
  if (isNeverNull(condition)) return then;
  return onTest(value, b) ?? ofTruth(value, b);
}

/** A condition x != 0 or x == 0 is x, the arms in order. */
function onTest(value: Select, b: Builder): Value | null {
  const [condition, then, otherwise] = value.args;
  if (condition.op !== "compare" || !isEquality(condition.operator)) return null;
  const [x, zero] = condition.args;
  if (!isConst(zero, 0n) || x.type === "i64") return null;
  return condition.operator === "ne" ? b.select(x, then, otherwise) : b.select(x, otherwise, then);
}

/** select c, 1, 0 is c != 0 */
function ofTruth(value: Select, b: Builder): Value | null {
  const [condition, then, otherwise] = value.args;
  if (value.type === "ptr") return null;
  const straight = isConst(then, 1n) && isConst(otherwise, 0n);
  const opposite = isConst(then, 0n) && isConst(otherwise, 1n);
  if (!straight && !opposite) return null;
  const truth = b.compare(straight ? "ne" : "eq", condition, b.constant(condition.type, 0n));
  return value.type === "i32" ? truth : b.unary("extend_u", "i64", truth);
}
