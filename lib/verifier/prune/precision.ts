/**
 * Precision. Bounds of a number matter when something was proven with them (a memory access, a jump not taken ...); then states
 * are compared in them, else any number will do. Found by walking the path backwards from where they matter, through the stored
 * states that it came through, and marking there what the number was made of. The current state needs no marks: it is
 * compared as new, and only old states' marks count.
 */
import type { Env } from "../env.ts";
import { unsupported } from "../env.ts";
import { BYTE, kindOf } from "../state/index.ts";
import type { Frame, HistoryEntry, Reg, Slot, State } from "../state/index.ts";
import { WORDS, mark, marked } from "./marks.ts";

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
  if (old.marks === null) return false;
  backtrack.words.set(old.marks);
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
  const { firstSlot } = state;
  let entry = state.history;
  let slot = last;
  let after = later;
  let skipped = !skip;
  for (;;) {
    const here: HistoryEntry | null = entry !== null && entry.slot === slot ? entry : null;
    // The instruction that asks is looked at by itself.
    if (skipped) {
      if (!backtrack.over(env, slot, after, here)) return false;
      if (backtrack.isEmpty) return true;
    }
    skipped = true;
    after = slot;
    if (slot === firstSlot && (entry === null || (here !== null && here.before === null))) return true;
    if (here === null) slot -= 1;
    else {
      slot = here.previous;
      entry = here.before;
    }
    if (slot < 0) return unsupported("precision of this path");
  }
}

/** What matters at the end of a stored state's part of the path is precise in it; what was so already need not be followed. */
function markState(env: Env, state: State): boolean {
  const { backtrack } = env.pruning;
  let changed = false;
  for (let word = WORDS * backtrack.frame + WORDS - 1; word >= 0; word -= 1) {
    const wanted = backtrack.words[word] as number;
    if (wanted === 0) continue;
    const added = numbersIn(state, word, wanted & ~marked(state, word));
    backtrack.words[word] = added;
    if (mark(state, word, added)) changed = true;
  }
  return changed;
}

/** Those of a word's bits that stand for numbers. */
function numbersIn({ frames }: State, word: number, bits: number): number {
  const { regs, slots } = frames[Math.trunc(word / WORDS)] as Frame;
  const half = (word % WORDS) - 1;
  let numbers = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) {
    const bit = 31 - Math.clz32(rest & -rest);
    const isNumber = half < 0 ? (regs[bit] as Reg).kind === "scalar" : isSpilledNumber(slots[32 * half + bit]);
    if (isNumber) numbers |= 1 << bit;
  }
  return numbers;
}

/** At the entry of a global function only its arguments can matter. */
function markArguments(env: Env, state: State): boolean {
  const { backtrack } = env.pruning;
  const frame = state.frames[0] as Frame;
  const mask = backtrack.words[0] as number;
  const arguments_ = 0b11_1110;
  const inEntry = state.frames.length === 1 && frame.subprogram > 0 && frame.callSite === -1;
  if (!inEntry || backtrack.words[1] !== 0 || backtrack.words[2] !== 0 || (mask & ~arguments_) !== 0) {
    return unsupported("precision of this path");
  }
  const numbers = numbersIn(state, 0, mask);
  mark(state, 0, numbers);
  backtrack.clear();
  return numbers !== 0;
}

/** All numbers of all states that `state` comes from. */
export function markAllPrecise(state: State): boolean {
  let changed = false;
  for (let at = state.parent; at !== null; at = at.parent) {
    for (let word = WORDS * at.frames.length - 1; word >= 0; word -= 1) {
      if (mark(at, word, numbersIn(at, word, word % WORDS === 0 ? NUMBERS : -1))) changed = true;
    }
  }
  return changed;
}

/** r0 to r9. */
const NUMBERS = 0x3ff;

function isSpilledNumber(slot: Slot | undefined): boolean {
  return slot !== undefined && slot.reg !== null && slot.reg.kind === "scalar" && kindOf(slot, 0) === BYTE.spill;
}
