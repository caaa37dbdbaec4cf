/** The registers that a root of the walk starts with. */
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { NONE, pointer } from "../state/index.ts";
import type { Reg } from "../state/index.ts";

const CONTEXT: Reg = pointer("ctx");
const FRAME_POINTER: Reg = pointer("stack");

/**
 * r0 to r10 of the first frame when a subprogram is walked as a root: the context for the main program, what the prototype
 * says for a global function.
 */
export function argumentsOf(env: Env, subprogram: number): Reg[] {
  const regs: Reg[] = Array.from({ length: 11 }, () => NONE);
  regs[10] = FRAME_POINTER;
  if (subprogram === 0 && env.request.type !== "ext") regs[1] = CONTEXT;
  else unsupported("global functions");
  return regs;
}
