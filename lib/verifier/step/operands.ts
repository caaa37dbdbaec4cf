/** What instructions name: registers to read and to write, and immediates as registers that hold them. */
import type { Operand, Size } from "../../isa/index.ts";
import type { Env } from "../env.ts";
import { frameOf, reject } from "../env.ts";
import { constant } from "../scalar/index.ts";
import type { Reg } from "../state/index.ts";
import { NONE, scalar, withPrecise } from "../state/index.ts";

/** The number of the register that an operand names, -1 for an immediate. */
export function sourceOf(operand: Operand): number {
  return "reg" in operand ? operand.reg : -1;
}

/** A register that is read: it must have a value. */
export function needValue(env: Env, register: number): Reg {
  const reg = frameOf(env).regs[register] as Reg;
  if (reg.kind === "none") reject(env, "uninitialised_register", { register });
  return reg;
}

/** A register that is written: not the frame pointer. */
export function needWritable(env: Env, register: number): void {
  if (register === 10) reject(env, "frame_pointer_write");
}

/** r0 to r5 lose their values. */
export function clearCallerSaved(env: Env): void {
  const { regs } = frameOf(env);
  for (let i = 0; i <= 5; i++) regs[i] = NONE;
}

/** Where pointers may not be seen as numbers: a register that holds a pointer. */
export function isHidden(env: Env, reg: Reg): boolean {
  return reg.kind !== "scalar" && !env.privileges.perfmon;
}

/** A number of which nothing is known. Without CAP_BPF every number is exact from the start: nothing walks backwards there. */
export function unknown(env: Env): Reg {
  return env.unknown;
}

/** The same as a load of `size` bytes leaves it, zero-extended. */
export function loaded(env: Env, size: Size): Reg {
  return env.loaded[size] as Reg;
}

/** Without CAP_BPF every number counts as precise: what loads and calls have left in registers, too. */
export function makePrecise(env: Env): void {
  const { regs } = frameOf(env);
  for (let i = 0; i < 10; i++) {
    const reg = regs[i] as Reg;
    if (reg.kind === "scalar" && !reg.precise) regs[i] = withPrecise(reg, true);
  }
}

/** The immediate of the current instruction as a register; made once, so that equal values are the same object. */
export function immediate(env: Env, imm: number): Reg {
  const known = env.immediates[env.slot];
  if (known !== undefined) return known;
  const reg = scalar(constant(imm), !env.privileges.bpf);
  env.immediates[env.slot] = reg;
  return reg;
}
