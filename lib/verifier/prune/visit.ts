/** Whether a state has to be walked. */
import type { Env } from "../env.ts";
import { copyState } from "./copy.ts";

/**
 * At a prune point, before the instruction is walked: "pruned" when an explored state covers this one; else the state is stored
 * when that is worth it (`env.state.parent` moves on) and the walk goes on. Rejects endless loops.
 */
export function visitState(env: Env): "pruned" | "walk" {
  const { state, counts } = env;
  if (counts.jumps - counts.previousJumps < 2 || counts.processed - counts.previousProcessed < 8) return "walk";
  counts.totalStates += 1;
  counts.previousJumps = counts.jumps;
  counts.previousProcessed = counts.processed;
  const stored = copyState(state);
  stored.slot = env.slot;
  stored.lastSlot = env.previous;
  state.parent = stored;
  state.firstSlot = env.slot;
  state.depth += 1;
  state.history = [];
  return "walk";
}
