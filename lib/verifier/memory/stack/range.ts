/** A range of the stack that is read, or written, byte by byte: by a callee, or by a load at a variable offset. */
import { reject } from "../../env.ts";
import type { Env } from "../../env.ts";
import { markStackRead } from "../../prune/index.ts";
import { BYTE, kindOf, ownFrame, ownSlots, withKind } from "../../state/index.ts";
import type { OwnFrame, Reg, Slot } from "../../state/index.ts";
import { unknown } from "../../step/index.ts";
import { readsUninitialised } from "../registers.ts";
import { checkStackBounds, isUntouched, stackRange } from "./bounds.ts";
import { isSpill, scrubbed, slotOf } from "./slots.ts";

export interface RangeAccess {
  readonly zeroAllowed: boolean;
  /** The callee may write anything there. */
  readonly write: boolean;
}

/** Bounds of a range, and that its place is known where that is asked for. */
export function checkRange(env: Env, register: number, reg: Reg, off: number, size: number, access: RangeAccess): void {
  if (size === 0 && !access.zeroAllowed) reject(env, "zero_sized", { register });
  checkStackBounds(env, register, reg, off, size, access.write ? "write" : "read");
  if (!reg.num.isConst && !env.privileges.perfmon)
    reject(env, "stack_unprivileged", { register, what: "the offset of an access" });
}

/** Every byte that may be touched is initialised (or may be read uninitialised). `off` includes the pointer's own constant. */
export function readRange(env: Env, register: number, reg: Reg, off: number, size: number, access: RangeAccess): void {
  const frame = ownFrame(env.state, reg.frame);
  const [least, greatest] = stackRange(reg, off);
  // Also where the callee may write it: it may as well read it.
  if (size > 0 && !env.profile.has("untouched_stack") && isUntouched(env, frame, least))
    reject(env, "uninitialised_stack", { register, offset: least, start: least, size });
  checkRange(env, register, reg, off, size, access);
  const end = greatest + size;
  for (let from = least; from < end;) {
    const index = slotOf(from);
    const to = Math.min(end, -8 * index);
    readBytes(env, register, frame, index, from, to, access.write);
    markStackRead(env, frame.number, index);
    from = to;
  }
}

/** The bytes `from` to `to` (exclusive) of one slot. */
function readBytes(
  env: Env,
  register: number,
  frame: OwnFrame,
  index: number,
  from: number,
  to: number,
  write: boolean,
): void {
  for (let off = from; off < to; off++) {
    const slot = frame.slots[index] as Slot;
    const kind = kindOf(slot, off & 7);
    if (kind === BYTE.misc) continue;
    if (kind === BYTE.zero || (kind === BYTE.invalid && readsUninitialised(env))) {
      if (write) ownSlots(frame)[index] = { bytes: withKind(slot.bytes, off & 7, BYTE.misc), reg: slot.reg };
      continue;
    }
    if (!isSpill(slot) || (slot.reg?.kind !== "scalar" && !env.privileges.perfmon))
      reject(env, "uninitialised_stack", { register, offset: off, start: from, size: to - from });
    if (write) ownSlots(frame)[index] = { bytes: scrubbed(slot.bytes), reg: unknown(env) };
  }
}
