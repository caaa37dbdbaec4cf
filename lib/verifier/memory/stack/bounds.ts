/** Whether a stack access is within the stack. What it touches is there afterwards. */
import { smallConstant } from "../../scalar/index.ts";
import { reject } from "../../env.ts";
import type { Env } from "../../env.ts";
import type { Frame, Reg } from "../../state/index.ts";
import { VARIABLE_LIMIT } from "../bounds.ts";
import { readsUninitialised } from "../registers.ts";
import { frameOfPointer, growStack } from "./slots.ts";

/** Least and greatest offset from the frame pointer that `off` from a pointer may be. */
export function stackRange(reg: Reg, off: number): readonly [least: number, greatest: number] {
  return [leastOffset(reg, off), greatestOffset(reg, off)];
}

export function leastOffset({ num }: Reg, off: number): number {
  return (smallConstant(num) ?? num.sminRounded) + off;
}

function greatestOffset({ num }: Reg, off: number): number {
  return (smallConstant(num) ?? num.smaxRounded) + off;
}

/** `off` includes the pointer's own constant. */
export function checkStackBounds(
  env: Env,
  register: number,
  reg: Reg,
  off: number,
  size: number,
  access: "read" | "write",
): void {
  const frame = frameOfPointer(env, reg);
  const least = leastOffset(reg, off);
  const greatest = greatestOffset(reg, off);
  if (!reg.num.isConst && (greatest - off >= VARIABLE_LIMIT || least - off <= -VARIABLE_LIMIT))
    reject(env, "stack_variable", { register });
  const { stackBytes } = env.profile.limits;
  if (least < -stackBytes || least > -1 || greatest + size > 0 || (access === "read" && isUntouched(env, frame, least)))
    reject(env, reg.num.isConst ? "out_of_stack" : "stack_variable", { register, offset: least, size });
  growStack(env, frame, -least);
}

/** What was never written may only be read with CAP_PERFMON: else there is nothing to see below what was touched. */
export function isUntouched(env: Env, frame: Frame, off: number): boolean {
  return off < -frame.slots.length * 8 && !(readsUninitialised(env) && env.profile.has("untouched_stack"));
}
