/** What instructions do to numbers (RFC 9669), written down once more, in BigInt: the judge of what is known of their results. */
import type { JumpOp, Width } from "../../../lib/isa/index.ts";

export const OPERATIONS = [
  "add",
  "sub",
  "mul",
  "and",
  "or",
  "xor",
  "lsh",
  "rsh",
  "arsh",
  "div",
  "mod",
  "sdiv",
  "smod",
] as const;
export type Operation = (typeof OPERATIONS)[number];

export const CONDITIONS = ["eq", "ne", "set", "gt", "ge", "lt", "le", "sgt", "sge", "slt", "sle"] as const;

const unsigned = (width: Width, x: bigint): bigint => BigInt.asUintN(width, x);
const signed = (width: Width, x: bigint): bigint => BigInt.asIntN(width, x);

/** dst op src of 64-bit numbers; 32-bit results are zero-extended. */
export function calculate(op: Operation, width: Width, dst: bigint, src: bigint): bigint {
  const a = unsigned(width, dst);
  const b = unsigned(width, src);
  const by = b & BigInt(width - 1);
  switch (op) {
    case "add":
      return unsigned(width, a + b);
    case "sub":
      return unsigned(width, a - b);
    case "mul":
      return unsigned(width, a * b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "lsh":
      return unsigned(width, a << by);
    case "rsh":
      return a >> by;
    case "arsh":
      return unsigned(width, signed(width, a) >> by);
    case "div":
      return b === 0n ? 0n : a / b;
    case "mod":
      return b === 0n ? a : a % b;
    case "sdiv":
      return b === 0n ? 0n : unsigned(width, signed(width, a) / signed(width, b));
    case "smod":
      return b === 0n ? a : unsigned(width, signed(width, a) % signed(width, b));
  }
}

/** Whether the jump is taken. */
export function holds(op: JumpOp, width: Width, dst: bigint, src: bigint): boolean {
  const a = unsigned(width, dst);
  const b = unsigned(width, src);
  const sa = signed(width, a);
  const sb = signed(width, b);
  switch (op) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "set":
      return (a & b) !== 0n;
    case "gt":
      return a > b;
    case "ge":
      return a >= b;
    case "lt":
      return a < b;
    case "le":
      return a <= b;
    case "sgt":
      return sa > sb;
    case "sge":
      return sa >= sb;
    case "slt":
      return sa < sb;
    case "sle":
      return sa <= sb;
  }
}

export function swapBytes(op: "le" | "be" | "bswap", bits: 16 | 32 | 64, value: bigint): bigint {
  if (op === "le") return BigInt.asUintN(bits, value);
  let result = 0n;
  for (let i = 0; i < bits; i += 8) result = (result << 8n) | ((value >> BigInt(i)) & 0xffn);
  return result;
}

/** The low bytes sign-extended to the width, and that zero-extended to 64 bits. */
export function extendSign(value: bigint, size: 1 | 2 | 4, width: Width): bigint {
  return unsigned(width, BigInt.asIntN(size * 8, value));
}
