/**
 * The largest value that the kernel's verifier will believe an integer to have. It decides whether a packet offset needs
 * a run-time bound, so it may only use what the verifier itself tracks: loads of few bytes, masks, constant shifts, sums
 * and products of what is bounded. A byte swap, a division or a remainder is unknown to it (Linux up to 6.18).
 */
import type { Value } from "../ir/ir.ts";

const U32_MAX = 0xffff_ffffn;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
/** How far to look through operands; longer chains are taken as unknown. */
const DEPTH = 8;

/** An upper bound of the value read as unsigned. */
export function maximumOf(value: Value, depth = DEPTH): bigint {
  const limit = value.type === "i64" ? U64_MAX : U32_MAX;
  if (depth === 0) return limit;
  const found = bound(value, depth - 1, limit);
  return found > limit ? limit : found;
}

function bound(value: Value, depth: number, limit: bigint): bigint {
  switch (value.op) {
    case "const":
      return value.value & limit;
    case "compare":
      return 1n;
    case "load":
      return value.signed || value.size === 8 ? limit : (1n << BigInt(8 * value.size)) - 1n;
    case "select":
      return max(maximumOf(value.args[1], depth), maximumOf(value.args[2], depth));
    case "phi":
      // Halved: phis of many inputs that refer to each other would take exponential time.
      return [...value.inputs.values()].map((v) => maximumOf(v, depth >> 1)).reduce(max, 0n);
    case "unary": {
      const inner = maximumOf(value.args[0], depth);
      // An i32 without a bound may be unknown to the verifier in all 64 bits.
      if (value.operator === "extend_u") return inner === U32_MAX ? limit : inner;
      return value.operator === "wrap" && inner <= U32_MAX ? inner : limit;
    }
    case "binary":
      return binaryBound(value, depth, limit);
    default:
      return limit;
  }
}

function binaryBound(value: Value & { op: "binary" }, depth: number, limit: bigint): bigint {
  const [x, y] = value.args;
  const a = maximumOf(x, depth);
  const b = maximumOf(y, depth);
  switch (value.operator) {
    case "and":
      return a < b ? a : b;
    case "or":
    case "xor":
      return onesUpTo(max(a, b));
    case "add":
      return a + b;
    case "mul":
      return a * b;
    case "shl":
      return y.op === "const" ? a << shiftAmount(y.value, limit) : limit;
    case "shr_u":
      // By a variable amount the verifier gives up, and even forgets that a 32-bit result is zero-extended.
      return y.op === "const" ? a >> shiftAmount(y.value, limit) : limit;
    default:
      return limit;
  }
}

function shiftAmount(n: bigint, limit: bigint): bigint {
  return n & (limit === U64_MAX ? 63n : 31n);
}

function onesUpTo(n: bigint): bigint {
  return n === 0n ? 0n : (1n << BigInt(n.toString(2).length)) - 1n;
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
