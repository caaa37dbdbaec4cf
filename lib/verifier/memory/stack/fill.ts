/** A range of the stack that a callee fills with something. */
import { reject } from "../../env.ts";
import type { Env } from "../../env.ts";
import { BYTE, kindOf, ownFrame } from "../../state/index.ts";
import type { Reg, Slot } from "../../state/index.ts";
import { leastOffset } from "./bounds.ts";
import { destroyDynptr, frameOfPointer, isSpill, slotOf } from "./slots.ts";
import { barrierBehind } from "./speculation.ts";
import { overwrite } from "./write.ts";

/** Some byte of a region at a known place belongs to a dynptr. */
export function holdsDynptr(env: Env, reg: Reg, size: number): boolean {
  const { slots } = frameOfPointer(env, reg);
  const off = leastOffset(reg, reg.off);
  for (let at = off; at < off + size; at++) {
    const slot = slots[slotOf(at)];
    if (slot !== undefined && kindOf(slot, at & 7) === BYTE.dynptr) return true;
  }
  return false;
}

/** `size` bytes at `off` from the frame pointer, within the stack, are numbers now. */
export function fillStack(env: Env, reg: Reg, off: number, size: number): void {
  const frame = ownFrame(env.state, reg.frame);
  for (let from = off; from < off + size;) {
    const index = slotOf(from);
    const to = Math.min(off + size, -8 * index);
    const slot = frame.slots[index] as Slot;
    if (!env.privileges.perfmon) checkUnprivileged(env, slot, from, to);
    destroyDynptr(env, frame, index);
    overwrite(frame, index, from & 7, to - from, BYTE.misc);
    from = to;
  }
}

/** Pointers stay whole; and the processor must not read past the callee's stores what was there before. */
function checkUnprivileged(env: Env, slot: Slot, from: number, to: number): void {
  if (isSpill(slot) && slot.reg?.kind !== "scalar")
    reject(env, "broken_pointer_on_stack", { offset: from, size: to - from });
  for (let off = from; off < to; off++) {
    const kind = kindOf(slot, off & 7);
    if (kind !== BYTE.misc && kind !== BYTE.zero) barrierBehind(env);
  }
}
