/** Sections that functions open and close: RCU, preemption; and the exception, which ends the program. */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { isInUnknownLoop } from "../prune/index.ts";
import { BYTE, FLAG, change, changeRegs, kindOf, ownFrame, ownSlots } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { checkNothingHeld, checkReturnValue } from "../step/index.ts";
import { changeSlot } from "./slots.ts";

/** RCU and preemption around and by the call. `sleeps`: the function may sleep. */
export function changeSections(env: Env, name: string, sleeps: boolean): void {
  changeRcu(env, name, sleeps);
  changePreemption(env, name, sleeps);
  if (env.state.activeIrq !== 0 && sleeps) reject(env, "irq_sleeps", { name });
}

function changeRcu(env: Env, name: string, sleeps: boolean): void {
  const { state } = env;
  const opens = name === "bpf_rcu_read_lock";
  const closes = name === "bpf_rcu_read_unlock";
  if (state.rcu === 0) {
    if (closes) reject(env, "rcu_unmatched");
    if (opens) state.rcu = 1;
    return;
  }
  if (opens) reject(env, "rcu_nested");
  if (closes) {
    state.rcu = 0;
    leaveRcu(env);
  } else if (sleeps) reject(env, "rcu_sleeps", { name });
}

/** Pointers that were good in the section may still be read, but not passed on. */
function leaveRcu(env: Env): void {
  changeRegs(env.state, distrusted);
  const { state } = env;
  for (const { number, slots } of state.frames)
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i];
      if (slot === undefined || kindOf(slot, 0) !== BYTE.iterator) continue;
      changeSlot(ownSlots(ownFrame(state, number)), i, distrusted);
    }
}

function distrusted(reg: Reg): Reg {
  if ((reg.flags & FLAG.rcu) === 0) return reg;
  return change(reg, { flags: (reg.flags & ~(FLAG.rcu | FLAG.maybe_null)) | FLAG.untrusted });
}

function changePreemption(env: Env, name: string, sleeps: boolean): void {
  const { state } = env;
  if (name === "bpf_preempt_disable") state.preempt++;
  else if (name === "bpf_preempt_enable") {
    if (state.preempt === 0) reject(env, "preempt_unmatched");
    state.preempt--;
  } else if (state.preempt > 0 && sleeps) reject(env, "preempt_sleeps", { name });
}

/** bpf_throw: without an exception callback its argument is what the program returns. Nothing may be held. */
export function throwException(env: Env): void {
  const { subprograms } = env.program;
  if (!subprograms.some(({ exceptionCallback }) => exceptionCallback)) checkReturnValue(env, 1);
  checkNothingHeld(env, "throw");
  if (!env.state.speculative && env.profile.has("loop_components") && isInUnknownLoop(env)) {
    reject(env, "kernel_bug", { what: "an exception leaves a loop" });
  }
  env.thrown = true;
}
