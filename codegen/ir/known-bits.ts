/**
 * Which bits of an integer may be one: an upper approximation that makes masks, extensions and comparisons redundant.
 *
 *     load8u p            0xff
 *     (x & 15) << 2       0x3c
 *
 * Two readers: the optimiser knows all of it, the kernel's verifier does not track byte swaps, divisions and bit counts. A
 * mask that is redundant for us may be what proves a bound to the verifier, so `visible` answers with what it sees.
 */
import { bitsOf, swapBytes, swapWidth } from "./fold.ts";
import type { Binary, Type, Unary, Value } from "./ir.ts";

/** How far to look through operands. */
const DEPTH = 6;

/** All bits of the type. */
export function allBits(type: Type): bigint {
  return type === "i32" ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
}

/** Bits that may be one, as an unsigned mask. */
export function possibleBits(value: Value): bigint {
  return possible(value, DEPTH, false);
}

/** The same by what the kernel's verifier tracks. */
export function visibleBits(value: Value): bigint {
  return possible(value, DEPTH, true);
}

/** All bits up to the highest one of `n`. */
export function bitsUpTo(n: bigint): bigint {
  return n === 0n ? 0n : (1n << BigInt(n.toString(2).length)) - 1n;
}

function possible(value: Value, depth: number, visible: boolean): bigint {
  const all = allBits(value.type);
  if (depth === 0) return value.op === "const" ? value.value & all : all;
  switch (value.op) {
    case "const":
      return value.value & all;
    case "compare":
      return 1n;
    case "load":
      return value.signed || value.size === 8 ? all : (1n << BigInt(8 * value.size)) - 1n;
    case "select":
      return possible(value.args[1], depth - 1, visible) | possible(value.args[2], depth - 1, visible);
    case "phi": {
      // Halved: phis that refer to each other would take exponential time.
      let bits = 0n;
      for (const input of value.inputs.values()) if (input !== value) bits |= possible(input, depth >> 1, visible);
      return bits;
    }
    case "unary":
      return unaryBits(value, depth - 1, visible) & all;
    case "binary":
      return value.type === "ptr" ? all : binaryBits(value, depth - 1, visible) & all;
    default:
      return all;
  }
}

function unaryBits(value: Unary, depth: number, visible: boolean): bigint {
  const all = allBits(value.type);
  const x = possible(value.args[0], depth, visible);
  const swapped = swapWidth(value.operator);
  if (swapped !== 0) return visible ? all : swapBytes(x, swapped);
  switch (value.operator) {
    case "extend_u":
    case "wrap":
      return x;
    case "extend_s":
      return (x & 0x8000_0000n) === 0n ? x : all;
    case "sext8":
      return (x & 0x80n) === 0n ? x & 0xffn : all;
    case "sext16":
      return (x & 0x8000n) === 0n ? x & 0xffffn : all;
    case "sext32":
      return (x & 0x8000_0000n) === 0n ? x & 0xffff_ffffn : all;
    case "clz":
    case "ctz":
    case "popcnt":
      return visible ? all : 0x7fn;
    default:
      return all;
  }
}

function binaryBits(value: Binary, depth: number, visible: boolean): bigint {
  const all = allBits(value.type);
  const [x, y] = value.args;
  const a = possible(x, depth, visible);
  const b = possible(y, depth, visible);
  const amount = y.op === "const" ? y.value & BigInt(bitsOf(value.type) - 1) : null;
  switch (value.operator) {
    case "and":
      return a & b;
    case "or":
    case "xor":
      return a | b;
    case "add":
      return a + b > all ? all : bitsUpTo(a + b);
    case "mul":
      return a * b > all ? all : bitsUpTo(a * b);
    case "shl":
      return amount === null ? all : a << amount;
    case "shr_u":
      return amount === null ? bitsUpTo(a) : a >> amount;
    case "shr_s":
      return a >> BigInt(bitsOf(value.type) - 1) !== 0n ? all : amount === null ? bitsUpTo(a) : a >> amount;
    case "div_u":
      return visible ? all : bitsUpTo(a);
    case "rem_u":
      // Not the divisor's: the remainder by zero is the dividend.
      return visible ? all : bitsUpTo(a);
    default:
      return all;
  }
}
