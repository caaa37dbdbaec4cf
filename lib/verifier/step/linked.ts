/**
 * Numbers that share an id: copies of one value, or values a known constant apart (`Reg.link`). What a branch finds out about one
 * of them holds for all.
 */
import type { Env } from "../env.ts";
import type { Frame, Linked, Reg, Slot, State } from "../state/index.ts";
import { change, isSpill, ownFrame, ownNumber, ownSlots } from "../state/index.ts";
import { alu, constant, zeroExtend } from "../scalar/index.ts";

/** So many registers are bounded together; others that share the id lose it. */
const MOST = 6;

/** Adds to `linked` where numbers with that id are: registers that are read again first, then spilled ones, innermost frame first. */
export function collectLinked(env: Env, id: number, linked: Linked[]): void {
  const { frames } = env.state;
  let { slot } = env;
  for (let f = frames.length - 1; f >= 0; f--) {
    const { regs, slots, callSite } = frames[f] as Frame;
    const live = env.program.liveRegisters[slot] as number;
    slot = callSite;
    for (let i = 0; i < 10; i++) {
      const reg = regs[i] as Reg;
      if ((live & (1 << i)) === 0 || reg.kind !== "scalar" || reg.id !== id) continue;
      if (linked.length < MOST) linked.push({ frame: f, reg: i });
      else ownFrame(env.state, f).regs[i] = unlinked(reg);
    }
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as Slot;
      if (!isSpill(slot) || slot.reg.kind !== "scalar" || slot.reg.id !== id) continue;
      if (linked.length < MOST) linked.push({ frame: f, slot: i });
      else ownSlots(ownFrame(env.state, f))[i] = { bytes: slot.bytes, reg: unlinked(slot.reg) };
    }
  }
}

function unlinked(reg: Reg): Reg {
  return ownNumber(reg, reg.num);
}

/** `known` has new bounds: so have the others of `linked` that share its id. */
export function followLinked(state: State, known: Reg, linked: readonly Linked[]): void {
  for (const place of linked) {
    const { regs, slots } = state.frames[place.frame] as Frame;
    if ("reg" in place) {
      const reg = regs[place.reg] as Reg;
      if (reg !== known && isLinked(reg, known)) ownFrame(state, place.frame).regs[place.reg] = followed(reg, known);
    } else {
      const slot = slots[place.slot] as Slot;
      const { reg } = slot;
      if (reg !== null && reg !== known && isLinked(reg, known)) {
        ownSlots(ownFrame(state, place.frame))[place.slot] = { bytes: slot.bytes, reg: followed(reg, known) };
      }
    }
  }
}

function isLinked(reg: Reg, known: Reg): boolean {
  if (reg.kind !== "scalar" || reg.id !== known.id) return false;
  // One is apart in 32 bits, the other in 64: nothing is known of their distance.
  return reg.link === 0 || known.link === 0 || reg.link === known.link;
}

function followed(reg: Reg, known: Reg): Reg {
  if ((reg.link === 0 && known.link === 0) || reg.off === known.off) return known;
  const sum = alu("add", 64, known.num, constant(reg.off - known.off));
  const num = reg.link === 32 || known.link === 32 ? zeroExtend(sum, 4) : sum;
  return change(known, { id: reg.id, link: reg.link, off: reg.off, num });
}
