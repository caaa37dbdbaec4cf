/**
 * Functions that make instructions and read as assembly: `mov64(r0, 1)`, `ldx(4, r0, r1, 8)`, `call("map_lookup_elem")`.
 *
 * A register is an object, a number is an immediate. A jump goes to a number of slots from the next instruction, or to a
 * label when the code is put together with `assemble`. Values are checked when they are encoded, not here.
 */
import { helperNumber } from "../kernel/index.ts";
import type { AnyHelperName } from "../kernel/index.ts";
// prettier-ignore
import type {
  AddrSpaceCast, Alu, AluOp, Atomic, AtomicOp, Call, Exit, Jump, JumpIf, JumpOp, Load, LoadAcquire, LoadImm64, LoadPacket,
  MayGoto, MovSx, Neg, Operand, Pseudo, Reg, Size, Store, StoreRelease, Swap, Width,
} from "../isa/index.ts";
import { goTo } from "./labels.ts";
import type { ToLabel } from "./labels.ts";

/** A register as an operand of the builders. */
export interface Register {
  readonly reg: Reg;
}

export const r0: Register = { reg: 0 };
export const r1: Register = { reg: 1 };
export const r2: Register = { reg: 2 };
export const r3: Register = { reg: 3 };
export const r4: Register = { reg: 4 };
export const r5: Register = { reg: 5 };
export const r6: Register = { reg: 6 };
export const r7: Register = { reg: 7 };
export const r8: Register = { reg: 8 };
export const r9: Register = { reg: 9 };
/** The frame pointer: the end of the function's 512 bytes of stack, read only. */
export const r10: Register = { reg: 10 };

function operandOf(value: Register | number): Operand {
  return typeof value === "number" ? { imm: value } : { reg: value.reg };
}

/** `dst op= src` at 64 bits. */
export function alu64(op: AluOp, dst: Register, src: Register | number): Alu {
  return { kind: "alu", op, width: 64, dst: dst.reg, src: operandOf(src) };
}
/** `dst op= src` at 32 bits; the upper half of dst becomes zero. */
export function alu32(op: AluOp, dst: Register, src: Register | number): Alu {
  return { kind: "alu", op, width: 32, dst: dst.reg, src: operandOf(src) };
}

type AluBuilder = (dst: Register, src: Register | number) => Alu;
const alu =
  (op: AluOp, width: Width): AluBuilder =>
  (dst, src) =>
    (width === 64 ? alu64 : alu32)(op, dst, src);

// prettier-ignore
export const add64 = alu("add", 64), add32 = alu("add", 32);
// prettier-ignore
export const sub64 = alu("sub", 64), sub32 = alu("sub", 32);
// prettier-ignore
export const mul64 = alu("mul", 64), mul32 = alu("mul", 32);
// prettier-ignore
export const div64 = alu("div", 64), div32 = alu("div", 32);
// prettier-ignore
export const sdiv64 = alu("sdiv", 64), sdiv32 = alu("sdiv", 32);
// prettier-ignore
export const mod64 = alu("mod", 64), mod32 = alu("mod", 32);
// prettier-ignore
export const smod64 = alu("smod", 64), smod32 = alu("smod", 32);
// prettier-ignore
export const or64 = alu("or", 64), or32 = alu("or", 32);
// prettier-ignore
export const and64 = alu("and", 64), and32 = alu("and", 32);
// prettier-ignore
export const xor64 = alu("xor", 64), xor32 = alu("xor", 32);
// prettier-ignore
export const lsh64 = alu("lsh", 64), lsh32 = alu("lsh", 32);
// prettier-ignore
export const rsh64 = alu("rsh", 64), rsh32 = alu("rsh", 32);
// prettier-ignore
export const arsh64 = alu("arsh", 64), arsh32 = alu("arsh", 32);
// prettier-ignore
export const mov64 = alu("mov", 64), mov32 = alu("mov", 32);

/** dst = the low `bits` of src, sign-extended to 64 bits. */
export function movsx64(bits: 8 | 16 | 32, dst: Register, src: Register): MovSx {
  return { kind: "movsx", width: 64, bits, dst: dst.reg, src: src.reg };
}
/** dst = the low `bits` of src, sign-extended to 32 bits; the upper half of dst becomes zero. */
export function movsx32(bits: 8 | 16, dst: Register, src: Register): MovSx {
  return { kind: "movsx", width: 32, bits, dst: dst.reg, src: src.reg };
}
export function neg64(dst: Register): Neg {
  return { kind: "neg", width: 64, dst: dst.reg };
}
export function neg32(dst: Register): Neg {
  return { kind: "neg", width: 32, dst: dst.reg };
}
/** Byte order conversion (`le`, `be`) or unconditional byte swap of the low `bits`; the bits above become zero. */
export function swap(op: Swap["op"], bits: Swap["bits"], dst: Register): Swap {
  return { kind: "swap", op, bits, dst: dst.reg };
}

