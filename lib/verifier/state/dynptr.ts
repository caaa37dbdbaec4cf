/**
 * Imported by its own name, not from index.ts: it tells prune/, which imports that, what it reads and writes.
 *
 * Dynptrs on the stack: 16 bytes, two slots, which hold what is known of the dynptr instead of bytes. The slot at the lower
 * address is the first and has the greater slot number; the other one is the slot before it.
 *
 * The registers in both slots have kind `dynptr`, `id` (shared by slices made of it), `ref` (what it holds, or 0) and `extra`.
 */
import type { Env } from "../env.ts";
import { newId } from "../env.ts";
import { markStackRead, markStackWrite } from "../prune/index.ts";
import { smallConstant } from "../scalar/index.ts";
import { change, pointer } from "./make.ts";
import { ownFrame, ownSlots } from "./own.ts";
import type { DynptrKind, Extra, Reg } from "./reg.ts";
import { BYTE, EMPTY_SLOT, filled } from "./slot.ts";
import type { Frame, State } from "./state.ts";

export const DYNPTR_BYTES = 16;

/** Dynptrs of these kinds have acquired what they point to. */
export function holdsReference(kind: DynptrKind): boolean {
  return kind === "ringbuf" || kind === "file";
}

/**
 * The first slot of a dynptr at a stack pointer, whether or not there is one. Null where none can be: at an offset that is not
 * known, not a multiple of 8, or above the last 16 bytes of the frame.
 */
export function dynptrSlot(reg: Reg): number | null {
  const variable = smallConstant(reg.num);
  if (reg.kind !== "stack" || variable === null) return null;
  const off = reg.off + variable;
  const slot = (-off - 1) >> 3;
  return off % 8 === 0 && slot >= 1 ? slot : null;
}

/** The dynptr that a stack pointer or dynptr argument names; null when there is none, or only the middle of one. */
export function dynptrAt(state: State, reg: Reg): Reg | null {
  if (reg.kind === "dynptr") return reg;
  const slot = dynptrSlot(reg);
  if (slot === null) return null;
  const { slots } = state.frames[reg.frame] as Frame;
  const all = filled(BYTE.dynptr);
  if (slots[slot]?.bytes !== all || slots[slot - 1]?.bytes !== all) return null;
  const known = slots[slot]?.reg ?? null;
  return known?.extra?.kind === "dynptr" && known.extra.firstSlot ? known : null;
}

export function dynptrKind(reg: Reg): DynptrKind | null {
  return reg.extra?.kind === "dynptr" ? reg.extra.of : null;
}

/** Using an initialised dynptr reads both of its slots. */
export function markDynptrRead(env: Env, at: Reg): void {
  const slot = dynptrSlot(at);
  if (slot === null) return;
  markStackRead(env, at.frame, slot);
  markStackRead(env, at.frame, slot - 1);
}

/** Shared by all dynptrs of a kind, so that comparing registers compares references. */
const EXTRAS = new Map<DynptrKind, readonly [first: Extra, second: Extra]>();

function extrasOf(of: DynptrKind): readonly [first: Extra, second: Extra] {
  let pair = EXTRAS.get(of);
  if (pair === undefined) {
    pair = [
      { kind: "dynptr", of, firstSlot: true },
      { kind: "dynptr", of, firstSlot: false },
    ];
    EXTRAS.set(of, pair);
  }
  return pair;
}

/** A dynptr as an argument (of a callback or global function), which may not be changed. */
export function dynptrArgument(env: Env, of: DynptrKind): Reg {
  return pointer("dynptr", 0, { id: newId(env), extra: extrasOf(of)[0] });
}

/** Puts a dynptr at a stack pointer; both slots have been written to before (so that what was there is gone). */
export function putDynptr(env: Env, at: Reg, of: DynptrKind, ref = 0): void {
  const slot = dynptrSlot(at) as number;
  const slots = ownSlots(ownFrame(env.state, at.frame));
  const [first, second] = extrasOf(of);
  const reg = pointer("dynptr", 0, { id: newId(env), ref, extra: first });
  slots[slot] = { bytes: filled(BYTE.dynptr), reg };
  slots[slot - 1] = { bytes: filled(BYTE.dynptr), reg: change(reg, { extra: second }) };
  markStackWrite(env, at.frame, slot);
  markStackWrite(env, at.frame, slot - 1);
}

/** The dynptr in the slots is gone, with all clones that hold the same reference. Slices of it are the caller's concern. */
export function removeDynptr(env: Env, at: Reg): void {
  const slot = dynptrSlot(at) as number;
  const slots = ownSlots(ownFrame(env.state, at.frame));
  const ref = slots[slot]?.reg?.ref ?? 0;
  for (let i = 1; i < slots.length; i++) {
    const reg = slots[i]?.reg ?? null;
    if (i !== slot && (ref === 0 || reg?.ref !== ref)) continue;
    if (reg?.extra?.kind !== "dynptr" || !reg.extra.firstSlot) continue;
    slots[i] = EMPTY_SLOT;
    slots[i - 1] = EMPTY_SLOT;
    markStackWrite(env, at.frame, i);
    markStackWrite(env, at.frame, i - 1);
  }
}
