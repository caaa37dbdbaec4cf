/** `exit`: back to the caller, or the end of the program with what it may return and nothing left to give back. */
import type { Env } from "../env.ts";
import { frameOf, reject } from "../env.ts";
import { leaveFrame, markPrecise, previousEntry, widen } from "../prune/index.ts";
import { ownFrame } from "../state/index.ts";
import type { Frame, Reg } from "../state/index.ts";
import { returnRangeOf } from "../types/index.ts";
import { END } from "./end.ts";
import { checkNothingHeld } from "./held.ts";
import { isHidden, needValue } from "./operands.ts";

export function stepExit(env: Env): number {
  const { frames } = env.state;
  if (frames.length > 1) {
    leaveFrame(env);
    return returnToCaller(env);
  }
  checkNothingHeld(env, "end");
  checkReturnValue(env, 0);
  return END;
}

function returnToCaller(env: Env): number {
  const { frames } = env.state;
  const callee = frames[frames.length - 1] as Frame;
  const caller = ownFrame(env.state, frames.length - 2);
  const result = callee.regs[0] as Reg;
  if (result.kind === "stack") reject(env, "subprogram_return", { kind: "a pointer to its stack" });
  const { callback } = callee;
  if (callback === null) {
    caller.regs[0] = result;
    showReturn(env, callee, caller, callee.callSite + 1);
    frames.pop();
    return callee.callSite + 1;
  }
  if (result.kind !== "scalar") reject(env, "return_not_number", { kind: result.kind });
  markPrecise(env, 0);
  const [min, max] = callback.returns;
  const { num } = callee.regs[0] as Reg;
  if (num.sminRounded < min || num.smaxRounded > max) rejectRange(env, "the callback", num.smin, num.smax, min, max);
  showReturn(env, callee, caller, callee.callSite);
  frames.pop();
  const before = previousEntry(env, env.state, callee.callSite);
  if (before !== null) widen(env, before, env.state);
  return callee.callSite;
}

function showReturn({ trace, state }: Env, callee: Frame, caller: Frame, slot: number): void {
  if (trace === null) return;
  trace.frame("returning from callee:", state, callee);
  trace.frame(`to caller at ${slot}:`, state, caller);
  trace.returned(caller);
}

/** What leaves the program in a register: r0 at its end, r1 of an exception in whichever function. A root that is a function owes a number. */
export function checkReturnValue(env: Env, register: 0 | 1): void {
  const root = env.state.frames[0] as Frame;
  const isProgram = root.async || root.subprogram === 0 || root.exception;
  const range = isProgram ? returnRangeOf(env) : null;
  if (range === "void") return;
  const result = needValue(env, register);
  if (isHidden(env, result)) reject(env, "return_leak", { register });
  if (!isProgram) {
    if (result.kind !== "scalar") reject(env, "return_not_number", { kind: result.kind });
    return;
  }
  if (range === null) return;
  if (result.kind !== "scalar") reject(env, "return_not_number", { kind: result.kind });
  markPrecise(env, register);
  const { num } = frameOf(env).regs[register] as Reg;
  const least = range.width === 32 ? num.s32min : num.sminRounded;
  const greatest = range.width === 32 ? num.s32max : num.smaxRounded;
  if (least < range.min || greatest > range.max) {
    const [min, max] = range.width === 32 ? [BigInt(num.s32min), BigInt(num.s32max)] : [num.smin, num.smax];
    rejectRange(env, root.async ? "the callback" : "the program", min, max, range.min, range.max);
  }
}

function rejectRange(env: Env, what: string, min: bigint, max: bigint, wantedMin: number, wantedMax: number): never {
  const found = min === max ? `${min}` : `${min} to ${max}`;
  const wanted = wantedMin === wantedMax ? `${wantedMin}` : `${wantedMin} to ${wantedMax}`;
  return reject(env, "return_range", { what, found, wanted });
}
