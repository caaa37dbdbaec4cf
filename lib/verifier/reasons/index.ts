/**
 * Why a program is rejected: one row a reason, in tables by area. The row says the code (`R…`, stable), the sentence with
 * `{fact}` places, the remedy, and how kernels put it, so that a kernel's log becomes the same reason.
 */
import { FLOW_REASONS } from "./flow.ts";
import { REGISTER_REASONS } from "./registers.ts";
import { MEMORY_REASONS } from "./memory.ts";
import { CALL_REASONS } from "./calls.ts";
import { KFUNC_REASONS } from "./kfuncs.ts";
import { TYPE_REASONS } from "./types.ts";
import { SCOPE_REASONS } from "./scopes.ts";

export type { Reason } from "./reason.ts";

export const REASONS = {
  ...FLOW_REASONS,
  ...REGISTER_REASONS,
  ...MEMORY_REASONS,
  ...CALL_REASONS,
  ...KFUNC_REASONS,
  ...TYPE_REASONS,
  ...SCOPE_REASONS,
} as const;

/** The name of a reason, as code raises it: `uninitialised_register`. */
export type ReasonCode = keyof typeof REASONS;
