/**
 * The value of an operation on constants. Integers are wrapped to their width and kept signed, as `Const.value` is.
 * Division by zero gives 0 and the remainder by zero the dividend; the smallest number divided by -1 is itself, with
 * remainder 0 (RFC 9669 §4.1). Shift amounts are taken modulo the width (WebAssembly Core Specification 2.0 §4.3.2).
 */
import type { BinaryOp, CompareOp, Type, UnaryOp } from "./ir.ts";

/** 32 for i32, 64 for the others. */
export function bitsOf(type: Type): 32 | 64 {
  return type === "i32" ? 32 : 64;
}

/** As `Const.value` holds it. */
export function toSigned(type: Type, n: bigint): bigint {
  return BigInt.asIntN(bitsOf(type), n);
}

export function toUnsigned(type: Type, n: bigint): bigint {
  return BigInt.asUintN(bitsOf(type), n);
}

type Rule = (a: bigint, b: bigint, bits: bigint) => bigint;

const unsigned = (n: bigint, bits: bigint): bigint => BigInt.asUintN(Number(bits), n);

const BINARY: Readonly<Record<BinaryOp, Rule>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div_u: (a, b, w) => (b === 0n ? 0n : unsigned(a, w) / unsigned(b, w)),
  div_s: (a, b) => (b === 0n ? 0n : a / b),
  rem_u: (a, b, w) => (b === 0n ? a : unsigned(a, w) % unsigned(b, w)),
  rem_s: (a, b) => (b === 0n ? a : a % b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b, w) => a << (b & (w - 1n)),
  shr_u: (a, b, w) => unsigned(a, w) >> (b & (w - 1n)),
  shr_s: (a, b, w) => a >> (b & (w - 1n)),
  rotl: (a, b, w) => rotate(unsigned(a, w), b & (w - 1n), w),
  rotr: (a, b, w) => rotate(unsigned(a, w), (w - (b & (w - 1n))) & (w - 1n), w),
};

function rotate(a: bigint, by: bigint, bits: bigint): bigint {
  return (a << by) | (a >> (bits - by));
}

/** Both operands signed, in range of `type`. */
export function foldBinary(operator: BinaryOp, type: Type, a: bigint, b: bigint): bigint {
  return toSigned(type, BINARY[operator](a, b, BigInt(bitsOf(type))));
}

/** `type`: of the operands. */
export function foldCompare(operator: CompareOp, type: Type, a: bigint, b: bigint): boolean {
  const [x, y] = operator.endsWith("_u") ? [toUnsigned(type, a), toUnsigned(type, b)] : [a, b];
  switch (operator) {
    case "eq":
      return x === y;
    case "ne":
      return x !== y;
    case "lt_u":
    case "lt_s":
      return x < y;
    case "le_u":
    case "le_s":
      return x <= y;
    case "gt_u":
    case "gt_s":
      return x > y;
    case "ge_u":
    case "ge_s":
      return x >= y;
  }
}

/** `from`: type of the operand; `to`: of the result. */
export function foldUnary(operator: UnaryOp, from: Type, to: Type, a: bigint): bigint {
  const bits = bitsOf(from);
  const digits = toUnsigned(from, a).toString(2);
  switch (operator) {
    case "clz":
      return BigInt(a === 0n ? bits : bits - digits.length);
    case "ctz":
      return BigInt(a === 0n ? bits : digits.length - 1 - digits.lastIndexOf("1"));
    case "popcnt":
      return BigInt(digits.replaceAll("0", "").length);
    case "extend_u":
      return BigInt.asUintN(32, a);
    case "extend_s":
      return a;
    case "wrap":
      return BigInt.asIntN(32, a);
    case "sext8":
      return BigInt.asIntN(8, a);
    case "sext16":
      return BigInt.asIntN(16, a);
    case "sext32":
      return BigInt.asIntN(32, a);
    case "bswap16":
    case "bswap32":
    case "bswap64":
      return toSigned(to, swapBytes(a, swapWidth(operator)));
  }
}

/** The number of bits that a byte swap reads, or 0 for other operations. */
export function swapWidth(operator: UnaryOp): 0 | 16 | 32 | 64 {
  return operator === "bswap16" ? 16 : operator === "bswap32" ? 32 : operator === "bswap64" ? 64 : 0;
}

/** The low `bits` bits with their bytes reversed, unsigned. */
export function swapBytes(n: bigint, bits: number): bigint {
  let swapped = 0n;
  for (let at = 0; at < bits; at += 8) swapped = (swapped << 8n) | ((n >> BigInt(at)) & 0xffn);
  return swapped;
}
