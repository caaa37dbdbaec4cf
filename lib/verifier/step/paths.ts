/** Paths that wait to be walked: the one pushed last is walked first. */
import type { Env, Pending } from "../env.ts";
import { reject } from "../env.ts";
import { copyState } from "../prune/index.ts";
import type { State } from "../state/index.ts";

/** A copy of the current state that goes on at `slot` when this path is at its end. */
export function pushPath(env: Env, slot: number, speculative = false): State {
  const { state, pending } = env;
  const copy = copyState(state);
  if (speculative) copy.speculative = true;
  if (copy.parent !== null) copy.parent.branches++;
  pending.push({
    state: copy,
    slot,
    previous: env.slot,
    logged: env.trace?.length ?? 0,
    recorded: env.trail?.steps.length ?? 0,
  });
  if (pending.length > env.profile.limits.jumps) reject(env, "too_many_jumps", { count: pending.length });
  return copy;
}

/** A state of its own, not a copy: an asynchronous callback's. */
export function pushRoot(env: Env, state: State, slot: number): void {
  env.pending.push({
    state,
    slot,
    previous: env.slot,
    logged: env.trace?.length ?? 0,
    recorded: env.trail?.steps.length ?? 0,
  });
  if (env.pending.length > env.profile.limits.jumps) reject(env, "too_many_jumps", { count: env.pending.length });
}

/** Takes the next path to walk; false when none is left. */
export function nextPath(env: Env): boolean {
  const next: Pending | undefined = env.pending.pop();
  if (next === undefined) return false;
  env.state = next.state;
  env.slot = next.slot;
  env.previous = next.previous;
  env.trace?.resume(next.logged);
  env.trail?.resume(next.recorded);
  return true;
}
