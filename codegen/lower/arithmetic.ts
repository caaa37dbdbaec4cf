/**
 * Two-operand arithmetic. eBPF's is two-address (dst = dst op src): the first operand is copied into the result's
 * register, and the register allocator makes the copy vanish where that operand is not needed any more.
 *
 * Division by zero gives 0 and the remainder by zero the dividend, as eBPF defines it (RFC 9669 §4.1).
 */
import type { AluOp, Width } from "../../lib/isa/index.ts";
import type { Binary, BinaryOp, Value } from "../ir/ir.ts";
import { immediate, widthOf, type Lowering } from "./context.ts";
import { divideSigned } from "./divide.ts";
import type { MachineReg } from "./mir.ts";

/** Handles the value, or says false. */
export type Rule<V extends Value> = (l: Lowering, value: V) => boolean;

/** The first rule that applies is taken: special ones stand first. */
// prettier-ignore
export const BINARY_RULES: Readonly<Record<BinaryOp, readonly Rule<Binary>[]>> = {
  add:   [addPointer, plain("add", true)],
  sub:   [negate, plain("sub", false)],
  mul:   [plain("mul", true)],
  div_u: [divideByZero, plain("div", false)],
  rem_u: [remainderByZero, plain("mod", false)],
  div_s: [divideByZero, signed("sdiv"), divideSigned],
  rem_s: [remainderByZero, signed("smod"), divideSigned],
  and:   [maskLow, plain("and", true)],
  or:    [plain("or", true)],
  xor:   [plain("xor", true)],
  shl:   [shift("lsh")],
  shr_u: [shift("rsh")],
  shr_s: [shift("arsh")],
  rotl:  [rotate],
  rotr:  [rotate],
};

// --- the general case -----------------------------------------------------------------------------------------------

function plain(op: AluOp, commutative: boolean): Rule<Binary> {
  return (l, value) => {
    const width = widthOf(value);
    let [a, b] = value.args;
    if (commutative && swapIsBetter(l, a, b)) [a, b] = [b, a];
    const dst = l.result(value);
    copyAt(l, dst, a, width);
    l.alu(op, width, dst, l.operand(b, width));
    return true;
  };
}

/** True when the second operand dies here and the first does not, or the first is a constant. */
function swapIsBetter(l: Lowering, a: Value, b: Value): boolean {
  if (b.op === "const") return false;
  return a.op === "const" || (l.isWanted(a) && !l.isWanted(b));
}

/** dst = value, of which only the low 32 bits matter at width 32. */
function copyAt(l: Lowering, dst: MachineReg, value: Value, width: Width): void {
  if (value.op === "const" || width === 64) l.copy(dst, value);
  else l.move(dst, l.low(value, 32));
}

// --- add, sub -------------------------------------------------------------------------------------------------------

/** The verifier allows `scalar += pointer` too: the operand that dies is added to. */
function addPointer(l: Lowering, value: Binary): boolean {
  if (value.type !== "ptr") return false;
  const [pointer, offset] = value.args;
  const dst = l.result(value);
  if (offset.op === "const") {
    const address = l.address(value, 0);
    // Too far for an address: `address` falls back to this value's own register.
    if (address.base === dst) {
      l.copy(dst, pointer);
      l.alu("add", 64, dst, { imm: Number(offset.value) });
    } else if (address.base === 10) l.emit({ kind: "frame_address", dst, off: address.off });
    else {
      l.move(dst, address.base);
      if (address.off !== 0) l.alu("add", 64, dst, { imm: address.off });
    }
    return true;
  }
  const swap = pointer.op !== "stack_slot" && swapIsBetter(l, pointer, offset);
  l.copy(dst, swap ? offset : pointer);
  l.alu("add", 64, dst, { reg: l.reg(swap ? pointer : offset) });
  return true;
}

function negate(l: Lowering, value: Binary): boolean {
  const [a, b] = value.args;
  if (a.op !== "const" || a.value !== 0n) return false;
  const dst = l.result(value);
  copyAt(l, dst, b, widthOf(value));
  l.emit({ kind: "neg", width: widthOf(value), dst });
  return true;
}

// --- and ------------------------------------------------------------------------------------------------------------

/** A mask that fits 32 unsigned bits but not 32 signed ones: a 32-bit operation clears the upper half. */
function maskLow(l: Lowering, value: Binary): boolean {
  const [a, mask] = value.args;
  if (value.type !== "i64" || mask.op !== "const" || immediate(mask, 64) !== null) return false;
  if (BigInt.asUintN(32, mask.value) !== mask.value) return false;
  const dst = l.result(value);
  l.alu("mov", 32, dst, { reg: l.low(a, 32) });
  if (mask.value !== 0xffff_ffffn) l.alu("and", 32, dst, { imm: Number(BigInt.asIntN(32, mask.value)) });
  return true;
}

// --- division -------------------------------------------------------------------------------------------------------

function isZero(value: Value): boolean {
  return value.op === "const" && value.value === 0n;
}

/** The verifier refuses an immediate divisor of 0. */
function divideByZero(l: Lowering, value: Binary): boolean {
  if (!isZero(value.args[1])) return false;
  l.alu("mov", 64, l.result(value), { imm: 0 });
  return true;
}

function remainderByZero(l: Lowering, value: Binary): boolean {
  if (!isZero(value.args[1])) return false;
  l.copy(l.result(value), value.args[0]);
  return true;
}

/** Signed division is an instruction from v4 on. */
function signed(op: "sdiv" | "smod"): Rule<Binary> {
  const rule = plain(op, false);
  return (l, value) => l.has("v4") && rule(l, value);
}

// --- shifts ---------------------------------------------------------------------------------------------------------

/** A register amount is taken modulo the width by the instruction (RFC 9669 §4.1); an immediate must be in range. */
function shift(op: "lsh" | "rsh" | "arsh"): Rule<Binary> {
  return (l, value) => {
    const width = widthOf(value);
    const [a, amount] = value.args;
    const dst = l.result(value);
    copyAt(l, dst, a, width);
    const imm = amount.op === "const" ? Number(amount.value & BigInt(width - 1)) : null;
    if (imm !== 0) l.alu(op, width, dst, imm === null ? { reg: l.low(amount, 32) } : { imm });
    else if (width === 32) l.alu("mov", 32, dst, { reg: dst });
    return true;
  };
}

/** (a << n) | (a >> (width - n)). */
function rotate(l: Lowering, value: Binary): boolean {
  const width = widthOf(value);
  const [a, amount] = value.args;
  const [first, second] = value.operator === "rotl" ? (["lsh", "rsh"] as const) : (["rsh", "lsh"] as const);
  const dst = l.result(value);
  const rest = l.temp();
  copyAt(l, dst, a, width);
  copyAt(l, rest, a, width);
  if (amount.op === "const") {
    const n = Number(amount.value & BigInt(width - 1));
    if (n !== 0) {
      l.alu(first, width, dst, { imm: n });
      l.alu(second, width, rest, { imm: width - n });
    }
  } else {
    const back = l.temp();
    l.move(back, l.low(amount, 32));
    l.alu(first, width, dst, { reg: back });
    l.emit({ kind: "neg", width, dst: back });
    l.alu(second, width, rest, { reg: back });
  }
  l.alu("or", width, dst, { reg: rest });
  return true;
}
