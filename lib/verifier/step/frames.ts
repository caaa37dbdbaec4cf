/** Frames: made when a function is entered, gone when it returns. */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import type { Callback, Frame, Reg, State } from "../state/index.ts";
import { NONE, pointer } from "../state/index.ts";

interface FrameOptions {
  readonly callback?: Callback | null;
  readonly async?: boolean;
  readonly exception?: boolean;
  readonly asyncEntries?: number;
}

/** A frame with nothing but a frame pointer and what `args` (r1 ...) says. */
export function makeFrame(
  subprogram: number,
  number: number,
  callSite: number,
  args: readonly Reg[],
  options: FrameOptions = {},
): Frame {
  const regs: Reg[] = [
    NONE,
    NONE,
    NONE,
    NONE,
    NONE,
    NONE,
    NONE,
    NONE,
    NONE,
    NONE,
    pointer("stack", 0, { frame: number }),
  ];
  for (const [i, reg] of args.entries()) regs[i + 1] = reg;
  return {
    regs,
    slots: [],
    shared: false,
    slotsShared: false,
    subprogram,
    number,
    callSite,
    callback: options.callback ?? null,
    async: options.async ?? false,
    exception: options.exception ?? false,
    callbackDepth: 0,
    asyncEntries: options.asyncEntries ?? 0,
  };
}

/** A state to start walking with: one frame, nothing held. */
export function makeState(frame: Frame, firstSlot: number, sleepable: boolean): State {
  return {
    frames: [frame],
    held: [],
    activeLocks: 0,
    activeIrq: 0,
    activeLock: null,
    preempt: 0,
    rcu: 0,
    speculative: false,
    sleepable,
    branches: 1,
    parent: null,
    firstSlot,
    lastSlot: -1,
    history: null,
    depth: 0,
    callbackUnroll: 0,
    mayGoto: 0,
    slot: -1,
    stored: null,
    marks: null,
  };
}

/** Enters a function on top of `state`. */
export function pushFrame(
  env: Env,
  state: State,
  subprogram: number,
  args: readonly Reg[],
  callback: Callback | null,
): Frame {
  const { frames } = state;
  const limit = env.profile.limits.callFrames;
  if (frames.length >= limit) reject(env, "call_depth", { count: frames.length + 1 });
  const frame = makeFrame(subprogram, frames.length, env.slot, args, { callback });
  frames.push(frame);
  return frame;
}
