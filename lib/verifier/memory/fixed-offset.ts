/** Pointers that may only be used as they were given: without a variable part, and mostly without a constant one. */
import { smallConstant } from "../scalar/index.ts";
import { reject } from "../env.ts";
import type { Env } from "../env.ts";
import type { Reg } from "../state/index.ts";
import { describe } from "./describe.ts";

/** A pointer without a variable part and (unless `offAllowed`) without an offset. */
export function checkFixedOffset(env: Env, reg: Reg, register: number, offAllowed: boolean): void {
  if (reg.off < 0 || (!offAllowed && reg.off !== 0))
    reject(env, "modified_pointer", { register, kind: describe(reg), offset: reg.off });
  if (smallConstant(reg.num) !== 0) reject(env, "variable_pointer", { register, kind: describe(reg) });
}
