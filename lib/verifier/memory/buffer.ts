/** Buffers whose size only the attachment knows: any constant offset that is not negative. */
import { smallConstant } from "../scalar/index.ts";
import { reject } from "../env.ts";
import type { Env } from "../env.ts";
import type { Reg } from "../state/index.ts";

/** `off` includes the pointer's own constant. */
export function checkBuffer(env: Env, register: number, reg: Reg, off: number, size: number): void {
  if (off < 0) reject(env, "out_of_buffer", { register, offset: off, size });
  if (smallConstant(reg.num) !== 0) reject(env, "out_of_buffer", { register });
}
