/** What a walk backwards cannot see from the instructions: where control came from, which stack slot a pointer went to. */
import type { Env } from "../env.ts";
import type { HistoryEntry, Linked } from "../state/index.ts";

const NONE_LINKED: readonly Linked[] = [];

/**
 * At every instruction, after `visitState` and before the step: begins its history entry, its stack marks, counts jumps. Where a
 * barrier ends the path the instruction itself is not looked at.
 */
export function startInsn(env: Env): void {
  const { pruning, program, slot, state, speculation } = env;
  pruning.entry = null;
  if (!state.speculative || !speculation.barriers.has(slot)) {
    pruning.liveness.start(env);
    if (program.flow.isJump[slot] === 1) env.counts.jumps += 1;
  }
  if (program.jumpPoint[slot] === 1) recordHistory(env);
}

/** The current instruction has to be known to walks backwards; what is given is added to its entry. */
export function recordHistory(
  env: Env,
  what: {
    readonly stack?: { readonly frame: number; readonly slot: number };
    readonly stackOperands?: number;
    readonly linked?: readonly Linked[];
  } = {},
): void {
  const entry = (env.pruning.entry ??= newEntry(env));
  if (what.stack !== undefined) entry.stack = what.stack;
  if (what.stackOperands !== undefined) entry.stackOperands |= what.stackOperands;
  if (what.linked !== undefined) entry.linked = what.linked;
}

function newEntry(env: Env): HistoryEntry {
  const { state, slot, previous } = env;
  const before = state.history;
  const count = before === null ? 1 : before.count + 1;
  const entry = { before, count, slot, previous, stack: null, stackOperands: 0, linked: NONE_LINKED };
  state.history = entry;
  return entry;
}
