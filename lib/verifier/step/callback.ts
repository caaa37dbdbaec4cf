/**
 * Callbacks. One that runs while the helper runs is a path that waits: a frame entered from the call, which returns to the call
 * again, as often as states differ (prune). The walk itself goes on behind the call, as if it had not run. One that runs later is
 * a root of its own, with nothing held.
 */
import type { Env } from "../env.ts";
import { frameOf } from "../env.ts";
import { ownFrame } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { makeFrame, makeState, pushFrame } from "./frames.ts";
import { pushPath, pushRoot } from "./paths.ts";

export interface CallbackOptions {
  /** r1 to r5 of the callee from the caller's r0 to r10. */
  readonly setup: (caller: readonly Reg[]) => readonly Reg[];
  readonly returns: readonly [number, number];
  readonly async?: boolean;
  /** async: it may sleep. */
  readonly sleepable?: boolean;
}

export function enterCallback(env: Env, subprogram: number, options: CallbackOptions): void {
  const { program } = env;
  const callee = program.subprograms[subprogram] as (typeof program.subprograms)[number];
  const caller = frameOf(env);
  callee.callback = true;
  const args = options.setup(caller.regs);
  if (options.async === true) {
    callee.asyncCallback = true;
    const frame = makeFrame(subprogram, 0, -1, args, { async: true, asyncEntries: caller.asyncEntries + 1 });
    pushRoot(env, makeState(frame, callee.start, options.sleepable ?? false), callee.start);
    return;
  }
  const state = pushPath(env, callee.start);
  pushFrame(env, state, subprogram, args, { returns: options.returns });
  state.callbackUnroll++;
  ownFrame(state, state.frames.length - 2).callbackDepth++;
  caller.callbackDepth = 0;
  env.trace?.entered();
}
