/** Calls of helpers. OWNER: calls. */
import type { Env } from "../env.ts";

/** The call instruction at `env.slot`: availability, arguments, effects, result in r0. Callbacks: see step/callbacks. */
export declare function callHelper(env: Env, id: number): void;
