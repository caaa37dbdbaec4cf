/**
 * Loops while they are walked. A turn that ends in a state like one from an earlier turn is done, but the marks of that earlier
 * state are not complete: other paths from it are still to be walked. So the end of the turn is kept, and when all paths from
 * the loop's first state have been walked, marks are carried from each such earlier state to the turn that ended in it, until none is new.
 */
import type { Env } from "../env.ts";
import { unsupported } from "../env.ts";
import type { Frame, LoopVisit, State, Stored } from "../state/index.ts";
import { copyState } from "./copy.ts";
import { updatePeak } from "./pruning.ts";
import { markAllPrecise, propagatePrecision } from "./precision.ts";

const MAX_ROUNDS = 64;

/** The visit that a state about to be stored at `slot` belongs to: that of the outermost frame that is in a loop; null outside of loops. */
export function loopOf(env: Env, state: State, slot: number): LoopVisit | null {
  const { program, pruning } = env;
  const { frames } = state;
  for (let i = 0; i < frames.length; i += 1) {
    const at = i === frames.length - 1 ? slot : (frames[i + 1] as Frame).callSite;
    const loop = program.loop[at] as number;
    if (loop === 0) continue;
    const visits = (pruning.loops[loop] ??= []);
    const found = visits.find(
      (v) => v.callers.length === i && v.callers.every((c, j) => c === frames[j + 1]?.callSite),
    );
    if (found !== undefined) return found;
    const callers = frames.slice(1, i + 1).map((f) => f.callSite);
    const visit: LoopVisit = { loop, callers, entry: null, backEdges: [] };
    visits.push(visit);
    return visit;
  }
  return null;
}

/** The first state stored in a loop is its entry, from which all paths have to be walked. */
export function enterLoop(visit: LoopVisit | null, state: State): void {
  if (visit !== null) visit.entry ??= state;
}

/** All paths from a stored state have been walked. */
export function leaveLoop(env: Env, stored: Stored): void {
  const visit = stored.loop;
  if (visit === null || visit.entry !== stored.state) return;
  visit.entry = null;
  env.pruning.kept -= visit.backEdges.length;
  const edges = visit.backEdges.toReversed();
  let rounds = 0;
  let changed = edges.length > 0;
  while (changed) {
    if (rounds > MAX_ROUNDS) {
      for (const { state } of edges) markAllPrecise(state);
      break;
    }
    rounds += 1;
    changed = false;
    for (const { state, equal } of edges) if (propagatePrecision(env, equal, state)) changed = true;
  }
  visit.backEdges.length = 0;
}

/** The current state has come to a state like `stored`, whose marks are not complete. */
export function addBackEdge(env: Env, stored: Stored): void {
  if (stored.loop === null) unsupported("a loop outside of a loop");
  const state = copyState(env.state);
  state.slot = env.slot;
  stored.loop.backEdges.push({ state, equal: stored.state });
  env.pruning.kept += 1;
  updatePeak(env);
}

/** Marks of the state are not complete. */
export function isIncomplete(stored: Stored): boolean {
  return stored.loop !== null && stored.loop.backEdges.length > 0;
}
