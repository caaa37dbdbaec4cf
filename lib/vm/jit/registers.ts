/**
 * Which registers an instruction reads and writes, as bit masks, and which are alive where: a subprogram is given the
 * registers that it reads before it writes them, whatever the calling convention says, because the interpreter's
 * subprograms see them too.
 */
import { HELPERS } from "../../kernel/index.ts";
import type { Insn, Operand, Reg } from "../../isa/index.ts";
import { ATOMIC } from "../semantics.ts";
import { edgesOf } from "./blocks.ts";
import type { Block, Fn } from "./blocks.ts";

/** Bit r for register r. */
export type Mask = number;

export const bit = (reg: Reg): Mask => 1 << reg;
/** r1 to r5, overwritten by calls. */
export const SCRATCHED: Mask = 0b11_1110;
/** r6 to r9, kept by calls. */
export const KEPT: Mask = 0b11_1100_0000;
const R0: Mask = 1;

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

/** Registers alive at the end of each block, by block id, and at the function's entry. */
export interface Liveness {
  readonly atEnd: readonly Mask[];
  readonly atEntry: Mask;
}

/** `calleeReads`: by the slot of a local call. */
export function liveness(fn: Fn, calleeReads: (slot: number) => Mask): Liveness {
  const atStart: Mask[] = fn.blocks.map(() => 0);
  const atEnd: Mask[] = fn.blocks.map(() => 0);
  for (let changed = true; changed;) {
    changed = false;
    for (let i = fn.blocks.length - 1; i >= 0; i--) {
      const block = fn.blocks[i] as Block;
      let after = 0;
      for (const { to } of edgesOf(block)) after |= atStart[to.id] ?? 0;
      atEnd[i] = after;
      let live = beforeEnd(block, after);
      for (let k = block.insns.length - 1; k >= 0; k--) {
        const { insn, slot } = block.insns[k]!;
        live = (live & ~writes(insn)) | reads(insn, calleeReads(slot));
      }
      if (live !== atStart[i]) [atStart[i], changed] = [live, true];
    }
  }
  return { atEnd, atEntry: (atStart[0] ?? 0) & ~bit(10) };
}

/** What is alive before the block's last instruction. */
function beforeEnd({ end }: Block, after: Mask): Mask {
  switch (end.kind) {
    case "branch":
      return after | reads(end.at.insn, 0);
    case "exit":
      return R0;
    // The interpreter traps there.
    case "leave":
      return 0;
    case "goto":
    case "dispatch":
      return after;
  }
}
