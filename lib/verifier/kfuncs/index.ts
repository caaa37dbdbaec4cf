/** Calls of kernel functions. OWNER: scalar, then kfuncs. */
import type { Env } from "../env.ts";

/** The call instruction at `env.slot` of the kernel's function with BTF id `type`. */
export declare function callKfunc(env: Env, type: number, off: number): void;
