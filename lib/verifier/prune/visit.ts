/**
 * Whether a state has to be walked. Stored states are kept in lists, the latest first looked at; those whose paths are all walked
 * (`branches` 0) can cover the current one, those still being walked show loops.
 */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import type { Frame, Reg, State, Stored } from "../state/index.ts";
import { cleanStates } from "./clean.ts";
import { copyState } from "./copy.ts";
import { mayLoop, statesEqual } from "./equal.ts";
import { recordHistory } from "./history.ts";
import { addBackEdge, enterLoop, isIncomplete, loopOf } from "./loops.ts";
import { propagatePrecision } from "./precision.ts";
import { listOf, updatePeak } from "./pruning.ts";

/** BPF_F_TEST_STATE_FREQ: a state is stored at every prune point. */
const TEST_STATE_FREQ = 1 << 3;
/** A history that is longer is cut by storing a state. */
const MAX_HISTORY = 40;
/** Stored states of one list, for those who load without CAP_BPF. */
const MAX_UNPRIVILEGED_STATES = 64;

/**
 * At a prune point, before the instruction is walked: "pruned" when an explored state covers this one; else the state is stored
 * when that is worth it (`env.state.parent` moves on) and the walk goes on. Rejects endless loops.
 */
export function visitState(env: Env): "pruned" | "walk" {
  const { state, slot, counts, pruning, program, privileges, request } = env;
  pruning.entry = null;
  const jumps = counts.jumps - counts.previousJumps;
  const processed = counts.processed - counts.previousProcessed;
  const forced =
    program.checkpoint[slot] === 1 ||
    (state.history !== null && state.history.count > MAX_HISTORY) ||
    ((request.flags & TEST_STATE_FREQ) !== 0 && privileges.bpf);
  let worthStoring = forced || (jumps >= 2 && processed >= 8);
  const list = listOf(env, slot);
  const seen = list.length;
  cleanStates(env, list, state);
  for (let i = list.length - 1; i >= 0; i -= 1) {
    const stored = list[i] as Stored;
    if (stored.state.slot !== slot) continue;
    const found = compare(env, stored);
    if (found !== "miss") {
      stored.hits += 1;
      if (program.jumpPoint[slot] === 1) recordHistory(env);
      propagatePrecision(env, stored.state, state);
      if (found === "turn") addBackEdge(env, stored);
      return "pruned";
    }
    // States of a loop's turns differ: a few of them, from the beginning and the end, are enough.
    if (stored.state.branches > 0 && !forced && jumps < 20 && processed < 100) worthStoring = false;
    if (worthStoring) stored.misses += 1;
    const patience = program.checkpoint[slot] === 1 && stored.state.branches > 0 ? 64 : 3;
    if (stored.misses > stored.hits * patience + patience) evict(env, list, i);
  }
  if (seen > counts.maxStatesPerInsn) counts.maxStatesPerInsn = seen;
  if (!worthStoring || (!privileges.bpf && seen > MAX_UNPRIVILEGED_STATES)) return "walk";
  store(env, list);
  return "walk";
}

/** hit: covered; turn: covered by a state whose marks are not complete yet. */
function compare(env: Env, stored: Stored): "hit" | "turn" | "miss" {
  const { state: now, slot, program } = env;
  const { state: old } = stored;
  if (old.branches === 0) {
    const turn = isIncomplete(stored);
    if (!statesEqual(env, old, now, turn ? "within" : "covers")) return "miss";
    return turn ? "turn" : "hit";
  }
  const frame = old.frames.at(-1) as Frame;
  // Another start of an asynchronous callback: neither a loop nor proven.
  if (frame.async && frame.asyncEntries !== (now.frames.at(-1) as Frame).asyncEntries) return "miss";
  if (program.iteratorNext[slot] === 1) {
    return statesEqual(env, old, now, "within") && isActiveIterator(now) ? "turn" : "miss";
  }
  const mayGoto = env.program.insns[slot]?.kind === "may_goto";
  if (mayGoto && old.mayGoto !== now.mayGoto && statesEqual(env, old, now, "within")) return "turn";
  if (program.callsCallback[slot] === 1) return statesEqual(env, old, now, "within") ? "hit" : "miss";
  const endless =
    mayLoop(old, now) &&
    statesEqual(env, old, now, "exact") &&
    !iteratorsMoved(old, now) &&
    old.mayGoto === now.mayGoto &&
    old.callbackUnroll === now.callbackUnroll;
  if (endless) reject(env, "infinite_loop", { slot });
  return "miss";
}

/** The iterator in r1, which the call takes a step further. */
function isActiveIterator(state: State): boolean {
  const pointer = (state.frames.at(-1) as Frame).regs[1] as Reg;
  const offset = pointer.off + Number(pointer.num.smin);
  const extra = state.frames[pointer.frame]?.slots[(-offset - 1) >> 3]?.reg?.extra;
  return extra?.kind === "iterator" && extra.state === "active";
}

/** An iterator that is not at its end has taken another number of steps. */
function iteratorsMoved(old: State, now: State): boolean {
  return old.frames.some(({ slots }, number) =>
    slots.some(({ reg }, i) => {
      const extra = reg?.extra;
      if (extra?.kind !== "iterator" || extra.state !== "active") return false;
      const other = now.frames[number]?.slots[i]?.reg?.extra;
      return other?.kind !== "iterator" || other.depth !== extra.depth;
    }),
  );
}

/** Too often compared in vain. */
function evict(env: Env, list: Stored[], index: number): void {
  const stored = list[index] as Stored;
  list.splice(index, 1);
  env.pruning.listed -= 1;
  if (stored.state.branches === 0 && !isIncomplete(stored)) return;
  stored.evicted = true;
  env.pruning.dropped += 1;
}

function store(env: Env, list: Stored[]): void {
  const { state, slot, counts, pruning } = env;
  counts.totalStates += 1;
  pruning.listed += 1;
  updatePeak(env);
  counts.previousJumps = counts.jumps;
  counts.previousProcessed = counts.processed;
  const copy = copyState(state);
  copy.slot = slot;
  copy.lastSlot = env.previous;
  const loop = loopOf(env, copy, slot);
  const stored: Stored = { state: copy, hits: 0, misses: 0, evicted: false, cleaned: false, loop };
  copy.stored = stored;
  enterLoop(loop, copy);
  list.push(stored);
  state.parent = copy;
  state.firstSlot = slot;
  state.depth = copy.depth + 1;
  state.history = null;
}
