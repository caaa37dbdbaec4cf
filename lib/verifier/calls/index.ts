/** Calls of helpers. OWNER: calls. */
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";

/** The call instruction at `env.slot`: availability, arguments, effects, result in r0. Callbacks: see step/callbacks. */
export function callHelper(_env: Env, id: number): void {
  unsupported(`helper ${id}`);
}
