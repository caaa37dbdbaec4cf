/**
 * Loops without a bound of their own (iterators, callbacks, may_goto) come to an end when a turn changes nothing that matters:
 * numbers that changed since the turn before, and whose bounds nothing has needed, are taken for unknown.
 */
import type { Env } from "../env.ts";
import { BYTE, kindOf, ownFrame, ownSlots, scalar } from "../state/index.ts";
import type { Frame, Reg, Slot, State } from "../state/index.ts";
import { sameCallers } from "./clean.ts";
import { regsExact } from "./equal.ts";
import { WORDS, marked, wordOf } from "./marks.ts";
import { listOf } from "./pruning.ts";

/** The state stored at `slot` in the turn before that of `state`, on the same path; null in the first turn. */
export function previousEntry(env: Env, state: State, slot: number): State | null {
  const list = listOf(env, slot);
  for (let i = list.length - 1; i >= 0; i -= 1) {
    const { state: old } = list[i] as (typeof list)[number];
    if (old.slot === slot && old.branches > 0 && old.depth < state.depth && sameCallers(old, state)) return old;
  }
  return null;
}

/** Takes numbers of `state` for unknown that are not as in `old` and that matter in neither. */
export function widen(env: Env, old: State, state: State): void {
  env.pruning.ids.reset(env.lastId);
  for (let number = old.frames.length - 1; number >= 0; number -= 1) {
    const a = old.frames[number] as Frame;
    const b = state.frames[number] as Frame;
    for (let i = 0; i < 11; i += 1) {
      const isMarked = (marked(old, WORDS * number) & (1 << i)) !== 0;
      const after = b.regs[i] as Reg;
      const reg = isMarked ? after : widened(env, a.regs[i] as Reg, after);
      if (reg !== after) ownFrame(state, number).regs[i] = reg;
    }
    const slots = Math.min(a.slots.length, b.slots.length);
    for (let i = 0; i < slots; i += 1) {
      const before = a.slots[i] as Slot;
      const after = b.slots[i] as Slot;
      if (before.reg === null || after.reg === null) continue;
      if (kindOf(before, 0) !== BYTE.spill || kindOf(after, 0) !== BYTE.spill) continue;
      if ((marked(old, wordOf(number, i)) & (1 << i)) !== 0) continue;
      const reg = widened(env, before.reg, after.reg);
      if (reg !== after.reg) ownSlots(ownFrame(state, number))[i] = { ...after, reg };
    }
  }
}

function widened(env: Env, old: Reg, now: Reg): Reg {
  if (old.kind !== "scalar" || now.kind !== "scalar" || old.precise || now.precise) return now;
  return regsExact(env, old, now) ? now : scalar(undefined, !env.privileges.bpf);
}
