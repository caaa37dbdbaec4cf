/**
 * What register allocation yields: the machine function again, block by block, with physical registers, and with the
 * instructions that the allocator put in between. Each original instruction stays linked to what it was (`from`), which
 * is what the checker compares.
 */
import type { Body, MachineBlock, MachineFunction, MachineInsn, MachineReg, MachineTerminator } from "../lower/mir.ts";

export type Item =
  | { readonly kind: "original"; readonly from: MachineInsn; readonly body: Body }
  /** reg to the spill slot. */
  | { readonly kind: "spill"; readonly slot: number; readonly reg: MachineReg }
  /** The spill slot to reg. */
  | { readonly kind: "reload"; readonly slot: number; readonly reg: MachineReg }
  /** `value`, whose only definition `from` needs no register, is made again. */
  | { readonly kind: "remake"; readonly value: MachineReg; readonly from: MachineInsn; readonly body: Body }
  | { readonly kind: "move"; readonly to: MachineReg; readonly reg: MachineReg }
  /** A copy that is left out: its target's place, a register or a slot, has the value already. */
  | { readonly kind: "elided"; readonly from: MachineInsn; readonly place: Place };

export type Place = { readonly reg: MachineReg } | { readonly slot: number };

export interface AllocatedBlock {
  readonly from: MachineBlock;
  items: Item[];
  terminator: MachineTerminator;
}

export interface Allocation {
  /** In the order of the machine function's blocks. */
  readonly blocks: readonly AllocatedBlock[];
  /** Spill slots are numbered from 0; each has 8 bytes. */
  readonly slotCount: number;
}

/** The function as it stands before allocation. */
export function asItems(fn: MachineFunction): AllocatedBlock[] {
  return fn.blocks.map((block) => ({
    from: block,
    items: block.insns.map((insn): Item => ({ kind: "original", from: insn, body: insn.body })),
    terminator: block.terminator,
  }));
}
