/**
 * Precision. Bounds of a number matter when something was proven with them (a memory access, a jump not taken ...); then states
 * are compared in them, else any number will do. Found by walking the path backwards from where they matter, through the stored
 * states that it came through, and marking there what the number was made of. The current state needs no marks: it is
 * compared as new, and only old states' marks count.
 */
import type { Env } from "../env.ts";
import { unsupported } from "../env.ts";
import { BYTE, change, kindOf } from "../state/index.ts";
import type { Frame, HistoryEntry, Reg, Slot, State } from "../state/index.ts";

/** The bounds of a register of the current frame matter: it, and what it was made of, is precise in all parent states. */
export function markPrecise(env: Env, register: number): void {
  const { state, pruning, privileges } = env;
  // Without CAP_BPF all numbers are precise from the start.
  if (!privileges.bpf) return;
  pruning.backtrack.setReg(state.frames.length - 1, register);
  markChain(env, state);
}

/** The same of a number that was spilled to a slot of a frame of the current path. */
export function markSlotPrecise(env: Env, frame: number, slot: number): void {
  const { state, pruning, privileges } = env;
  if (!privileges.bpf) return;
  pruning.backtrack.setSlot(frame, slot);
  markChain(env, state);
}

/** What matters in `old` matters in `now`, which it covers. True when a mark was new. */
export function propagatePrecision(env: Env, old: State, now: State): boolean {
  if (!env.privileges.bpf) return false;
  const { backtrack } = env.pruning;
  for (const [number, frame] of old.frames.entries()) {
    for (let i = 0; i < 10; i += 1) {
      const reg = frame.regs[i] as Reg;
      if (reg.kind === "scalar" && reg.precise) backtrack.setReg(number, i);
    }
    for (let i = 0; i < frame.slots.length; i += 1) {
      const slot = frame.slots[i] as Slot;
      if (isSpilledNumber(slot) && (slot.reg as Reg).precise) backtrack.setSlot(number, i);
    }
  }
  return markChain(env, now);
}

/** Walks back from `start` for what `env.pruning.backtrack` holds, and empties it. */
function markChain(env: Env, start: State): boolean {
  const { backtrack } = env.pruning;
  backtrack.frame = start.frames.length - 1;
  if (backtrack.isEmpty) return false;
  let changed = false;
  let state = start;
  let last = start.slot === -1 ? env.slot : start.slot;
  let later = -1;
  let skip = true;
  for (;;) {
    if (last < 0) return markArguments(env, state) || changed;
    if (!walkBack(env, state, last, later, skip)) {
      backtrack.clear();
      return markAllPrecise(start) || changed;
    }
    if (backtrack.isEmpty) break;
    const { parent } = state;
    if (parent === null) {
      // Something was missed, e.g. an access to the stack through another pointer.
      backtrack.clear();
      return markAllPrecise(start) || changed;
    }
    if (markState(env, parent)) changed = true;
    if (backtrack.isEmpty) break;
    skip = false;
    later = state.firstSlot;
    last = parent.lastSlot;
    state = parent;
  }
  backtrack.clear();
  return changed;
}

/** Back to the first instruction after the state's parent. False where it cannot be followed. */
function walkBack(env: Env, state: State, last: number, later: number, skip: boolean): boolean {
  const { backtrack } = env.pruning;
  const { history, firstSlot } = state;
  let count = history.length;
  let slot = last;
  let after = later;
  let skipped = !skip;
  for (;;) {
    const entry = count > 0 ? (history[count - 1] as HistoryEntry) : null;
    const here = entry !== null && entry.slot === slot ? entry : null;
    // The instruction that asks is looked at by itself.
    if (skipped) {
      if (!backtrack.over(env, slot, after, here)) return false;
      if (backtrack.isEmpty) return true;
    }
    skipped = true;
    after = slot;
    if (slot === firstSlot && (count === 0 || (count === 1 && here !== null))) return true;
    if (here === null) slot -= 1;
    else {
      slot = here.previous;
      count -= 1;
    }
    if (slot < 0) return unsupported("precision of this path");
  }
}

/** What matters at the end of a stored state's part of the path is precise in it; what was so already need not be followed. */
function markState(env: Env, state: State): boolean {
  const { backtrack } = env.pruning;
  let changed = false;
  for (let number = backtrack.frame; number >= 0; number -= 1) {
    const frame = state.frames[number] as Frame;
    for (let mask = backtrack.regs[number] as number; mask !== 0; mask &= mask - 1) {
      const i = 31 - Math.clz32(mask & -mask);
      const reg = frame.regs[i] as Reg;
      if (reg.kind !== "scalar" || reg.precise) backtrack.clearReg(number, i);
      else {
        frame.regs[i] = change(reg, { precise: true });
        changed = true;
      }
    }
    for (let half = 0; half < 2; half += 1) {
      for (let mask = backtrack.slots[2 * number + half] as number; mask !== 0; mask &= mask - 1) {
        const i = 32 * half + 31 - Math.clz32(mask & -mask);
        const slot = frame.slots[i];
        if (slot === undefined || !isSpilledNumber(slot) || (slot.reg as Reg).precise) backtrack.clearSlot(number, i);
        else {
          frame.slots[i] = { ...slot, reg: change(slot.reg as Reg, { precise: true }) };
          changed = true;
        }
      }
    }
  }
  return changed;
}

/** At the entry of a global function only its arguments can matter. */
function markArguments(env: Env, state: State): boolean {
  const { backtrack } = env.pruning;
  const frame = state.frames[0] as Frame;
  const mask = backtrack.regs[0] as number;
  const arguments_ = 0b11_1110;
  const inEntry = state.frames.length === 1 && frame.subprogram > 0 && frame.callSite === -1;
  if (!inEntry || backtrack.slots[0] !== 0 || backtrack.slots[1] !== 0 || (mask & ~arguments_) !== 0) {
    return unsupported("precision of this path");
  }
  let changed = false;
  for (let i = 1; i <= 5; i += 1) {
    const reg = frame.regs[i] as Reg;
    if ((mask & (1 << i)) === 0 || reg.kind !== "scalar") continue;
    frame.regs[i] = change(reg, { precise: true });
    changed = true;
  }
  backtrack.clear();
  return changed;
}

/** All numbers of all states that `state` comes from. */
export function markAllPrecise(state: State): boolean {
  let changed = false;
  for (let at = state.parent; at !== null; at = at.parent) if (setPrecision(at, true)) changed = true;
  return changed;
}

/** All numbers of a state; true when one was otherwise. */
export function setPrecision(state: State, precise: boolean): boolean {
  let changed = false;
  for (const { regs, slots } of state.frames) {
    for (let i = 0; i < 10; i += 1) {
      const reg = regs[i] as Reg;
      if (reg.kind !== "scalar" || reg.precise === precise) continue;
      regs[i] = change(reg, { precise });
      changed = true;
    }
    for (let i = 0; i < slots.length; i += 1) {
      const slot = slots[i] as Slot;
      if (slot.reg === null || !isSpilledNumber(slot) || slot.reg.precise === precise) continue;
      slots[i] = { ...slot, reg: change(slot.reg, { precise }) };
      changed = true;
    }
  }
  return changed;
}

function isSpilledNumber(slot: Slot): boolean {
  return slot.reg !== null && slot.reg.kind === "scalar" && kindOf(slot, 0) === BYTE.spill;
}
