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
  const { frames } = state;
  const depth = depthOf(env, frames, slot);
  if (depth < 0) return null;
  const found = visitOf(env, frames, slot, depth);
  if (found !== undefined) return found;
  const loop = loopAt(env, frames, slot, depth);
  const visit: LoopVisit = {
    loop,
    callers: frames.slice(1, depth + 1).map((f) => f.callSite),
    entry: null,
    backEdges: [],
  };
  (env.pruning.loops[loop] ??= []).push(visit);
  return visit;
}

/** The current instruction is in a loop of which no state was stored: Linux 6.18 holds it for impossible that a path ends there. */
export function isInUnknownLoop(env: Env): boolean {
  const { state, slot } = env;
  const depth = depthOf(env, state.frames, slot);
  return depth >= 0 && visitOf(env, state.frames, slot, depth) === undefined;
}

/** Number of the loop that a frame stands in; 0 outside of loops. */
function loopAt({ program }: Env, frames: readonly Frame[], slot: number, depth: number): number {
  return program.loop[depth === frames.length - 1 ? slot : (frames[depth + 1] as Frame).callSite] as number;
}

/** The outermost frame that stands in a loop; -1: none. */
function depthOf(env: Env, frames: readonly Frame[], slot: number): number {
  for (let i = 0; i < frames.length; i += 1) if (loopAt(env, frames, slot, i) !== 0) return i;
  return -1;
}

function visitOf(env: Env, frames: readonly Frame[], slot: number, depth: number): LoopVisit | undefined {
  const visits = env.pruning.loops[loopAt(env, frames, slot, depth)];
  return visits?.find((v) => v.callers.length === depth && v.callers.every((c, j) => c === frames[j + 1]?.callSite));
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
