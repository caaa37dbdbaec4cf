/** Calls of kernel functions. OWNER: scalar, then kfuncs. */
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";

/** The call instruction at `env.slot` of the kernel's function with BTF id `type`. */
export function callKfunc(_env: Env, type: number, _off: number): void {
  unsupported(`kernel function ${type}`);
}
