export { encode } from "./encode.ts";
export { decode, tryDecode } from "./decode.ts";
export type { Decoded } from "./decode.ts";
export { disassemble, formatListing, textOf } from "./disassemble.ts";
export type { Disassembled, DisassembleOptions, Symbols } from "./disassemble.ts";
export { parse } from "./parse.ts";
export { link } from "./link.ts";
export { bindToKernel, MISSING_FUNCTION } from "./bind.ts";
export type { KernelAnswer, Resolve } from "./bind.ts";
export { assemble, label } from "./labels.ts";
export type { Item, Label, ToLabel } from "./labels.ts";
// prettier-ignore
export {
  add32, add64, addrSpaceCast, alu32, alu64, and32, and64, arsh32, arsh64, atomic, call, callKfunc, callLocal, callx, div32,
  div64, exit, gotol, ja, jmp, jmp32, ldabs, lddw, ldind, ldsx, ldx, loadAcquire, lsh32, lsh64, mayGoto, mod32, mod64, mov32,
  mov64, movsx32, movsx64, mul32, mul64, neg32, neg64, or32, or64, r0, r1, r10, r2, r3, r4, r5, r6, r7, r8, r9, rsh32, rsh64,
  sdiv32, sdiv64, smod32, smod64, st, storeRelease, sub32, sub64, swap, xor32, xor64,
} from "./builders.ts";
export type { Register } from "./builders.ts";
export { ASM_DIAGNOSTICS } from "./diagnostics.ts";
export type { AsmCode } from "./diagnostics.ts";
