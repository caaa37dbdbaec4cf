/**
 * The slots of a frame: growth, dynptrs that are written over, and what a slot is.
 *
 * Addresses are offsets from the frame pointer, negative. Byte `off` is byte `off & 7` of slot `slotOf(off)`.
 */
import { reject } from "../../env.ts";
import type { Env } from "../../env.ts";
import { markStackWrite } from "../../prune/index.ts";
import { BYTE, EMPTY_SLOT, filled, FLAG, kindOf, ownFrame, ownSlots } from "../../state/index.ts";
import type { Frame, OwnFrame, Reg, Slot } from "../../state/index.ts";
import { invalidateRegs } from "../registers.ts";

export function slotOf(off: number): number {
  return (-off - 1) >> 3;
}

/** The frame that a stack pointer points into, to read. */
export function frameOfPointer(env: Env, reg: Reg): Frame {
  return env.state.frames[reg.frame] as Frame;
}

/** The stack is at least `bytes` deep from here on. */
export function growStack(env: Env, frame: Frame, bytes: number): void {
  const count = (bytes + 7) >> 3;
  if (frame.slots.length >= count) return;
  const slots = ownSlots(ownFrame(env.state, frame.number));
  while (slots.length < count) slots.push(EMPTY_SLOT);
  const subprogram = env.program.subprograms[frame.subprogram];
  if (subprogram !== undefined && subprogram.stackDepth < count * 8) subprogram.stackDepth = count * 8;
}

/** A register was spilled here, with as many bytes as are marked. */
export function isSpill(slot: Slot): boolean {
  return kindOf(slot, 0) === BYTE.spill;
}

/** The bytes of a slot that holds a spilled register, dynptr, iterator or irq flag: more than numbers. */
export function isSpecial(bytes: number): boolean {
  const kind = bytes & 7;
  return kind !== BYTE.invalid && kind !== BYTE.misc && kind !== BYTE.zero;
}

/** Every byte that has been written is some number. */
export function scrubbed(bytes: number): number {
  // A byte's kind is not `invalid` (0) where any of its three bits is set.
  const written = (bytes | (bytes >> 1) | (bytes >> 2)) & filled(1);
  return written * BYTE.misc;
}

/** Bytes 0 to size-1 belong to the spilled register; zeros and unwritten bytes behind it stay what they are. */
export function spilled(bytes: number, size: number): number {
  if (size === 8) return filled(BYTE.spill);
  let result = filled(BYTE.spill) & ((1 << (size * 3)) - 1);
  for (let byte = size; byte < 8; byte++) {
    const kind = (bytes >> (byte * 3)) & 7;
    result |= (kind === BYTE.invalid || kind === BYTE.zero ? kind : BYTE.misc) << (byte * 3);
  }
  return result;
}

/** Writing to a dynptr destroys it, and what was made of it; one that holds a reference may not be written to. */
export function destroyDynptr(env: Env, frame: OwnFrame, slot: number): void {
  const touched = frame.slots[slot];
  // Dynptrs are never marked in part, so one byte tells.
  if (touched === undefined || kindOf(touched, 7) !== BYTE.dynptr) return;
  const extra = touched.reg?.extra;
  const first = extra?.kind === "dynptr" && !extra.firstSlot ? slot + 1 : slot;
  const dynptr = (frame.slots[first] as Slot).reg as Reg;
  if (dynptr.extra?.kind === "dynptr" && (dynptr.extra.of === "ringbuf" || dynptr.extra.of === "file"))
    reject(env, "dynptr_overwritten", { offset: -8 * (slot + 1) });
  const slots = ownSlots(frame);
  slots[first] = EMPTY_SLOT;
  slots[first - 1] = EMPTY_SLOT;
  invalidateRegs(env, (reg) => isSlice(reg) && reg.dynptr === dynptr.id);
  markStackWrite(env, frame.number, first);
  markStackWrite(env, frame.number, first - 1);
}

function isSlice(reg: Reg): boolean {
  return reg.kind === "mem" && (reg.flags & ~FLAG.maybe_null) === 0;
}
