/** Every register of a path at once: those of all frames, and those spilled to their stacks. */
import { ownFrame, ownSlots } from "./own.ts";
import type { Reg } from "./reg.ts";
import type { Slot } from "./slot.ts";
import { BYTE, kindOf } from "./slot.ts";
import type { Frame, State } from "./state.ts";

/** The slot holds a register, whole or its low bytes. */
export function isSpill(slot: Slot): slot is Slot & { readonly reg: Reg } {
  return slot.reg !== null && kindOf(slot, 0) === BYTE.spill;
}

/** Puts `change(reg)` in the place of each register and each spilled register. */
export function changeRegs(state: State, change: (reg: Reg) => Reg): void {
  for (let number = 0; number < state.frames.length; number++) {
    const { regs, slots } = state.frames[number] as Frame;
    for (let i = 0; i < regs.length; i++) {
      const before = regs[i] as Reg;
      if (before.kind === "none") continue;
      const after = change(before);
      if (after !== before) ownFrame(state, number).regs[i] = after;
    }
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as Slot;
      if (!isSpill(slot)) continue;
      const after = change(slot.reg);
      if (after !== slot.reg) ownSlots(ownFrame(state, number))[i] = { bytes: slot.bytes, reg: after };
    }
  }
}
