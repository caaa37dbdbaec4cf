/** Conversions, sign extension, byte order, and bit counting. */
import type { Width } from "../../lib/isa/index.ts";
import type { Unary, UnaryOp } from "../ir/ir.ts";
import type { Rule } from "./arithmetic.ts";
import { widthOf, type Lowering } from "./context.ts";
import type { MachineReg } from "./mir.ts";

// prettier-ignore
export const UNARY_RULES: Readonly<Record<UnaryOp, readonly Rule<Unary>[]>> = {
  wrap:     [truncate],
  // Never reached: readers take the operand's register, whose upper half is zero.
  extend_u: [truncate],
  extend_s: [signExtend(32, 64)],
  sext8:    [signExtend(8)],
  sext16:   [signExtend(16)],
  sext32:   [signExtend(32)],
  bswap16:  [swapBytes(16)],
  bswap32:  [swapBytes(32)],
  bswap64:  [swapBytes(64)],
  popcnt:   [countOnes],
  clz:      [countLeadingZeros],
  ctz:      [countTrailingZeros],
};

/** A 32-bit move clears the upper half. */
function truncate(l: Lowering, value: Unary): boolean {
  l.alu("mov", 32, l.result(value), { reg: l.low(value.args[0], 32) });
  return true;
}

/** From `bits` to the result's width: movsx (v4), or shifts up and down. */
function signExtend(bits: 8 | 16 | 32, to?: Width): Rule<Unary> {
  return (l, value) => {
    const width = to ?? widthOf(value);
    const dst = l.result(value);
    const src = l.low(value.args[0], bits);
    if (bits === width) l.alu("mov", 32, dst, { reg: src });
    else if (l.has("v4")) l.emit({ kind: "movsx", width, bits, dst, src });
    else {
      l.move(dst, src);
      extendInPlace(l, dst, bits, width);
    }
    return true;
  };
}

/** Sign-extends the low `bits` bits of a register. */
export function extendInPlace(l: Lowering, dst: MachineReg, bits: number, width: Width): void {
  l.alu("lsh", width, dst, { imm: width - bits });
  l.alu("arsh", width, dst, { imm: width - bits });
}

/** On a little-endian machine a conversion to big endian swaps; it clears the bits above (RFC 9669 §4.2). */
function swapBytes(bits: 16 | 32 | 64): Rule<Unary> {
  return (l, value) => {
    const dst = l.result(value);
    const [x] = value.args;
    l.move(dst, bits === 64 ? l.reg(x) : l.low(x, bits));
    l.emit({ kind: "swap", op: "be", bits, dst });
    return true;
  };
}

// --- counting: Warren, "Hacker's Delight", 5-1, 5-3, 5-4 -------------------------------------------------------------

function countOnes(l: Lowering, value: Unary): boolean {
  const width = widthOf(value);
  const dst = l.result(value);
  l.move(dst, l.at(value.args[0], width));
  populationCount(l, dst, width);
  return true;
}

/** The zeros above the highest one: smear that one downwards and count what is left. */
function countLeadingZeros(l: Lowering, value: Unary): boolean {
  const width = widthOf(value);
  const dst = l.result(value);
  l.move(dst, l.at(value.args[0], width));
  const shifted = l.temp();
  for (let n = 1; n < width; n *= 2) {
    l.move(shifted, dst);
    l.alu("rsh", width, shifted, { imm: n });
    l.alu("or", width, dst, { reg: shifted });
  }
  l.alu("xor", width, dst, { imm: -1 });
  populationCount(l, dst, width);
  return true;
}

/** The zeros below the lowest one are the ones of ~x & (x - 1). */
function countTrailingZeros(l: Lowering, value: Unary): boolean {
  const width = widthOf(value);
  const dst = l.result(value);
  const x = l.at(value.args[0], width);
  const below = l.temp();
  l.move(below, x);
  l.alu("sub", width, below, { imm: 1 });
  l.move(dst, x);
  l.alu("xor", width, dst, { imm: -1 });
  l.alu("and", width, dst, { reg: below });
  populationCount(l, dst, width);
  return true;
}

/** Sums bits in pairs, then nibbles, then bytes; a multiplication adds up the bytes. */
function populationCount(l: Lowering, x: MachineReg, width: Width): void {
  const part = l.temp();
  l.move(part, x);
  l.alu("rsh", width, part, { imm: 1 });
  combine(l, "and", part, 0x5555_5555n, width);
  l.alu("sub", width, x, { reg: part });
  l.move(part, x);
  l.alu("rsh", width, part, { imm: 2 });
  combine(l, "and", part, 0x3333_3333n, width);
  combine(l, "and", x, 0x3333_3333n, width);
  l.alu("add", width, x, { reg: part });
  l.move(part, x);
  l.alu("rsh", width, part, { imm: 4 });
  l.alu("add", width, x, { reg: part });
  combine(l, "and", x, 0x0f0f_0f0fn, width);
  combine(l, "mul", x, 0x0101_0101n, width);
  l.alu("rsh", width, x, { imm: width - 8 });
}

/** With a constant whose 32-bit pattern is repeated for 64 bits. */
function combine(l: Lowering, op: "and" | "mul", dst: MachineReg, pattern: bigint, width: Width): void {
  if (width === 32) {
    l.alu(op, 32, dst, { imm: Number(BigInt.asIntN(32, pattern)) });
    return;
  }
  const constant = l.temp();
  l.constant(constant, (pattern << 32n) | pattern);
  l.alu(op, 64, dst, { reg: constant });
}
