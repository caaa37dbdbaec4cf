/** Calls: of functions of the program here, of helpers and kernel functions in calls/ and kfuncs/. */
import type { Call } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { HELPER_NAMES } from "../../kernel/index.ts";
import { frameOf, reject } from "../env.ts";
import { callHelper } from "../calls/index.ts";
import { callKfunc } from "../kfuncs/index.ts";
import { invalidatePackets } from "../memory/index.ts";
import { NONE } from "../state/index.ts";
import { checkGlobalCall } from "../types/global-call.ts";
import { pushFrame } from "./frames.ts";
import { clearCallerSaved, unknown } from "./operands.ts";
import { pushPath } from "./paths.ts";
import { END } from "./end.ts";
import { stepExit } from "./exit.ts";

export function stepCall(env: Env, insn: Call): number {
  const { target } = insn;
  switch (target.kind) {
    case "helper":
      callHelper(env, target.id);
      return isTailCallOfFunction(env, target.id) ? leaveByTailCall(env) : env.slot + 1;
    case "kfunc":
      callKfunc(env, target.btfId, target.off);
      if (env.thrown) {
        env.thrown = false;
        return END;
      }
      return env.slot + 1;
    case "local":
      return callLocal(env, env.slot + 1 + target.delta);
    case "reg":
      return reject(env, "bad_instruction", { what: "callx" });
  }
}

const TAIL_CALL = HELPER_NAMES.indexOf("tail_call");

/** Whether the walk goes on in the caller, when the tail call is made: of what it runs nobody knows anything. */
function isTailCallOfFunction(env: Env, helper: number): boolean {
  return helper === TAIL_CALL && env.state.frames.length > 1 && env.profile.has("tail_call_returns");
}

/** The tail call may fail (a path that waits), or the function ends with whatever the program called instead returns. */
function leaveByTailCall(env: Env): number {
  pushPath(env, env.slot + 1);
  invalidatePackets(env);
  frameOf(env).regs[0] = unknown(env);
  return stepExit(env);
}

function callLocal(env: Env, target: number): number {
  const { program, state } = env;
  const index = program.subprogramOf[target] as number;
  const subprogram = program.subprograms[index];
  if (subprogram === undefined || subprogram.start !== target) return reject(env, "bad_call_target", { target });
  if (subprogram.global) return callGlobal(env, index);
  if (state.activeLocks > 0 && !env.profile.has("calls_under_lock")) reject(env, "call_under_lock");
  const { regs } = frameOf(env);
  const args = regs.slice(1, 6);
  const caller = frameOf(env);
  const callee = pushFrame(env, state, index, args, null);
  for (let i = 0; i <= 5; i++) regs[i] = NONE;
  env.trace?.frame("caller:", state, caller);
  env.trace?.frame("callee:", state, callee);
  env.trace?.entered();
  return subprogram.start;
}

/** A global function is verified by itself: here only that the arguments fit, and what the call may not do. */
function callGlobal(env: Env, index: number): number {
  const { state, program } = env;
  const { mightSleep, changesPacket, name } = program.subprograms[index] as (typeof program.subprograms)[number];
  if (state.activeLocks > 0) reject(env, "call_under_lock");
  if (mightSleep && (state.rcu > 0 || state.preempt > 0 || state.activeIrq > 0 || !state.sleepable)) {
    reject(env, "global_call_in_section", { what: `${name} may sleep` });
  }
  checkGlobalCall(env, index);
  if (changesPacket) invalidatePackets(env);
  env.called[index] = 1;
  clearCallerSaved(env);
  frameOf(env).regs[0] = unknown(env);
  return env.slot + 1;
}
