/** Registers as loads leave them, and pointers that lose their meaning. */
import { ZERO, smallConstant } from "../scalar/index.ts";
import type { Env } from "../env.ts";
import { changeRegs, scalar } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { goneReg } from "../step/index.ts";

/** The number 0, of which more is known than of what was loaded. Without CAP_BPF every number counts as precise. */
export function zeroNumber(env: Env): Reg {
  return scalar(ZERO, !env.privileges.bpf);
}

/** The number 0, which stands for a null pointer, too. */
export function isZero(reg: Reg): boolean {
  return reg.kind === "scalar" && smallConstant(reg.num) === 0;
}

/** Whether the stack may be read where nothing was written. */
export function readsUninitialised(env: Env): boolean {
  return env.privileges.perfmon && env.profile.has("uninitialised_stack");
}

/** Every register and spilled register of the path that `which` picks is a number of no known value from now on. */
export function invalidateRegs(env: Env, which: (reg: Reg) => boolean): void {
  const gone = goneReg(env);
  changeRegs(env.state, (reg) => (which(reg) ? gone : reg));
}
