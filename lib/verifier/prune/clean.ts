/** Forgets what nobody reads any more, in states whose paths are all walked: they cover more states then. */
import type { Env } from "../env.ts";
import { EMPTY_SLOT, NONE, ownFrame, ownSlots } from "../state/index.ts";
import type { Frame, State, Stored } from "../state/index.ts";
import { isIncomplete } from "./loops.ts";
import { WORDS, keepMarks, wordOf } from "./marks.ts";

/** Cleans the states of a list that were stored where `now` is. */
export function cleanStates(env: Env, list: readonly Stored[], now: State): void {
  for (const stored of list) {
    const { state } = stored;
    if (stored.cleaned || state.branches > 0 || state.slot !== env.slot) continue;
    if (!sameCallers(state, now) || isIncomplete(stored)) continue;
    clean(env, stored);
  }
}

/** Entered by the same calls. */
export function sameCallers(a: State, b: State): boolean {
  if (a.frames.length !== b.frames.length) return false;
  for (let i = a.frames.length - 1; i > 0; i -= 1) {
    if ((a.frames[i] as Frame).callSite !== (b.frames[i] as Frame).callSite) return false;
  }
  return true;
}

function clean(env: Env, stored: Stored): void {
  const { state } = stored;
  const live = env.pruning.liveness.query(state);
  stored.cleaned = true;
  for (let number = 0; number < state.frames.length; number += 1) {
    const { regs, slots } = state.frames[number] as Frame;
    const at = number === state.frames.length - 1 ? state.slot : (state.frames[number + 1] as Frame).callSite;
    const registers = env.program.liveRegisters[at] as number;
    for (let i = 0; i < 10; i += 1) {
      if ((registers & (1 << i)) === 0 && regs[i] !== NONE) ownFrame(state, number).regs[i] = NONE;
    }
    keepMarks(state, WORDS * number, registers);
    for (let from = 0; from < slots.length; from += 32) {
      const read = live.among(number, from);
      const end = Math.min(from + 32, slots.length);
      for (let i = from; i < end; i += 1) {
        if ((read & (1 << i)) === 0 && slots[i] !== EMPTY_SLOT) ownSlots(ownFrame(state, number))[i] = EMPTY_SLOT;
      }
      keepMarks(state, wordOf(number, from), read);
    }
  }
}
