/** Which registers an instruction reads and writes, as bit masks. */
import { HELPERS } from "../../kernel/index.ts";
import type { Insn, Operand, Reg } from "../../isa/index.ts";
import { ATOMIC } from "../semantics.ts";

/** Bit r for register r. */
export type Mask = number;

export const bit = (reg: Reg): Mask => 1 << reg;
/** r1 to r5, overwritten by calls. */
export const SCRATCHED: Mask = 0b11_1110;
/** r6 to r9, kept by calls. */
export const KEPT: Mask = 0b11_1100_0000;
export const R0: Mask = 1;

export function isTailCall(insn: Insn): boolean {
  return insn.kind === "call" && insn.target.kind === "helper" && insn.target.id === HELPERS.tail_call.id;
}

const operand = (src: Operand): Mask => ("reg" in src ? bit(src.reg) : 0);

/** `calleeReads`: what the function of a local call reads of its caller's registers, but r10. */
export function reads(insn: Insn, calleeReads: Mask): Mask {
  switch (insn.kind) {
    case "alu":
      return (insn.op === "mov" ? 0 : bit(insn.dst)) | operand(insn.src);
    case "movsx":
    case "addr_space_cast":
      return bit(insn.src);
    case "neg":
    case "swap":
      return bit(insn.dst);
    case "load":
    case "load_acquire":
      return bit(insn.base);
    case "store":
      return bit(insn.base) | operand(insn.src);
    case "store_release":
      return bit(insn.base) | bit(insn.src);
    case "atomic":
      return bit(insn.base) | bit(insn.src) | (insn.op === "cmpxchg" ? R0 : 0);
    case "load_imm64":
    case "jump":
    case "may_goto":
      return 0;
    case "load_packet":
      return bit(6) | (insn.src === null ? 0 : bit(insn.src));
    case "jump_if":
      return bit(insn.dst) | operand(insn.src);
    case "call":
      if (insn.target.kind === "local") return calleeReads;
      if (insn.target.kind === "reg") return SCRATCHED | bit(insn.target.reg);
      // The program that a tail call leads to sees all registers but those that calls overwrite.
      return isTailCall(insn) ? bit(1) | bit(2) | bit(3) | R0 | KEPT : SCRATCHED;
    case "exit":
      return R0;
  }
}

export function writes(insn: Insn): Mask {
  switch (insn.kind) {
    case "alu":
    case "movsx":
    case "neg":
    case "swap":
    case "load":
    case "load_acquire":
    case "load_imm64":
    case "addr_space_cast":
      return bit(insn.dst);
    case "atomic": {
      const { fetch } = ATOMIC[insn.op];
      return fetch === null ? 0 : fetch === "r0" ? R0 : bit(insn.src);
    }
    case "load_packet":
      return R0 | SCRATCHED;
    case "call":
      return isTailCall(insn) ? 0 : R0 | SCRATCHED;
    case "store":
    case "store_release":
    case "jump":
    case "jump_if":
    case "may_goto":
    case "exit":
      return 0;
  }
}