/** dst = *(size *)(base + off), zero-extended. */
export function ldx(size: Size, dst: Register, base: Register, off: number): Load {
  return { kind: "load", size, signed: false, dst: dst.reg, base: base.reg, off };
}
/** dst = *(size *)(base + off), sign-extended. */
export function ldsx(size: 1 | 2 | 4, dst: Register, base: Register, off: number): Load {
  return { kind: "load", size, signed: true, dst: dst.reg, base: base.reg, off };
}
/** *(size *)(base + off) = src, which is a register (STX) or an immediate (ST). */
export function st(size: Size, base: Register, off: number, src: Register | number): Store {
  return { kind: "store", size, base: base.reg, off, src: operandOf(src) };
}
export function atomic(op: AtomicOp, size: 4 | 8, base: Register, off: number, src: Register): Atomic {
  return { kind: "atomic", op, size, base: base.reg, off, src: src.reg };
}
export function loadAcquire(size: Size, dst: Register, base: Register, off: number): LoadAcquire {
  return { kind: "load_acquire", size, dst: dst.reg, base: base.reg, off };
}
export function storeRelease(size: Size, base: Register, off: number, src: Register): StoreRelease {
  return { kind: "store_release", size, base: base.reg, off, src: src.reg };
}
/** dst = a 64-bit immediate, or what `pseudo` makes of it. Two slots. */
export function lddw(dst: Register, imm: bigint, pseudo: Pseudo = "none"): LoadImm64 {
  return { kind: "load_imm64", dst: dst.reg, pseudo, imm };
}
/** r0 = packet bytes at `imm` in host order; legacy, r6 must hold the skb. */
export function ldabs(size: 1 | 2 | 4, imm: number): LoadPacket {
  return { kind: "load_packet", size, imm, src: null };
}
/** r0 = packet bytes at `src + imm` in host order; legacy, r6 must hold the skb. */
export function ldind(size: 1 | 2 | 4, src: Register, imm: number): LoadPacket {
  return { kind: "load_packet", size, imm, src: src.reg };
}
export function addrSpaceCast(dst: Register, src: Register, to: number, from: number): AddrSpaceCast {
  return { kind: "addr_space_cast", dst: dst.reg, src: src.reg, to, from };
}

export function ja(target: number): Jump;
export function ja(target: string): ToLabel;
export function ja(target: number | string): Jump | ToLabel {
  return goTo(target, (delta): Jump => ({ kind: "jump", long: false, delta }));
}
/** A jump with a 32-bit displacement. */
export function gotol(target: number): Jump;
export function gotol(target: string): ToLabel;
export function gotol(target: number | string): Jump | ToLabel {
  return goTo(target, (delta): Jump => ({ kind: "jump", long: true, delta }));
}
export function mayGoto(target: number): MayGoto;
export function mayGoto(target: string): ToLabel;
export function mayGoto(target: number | string): MayGoto | ToLabel {
  return goTo(target, (delta): MayGoto => ({ kind: "may_goto", delta }));
}
/** `if dst op src goto target`, comparing 64 bits. */
export function jmp(op: JumpOp, dst: Register, src: Register | number, target: number): JumpIf;
export function jmp(op: JumpOp, dst: Register, src: Register | number, target: string): ToLabel;
export function jmp(op: JumpOp, dst: Register, src: Register | number, target: number | string): JumpIf | ToLabel {
  return goTo(target, (delta): JumpIf => ({
    kind: "jump_if",
    op,
    width: 64,
    dst: dst.reg,
    src: operandOf(src),
    delta,
  }));
}
/** `if dst op src goto target`, comparing the lower 32 bits. */
export function jmp32(op: JumpOp, dst: Register, src: Register | number, target: number): JumpIf;
export function jmp32(op: JumpOp, dst: Register, src: Register | number, target: string): ToLabel;
export function jmp32(op: JumpOp, dst: Register, src: Register | number, target: number | string): JumpIf | ToLabel {
  return goTo(target, (delta): JumpIf => ({
    kind: "jump_if",
    op,
    width: 32,
    dst: dst.reg,
    src: operandOf(src),
    delta,
  }));
}

/** A call of a helper function, by its name in lib/kernel or by number. */
export function call(helper: AnyHelperName | number): Call {
  return { kind: "call", target: { kind: "helper", id: typeof helper === "number" ? helper : helperNumber(helper) } };
}
/** A call of a function of the same program. */
export function callLocal(target: number): Call;
export function callLocal(target: string): ToLabel;
export function callLocal(target: number | string): Call | ToLabel {
  return goTo(target, (delta): Call => ({ kind: "call", target: { kind: "local", delta } }));
}
/** A call of a kernel function; `off` is the slot of its module's BTF fd, 0 for vmlinux. */
export function callKfunc(btfId: number, off = 0): Call {
  return { kind: "call", target: { kind: "kfunc", btfId, off } };
}
/** A call through a register: ISA only, no kernel loads it. */
export function callx(target: Register): Call {
  return { kind: "call", target: { kind: "reg", reg: target.reg } };
}
export function exit(): Exit {
  return { kind: "exit" };
}
