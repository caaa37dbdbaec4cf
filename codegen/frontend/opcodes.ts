/**
 * WebAssembly instructions that have a direct counterpart in the IR.
 * Source: WebAssembly Core Specification 2.0 §5.4; threads proposal for 0xFE.
 */
import type { Size } from "../../lib/isa/index.ts";
import type { AtomicOp, BinaryOp, CompareOp, UnaryOp } from "../ir/ir.ts";

type Int = "i32" | "i64";

export const LOADS: ReadonlyMap<number, { type: Int; size: Size; signed: boolean }> = new Map([
  [0x28, { type: "i32", size: 4, signed: false }],
  [0x29, { type: "i64", size: 8, signed: false }],
  [0x2c, { type: "i32", size: 1, signed: true }],
  [0x2d, { type: "i32", size: 1, signed: false }],
  [0x2e, { type: "i32", size: 2, signed: true }],
  [0x2f, { type: "i32", size: 2, signed: false }],
  [0x30, { type: "i64", size: 1, signed: true }],
  [0x31, { type: "i64", size: 1, signed: false }],
  [0x32, { type: "i64", size: 2, signed: true }],
  [0x33, { type: "i64", size: 2, signed: false }],
  [0x34, { type: "i64", size: 4, signed: true }],
  [0x35, { type: "i64", size: 4, signed: false }],
]);

// prettier-ignore
export const STORES: ReadonlyMap<number, Size> = new Map<number, Size>([
  [0x36, 4], [0x37, 8], [0x3a, 1], [0x3b, 2], [0x3c, 1], [0x3d, 2], [0x3e, 4],
]);

export const BINARY: readonly { i32: number; i64: number; operator: BinaryOp }[] = [
  { i32: 0x6a, i64: 0x7c, operator: "add" },
  { i32: 0x6b, i64: 0x7d, operator: "sub" },
  { i32: 0x6c, i64: 0x7e, operator: "mul" },
  { i32: 0x6d, i64: 0x7f, operator: "div_s" },
  { i32: 0x6e, i64: 0x80, operator: "div_u" },
  { i32: 0x6f, i64: 0x81, operator: "rem_s" },
  { i32: 0x70, i64: 0x82, operator: "rem_u" },
  { i32: 0x71, i64: 0x83, operator: "and" },
  { i32: 0x72, i64: 0x84, operator: "or" },
  { i32: 0x73, i64: 0x85, operator: "xor" },
  { i32: 0x74, i64: 0x86, operator: "shl" },
  { i32: 0x75, i64: 0x87, operator: "shr_s" },
  { i32: 0x76, i64: 0x88, operator: "shr_u" },
  { i32: 0x77, i64: 0x89, operator: "rotl" },
  { i32: 0x78, i64: 0x8a, operator: "rotr" },
];

export const COMPARE: readonly { i32: number; i64: number; operator: CompareOp }[] = [
  { i32: 0x46, i64: 0x51, operator: "eq" },
  { i32: 0x47, i64: 0x52, operator: "ne" },
  { i32: 0x48, i64: 0x53, operator: "lt_s" },
  { i32: 0x49, i64: 0x54, operator: "lt_u" },
  { i32: 0x4a, i64: 0x55, operator: "gt_s" },
  { i32: 0x4b, i64: 0x56, operator: "gt_u" },
  { i32: 0x4c, i64: 0x57, operator: "le_s" },
  { i32: 0x4d, i64: 0x58, operator: "le_u" },
  { i32: 0x4e, i64: 0x59, operator: "ge_s" },
  { i32: 0x4f, i64: 0x5a, operator: "ge_u" },
];

export const UNARY: ReadonlyMap<number, { type: Int; operator: UnaryOp }> = new Map([
  [0x67, { type: "i32", operator: "clz" }],
  [0x68, { type: "i32", operator: "ctz" }],
  [0x69, { type: "i32", operator: "popcnt" }],
  [0x79, { type: "i64", operator: "clz" }],
  [0x7a, { type: "i64", operator: "ctz" }],
  [0x7b, { type: "i64", operator: "popcnt" }],
  [0xa7, { type: "i32", operator: "wrap" }],
  [0xac, { type: "i64", operator: "extend_s" }],
  [0xad, { type: "i64", operator: "extend_u" }],
  [0xc0, { type: "i32", operator: "sext8" }],
  [0xc1, { type: "i32", operator: "sext16" }],
  [0xc2, { type: "i64", operator: "sext8" }],
  [0xc3, { type: "i64", operator: "sext16" }],
  [0xc4, { type: "i64", operator: "sext32" }],
]);

/** Full-width read-modify-write operations; `negate`: sub is add of the negated operand. */
export const ATOMICS: ReadonlyMap<number, { type: Int; size: 4 | 8; operator: AtomicOp; negate: boolean }> = new Map([
  [0x1e, { type: "i32", size: 4, operator: "add", negate: false }],
  [0x1f, { type: "i64", size: 8, operator: "add", negate: false }],
  [0x25, { type: "i32", size: 4, operator: "add", negate: true }],
  [0x26, { type: "i64", size: 8, operator: "add", negate: true }],
  [0x2c, { type: "i32", size: 4, operator: "and", negate: false }],
  [0x2d, { type: "i64", size: 8, operator: "and", negate: false }],
  [0x33, { type: "i32", size: 4, operator: "or", negate: false }],
  [0x34, { type: "i64", size: 8, operator: "or", negate: false }],
  [0x3a, { type: "i32", size: 4, operator: "xor", negate: false }],
  [0x3b, { type: "i64", size: 8, operator: "xor", negate: false }],
  [0x41, { type: "i32", size: 4, operator: "xchg", negate: false }],
  [0x42, { type: "i64", size: 8, operator: "xchg", negate: false }],
  [0x48, { type: "i32", size: 4, operator: "cmpxchg", negate: false }],
  [0x49, { type: "i64", size: 8, operator: "cmpxchg", negate: false }],
]);
