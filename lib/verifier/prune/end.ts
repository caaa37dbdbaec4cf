/** Ends of paths: a stored state is explored when all paths that go on from it are. */
import type { Env } from "../env.ts";
import type { State } from "../state/index.ts";
import { isIncomplete, leaveLoop } from "./loops.ts";

/** The path of `state` is at its end: one branch less to explore in the states that it goes on from. */
export function endPath(env: Env, state: State | null): void {
  for (let at = state; at !== null; at = at.parent) {
    at.branches -= 1;
    if (at.branches > 0) break;
    const { stored } = at;
    if (stored === null) continue;
    leaveLoop(env, stored);
    if (stored.evicted && !isIncomplete(stored)) env.pruning.dropped -= 1;
  }
  if (state !== null) env.pruning.liveness.update(state);
}
