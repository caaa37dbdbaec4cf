/** What the rules of the pass `simplify` share: their form, what they build with, and small matchers. */
import { swapWidth, toSigned } from "../../ir/fold.ts";
import type { Binary, BinaryOp, Compare, CompareOp, Type, Unary, UnaryOp, Value } from "../../ir/ir.ts";
import { possibleBits } from "../../ir/known-bits.ts";
import type { Stage } from "../../ir/pass.ts";

/** A value that is equal to `value` and better, or null. What it builds is simplified in turn. */
export type Rule<V extends Value> = (value: V, builder: Builder) => Value | null;

/** Makes values in front of the one being simplified. */
export interface Builder {
  readonly stage: Stage;
  constant(type: Type, n: bigint): Value;
  binary(operator: BinaryOp, a: Value, b: Value): Value;
  compare(operator: CompareOp, a: Value, b: Value): Value;
  unary(operator: UnaryOp, type: Type, a: Value): Value;
  select(condition: Value, then: Value, otherwise: Value): Value;
  /** True when nothing else uses it. */
  isOnce(value: Value): boolean;
  /** The bits of `operand` that may be one, as far as the users of `result` may count on them. */
  bits(result: Value, operand: Value): bigint;
}

/** The first rule that applies. */
export function firstOf<V extends Value>(rules: readonly Rule<V>[], value: V, builder: Builder): Value | null {
  for (const rule of rules) {
    const better = rule(value, builder);
    if (better !== null) return better;
  }
  return null;
}

export function constantOf(value: Value): bigint | null {
  return value.op === "const" ? value.value : null;
}

export function isConst(value: Value, n: bigint): boolean {
  return value.op === "const" && value.value === n;
}

export function isBinary(value: Value, operator: BinaryOp): value is Binary {
  return value.op === "binary" && value.operator === operator;
}

export function isUnary(value: Value, operator: UnaryOp): value is Unary {
  return value.op === "unary" && value.operator === operator;
}

/** A byte swap, with how many bits it reads. */
export function asSwap(value: Value): { of: Value; operator: UnaryOp; bits: 16 | 32 | 64 } | null {
  if (value.op !== "unary") return null;
  const bits = swapWidth(value.operator);
  return bits === 0 ? null : { of: value.args[0], operator: value.operator, bits };
}

/** 0 or 1. */
export function isBoolean(value: Value): boolean {
  return possibleBits(value) <= 1n;
}

/** A mask of the low `bits` bits. */
export function lowMask(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}

/** Looks through masks and extensions that leave the low `bits` bits alone. */
export function lowBitsOf(value: Value, bits: number): Value {
  if (isBinary(value, "and")) {
    const mask = constantOf(value.args[1]);
    if (mask !== null && (mask & lowMask(bits)) === lowMask(bits)) return lowBitsOf(value.args[0], bits);
  }
  if (value.op !== "unary") return value;
  const keeps =
    value.operator === "sext8" ? 8 : value.operator === "sext16" ? 16 : value.operator === "sext32" ? 32 : 0;
  return keeps >= bits ? lowBitsOf(value.args[0], bits) : value;
}

// prettier-ignore
export const INVERTED: Readonly<Record<CompareOp, CompareOp>> = {
  eq: "ne", ne: "eq", lt_u: "ge_u", ge_u: "lt_u", le_u: "gt_u", gt_u: "le_u", lt_s: "ge_s", ge_s: "lt_s", le_s: "gt_s", gt_s: "le_s",
};

/** The opposite of a comparison. */
export function invert(value: Compare, b: Builder): Value {
  return b.compare(INVERTED[value.operator], value.args[0], value.args[1]);
}

/** The exponent of a power of two, read as unsigned; null for other numbers. */
export function log2(type: Type, n: bigint): bigint | null {
  const u = type === "i32" ? BigInt.asUintN(32, n) : BigInt.asUintN(64, n);
  return u !== 0n && (u & (u - 1n)) === 0n ? BigInt(u.toString(2).length - 1) : null;
}

/** A constant of a value's type. */
export function like(value: Value, n: bigint, b: Builder): Value {
  return b.constant(value.type, toSigned(value.type, n));
}
