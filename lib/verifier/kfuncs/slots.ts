/**
 * Things of more than numbers that kernel functions keep in slots of the stack: iterators and saved interrupt states. The first
 * slot is the one at the lowest address (it has the greatest number) and holds the reference; each slot's register has the facts.
 */
import type { Env } from "../env.ts";
import { accessMemory } from "../memory/index.ts";
import { markStackRead, markStackWrite } from "../prune/index.ts";
import { smallConstant } from "../scalar/index.ts";
import { EMPTY_SLOT, filled, kindOf, ownFrame, ownSlots } from "../state/index.ts";
import type { BYTE, ByteKind, Frame, Reg, Slot } from "../state/index.ts";

/** The first of `count` slots that a stack pointer points to; null where no such thing can be. */
export function slotsAt(reg: Reg, count: number): number | null {
  const variable = smallConstant(reg.num);
  if (reg.kind !== "stack" || variable === null) return null;
  const off = reg.off + variable;
  const first = (-off - 1) >> 3;
  return off % 8 === 0 && first + 1 >= count ? first : null;
}

/** None of the slots holds such a thing; slots that were never touched hold none. */
export function areFree(env: Env, reg: Reg, first: number, count: number, kind: ByteKind): boolean {
  const { slots } = env.state.frames[reg.frame] as Frame;
  for (let i = 0; i < count; i++) {
    const slot = slots[first - i];
    if (slot !== undefined && kindOf(slot, 0) === kind) return false;
  }
  return true;
}

/** The registers in the slots, all of which are wholly of the kind; null otherwise. */
export function heldIn(env: Env, reg: Reg, first: number, count: number, kind: ByteKind): readonly Reg[] | null {
  const { slots } = env.state.frames[reg.frame] as Frame;
  const all = filled(kind);
  const found: Reg[] = [];
  for (let i = 0; i < count; i++) {
    const slot = slots[first - i];
    if (slot === undefined || slot.bytes !== all || slot.reg === null) return null;
    found.push(slot.reg);
  }
  return found;
}

/** The call writes to all of the memory: it has to be there, and what was in it is gone. */
export function writeSlots(env: Env, register: number, count: number): void {
  for (let i = 0; i < count; i++) accessMemory(env, "write", register, i * 8, 8, -1);
}

/** Puts registers into the slots, from the first on. */
export function fillSlots(
  env: Env,
  frame: number,
  first: number,
  kind: typeof BYTE.iterator | typeof BYTE.irq,
  regs: readonly Reg[],
): void {
  const slots = ownSlots(ownFrame(env.state, frame));
  regs.forEach((reg, i) => {
    slots[first - i] = { bytes: filled(kind), reg };
    markStackWrite(env, frame, first - i);
  });
}

/** Nothing is in the slots any more. */
export function clearSlots(env: Env, frame: number, first: number, count: number): void {
  const slots = ownSlots(ownFrame(env.state, frame));
  for (let i = 0; i < count; i++) {
    slots[first - i] = EMPTY_SLOT;
    markStackWrite(env, frame, first - i);
  }
}

export function readSlots(env: Env, frame: number, first: number, count: number): void {
  for (let i = 0; i < count; i++) markStackRead(env, frame, first - i);
}

/** Puts another register into a slot that holds such a thing. */
export function changeSlot(slots: Slot[], slot: number, put: (reg: Reg) => Reg): void {
  const { bytes, reg } = slots[slot] as Slot;
  slots[slot] = { bytes, reg: reg === null ? null : put(reg) };
}
