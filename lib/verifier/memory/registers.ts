/** Registers as loads leave them, and pointers that lose their meaning. */
import { UNKNOWN, ZERO, smallConstant } from "../scalar/index.ts";
import type { Env } from "../env.ts";
import { BYTE, FLAG, NONE, kindOf, scalar } from "../state/index.ts";
import type { Reg } from "../state/index.ts";

/** Any number. Without CAP_BPF every number counts as precise. */
export function unknownNumber(env: Env): Reg {
  return scalar(UNKNOWN, !env.privileges.bpf);
}

export function zeroNumber(env: Env): Reg {
  return scalar(ZERO, !env.privileges.bpf);
}

/** The number 0, which stands for a null pointer, too. */
export function isZero(reg: Reg): boolean {
  return reg.kind === "scalar" && smallConstant(reg.num) === 0;
}

/** A pointer where pointers must not be seen. */
export function isSecret(env: Env, reg: Reg): boolean {
  return reg.kind !== "scalar" && !env.privileges.perfmon;
}

export function mayBeNull(reg: Reg): boolean {
  return (reg.flags & FLAG.maybe_null) !== 0;
}

/** Every register and spilled register of the path that `which` picks is a number of no known value from now on. */
export function invalidateRegs(env: Env, which: (reg: Reg) => boolean): void {
  const gone = env.privileges.perfmon ? unknownNumber(env) : NONE;
  for (const frame of env.state.frames) {
    frame.regs.forEach((reg, register) => {
      if (which(reg)) frame.regs[register] = gone;
    });
    frame.slots.forEach((slot, index) => {
      if (slot.reg !== null && kindOf(slot, 7) === BYTE.spill && which(slot.reg))
        frame.slots[index] = { bytes: slot.bytes, reg: gone };
    });
  }
}
