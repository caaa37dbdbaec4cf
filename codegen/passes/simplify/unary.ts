/** Rules for conversions, sign extension and byte swaps. */
import { bitsOf, foldUnary, swapWidth } from "../../ir/fold.ts";
import type { Unary, UnaryOp, Value } from "../../ir/ir.ts";
import { possibleBits } from "../../ir/known-bits.ts";
import {
  asSwap,
  constantOf,
  firstOf,
  isBinary,
  isUnary,
  like,
  lowBitsOf,
  lowMask,
  type Builder,
  type Rule,
} from "./rules.ts";

// prettier-ignore
const RULES: Readonly<Record<UnaryOp, readonly Rule<Unary>[]>> = {
  clz:      [],
  ctz:      [],
  popcnt:   [],
  extend_u: [extendWrapped],
  extend_s: [extendPositive, extendWrappedSigned],
  wrap:     [wrapExtended, wrapLow, wrapOperation],
  sext8:    [sextNarrow(8)],
  sext16:   [sextNarrow(16)],
  sext32:   [sextNarrow(32)],
  bswap16:  [swapTwice, swapLow, swapExtended],
  bswap32:  [swapTwice, swapLow, swapExtended],
  bswap64:  [swapTwice],
};

export function simplifyUnary(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  const n = constantOf(x);
  if (n !== null && x.type !== "ptr") return b.constant(value.type, foldUnary(value.operator, x.type, value.type, n));
  return firstOf(RULES[value.operator], value, b);
}

// --- i32 and i64 ----------------------------------------------------------------------------------------------------

/** Extending the low half of what has no high half. */
function extendWrapped(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  if (!isUnary(x, "wrap")) return null;
  return b.bits(value, x.args[0]) <= 0xffff_ffffn ? x.args[0] : null;
}

function extendPositive(value: Unary, b: Builder): Value | null {
  return (possibleBits(value.args[0]) & 0x8000_0000n) === 0n ? b.unary("extend_u", "i64", value.args[0]) : null;
}

function extendWrappedSigned(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  return isUnary(x, "wrap") ? b.unary("sext32", "i64", x.args[0]) : null;
}

function wrapExtended(value: Unary): Value | null {
  const [x] = value.args;
  return isUnary(x, "extend_u") || isUnary(x, "extend_s") ? x.args[0] : null;
}

/** Masks of the low half, and operands that have nothing in it. */
function wrapLow(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  const low = lowBitsOf(x, 32);
  if (low !== x) return b.unary("wrap", "i32", low);
  if (!isBinary(x, "or") && !isBinary(x, "xor") && !isBinary(x, "add")) return null;
  const [p, q] = x.args;
  if ((possibleBits(q) & 0xffff_ffffn) === 0n) return b.unary("wrap", "i32", p);
  return (possibleBits(p) & 0xffff_ffffn) === 0n ? b.unary("wrap", "i32", q) : null;
}

const LOW_HALF_OPERATORS: ReadonlySet<string> = new Set(["add", "sub", "mul", "and", "or", "xor"]);

/** wrap(extend(x) op extend(y)) = x op y, where the low half of the result depends on the low halves only. */
function wrapOperation(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  if (x.op !== "binary" || !LOW_HALF_OPERATORS.has(x.operator) || !b.isOnce(x)) return null;
  const narrow = (v: Value): boolean => v.op === "const" || isUnary(v, "extend_u") || isUnary(v, "extend_s");
  if (!x.args.every(narrow)) return null;
  const [p, q] = x.args.map((v) => b.unary("wrap", "i32", v)) as [Value, Value];
  return b.binary(x.operator, p, q);
}

// --- sign extension -------------------------------------------------------------------------------------------------

function sextNarrow(bits: 8 | 16 | 32): Rule<Unary> {
  return (value, b) => {
    const [x] = value.args;
    if (possibleBits(x) <= lowMask(bits - 1)) return x;
    if (x.op === "load" && x.signed && x.size * 8 <= bits) return x;
    if (isUnary(x, "sext8") || (isUnary(x, "sext16") && bits >= 16) || isUnary(x, "sext32")) {
      const inner = Number(x.operator.slice(4));
      if (inner <= bits) return x;
    }
    if (bits === 32 && isUnary(x, "extend_s")) return x;
    const low = lowBitsOf(x, bits);
    return low === x ? null : b.unary(value.operator, value.type, low);
  };
}

// --- byte swaps -----------------------------------------------------------------------------------------------------

/** Swapping twice leaves the low bytes. */
function swapTwice(value: Unary, b: Builder): Value | null {
  const inner = asSwap(value.args[0]);
  const bits = swapWidth(value.operator);
  if (inner === null || inner.bits !== bits) return null;
  if (bits === bitsOf(value.type)) return inner.of;
  return b.binary("and", inner.of, like(value, lowMask(bits), b));
}

function swapLow(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  const low = lowBitsOf(x, swapWidth(value.operator));
  return low === x ? null : b.unary(value.operator, value.type, low);
}

/** In 32 bits where 32 are enough. */
function swapExtended(value: Unary, b: Builder): Value | null {
  const [x] = value.args;
  if (value.type !== "i64" || (!isUnary(x, "extend_u") && !isUnary(x, "extend_s"))) return null;
  return b.unary("extend_u", "i64", b.unary(value.operator, "i32", x.args[0]));
}
