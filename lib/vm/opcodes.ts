/**
 * Operations as the interpreter numbers them: the labels of the switch in execute.ts, which is fastest when they are
 * literal and dense. The high digit is the group, the low one the place in its list:
 *
 *   0x00  64-bit arithmetic (ALU)    0x20  64-bit comparison (JUMP)   0x40  loads: 1, 2, 4, 8 bytes, then signed 1, 2, 4
 *   0x10  32-bit arithmetic (ALU)    0x30  32-bit comparison (JUMP)   0x48  stores: 1, 2, 4, 8 bytes; 0x4c atomics
 *   0x50  moves and swaps            0x60  control
 */
import type { AluOp, JumpOp } from "../isa/index.ts";

// prettier-ignore
export const ALU: readonly (AluOp | "neg")[] = [
  "add", "sub", "mul", "div", "sdiv", "mod", "smod", "or", "and", "xor", "lsh", "rsh", "arsh", "mov", "neg",
];
export const JUMP: readonly JumpOp[] = ["eq", "ne", "gt", "ge", "lt", "le", "set", "sgt", "sge", "slt", "sle"];

// prettier-ignore
export const OP = {
  alu64: 0x00, alu32: 0x10, jump64: 0x20, jump32: 0x30,
  load1: 0x40, load2: 0x41, load4: 0x42, load8: 0x43, loadSigned1: 0x44, loadSigned2: 0x45, loadSigned4: 0x46,
  store1: 0x48, store2: 0x49, store4: 0x4a, store8: 0x4b, atomic: 0x4c,
  movsx8: 0x50, movsx16: 0x51, movsx32: 0x52, movsx8to32: 0x53, movsx16to32: 0x54,
  cut16: 0x55, cut32: 0x56, cut64: 0x57, swap16: 0x58, swap32: 0x59, swap64: 0x5a,
  loadImm64: 0x60, jump: 0x61, mayGoto: 0x62, call: 0x63, helper: 0x64, callRegister: 0x65, tailCall: 0x66,
  loadPacket: 0x67, exit: 0x68, trap: 0x69,
} as const;
