/**
 * The whole of it: make the program ready (program/analyse), walk it (step/walk) for each root, count, explain.
 */
import type { LoadRequest } from "./request.ts";
import type { KernelProfile } from "./profiles/index.ts";
import type { Privileges } from "./privileges.ts";
import type { Verification } from "./result.ts";
import type { WalkLog } from "./log.ts";

export interface VerifyOptions {
  readonly kernel: KernelProfile;
  readonly privileges?: Privileges;
  readonly strictAlignment?: boolean;
  readonly log?: WalkLog;
}

/** The kernel's answer, before the kernel is asked. Never throws for any program. */
export function verify(_request: LoadRequest, _options: VerifyOptions): Verification {
  return {
    verdict: "unsupported",
    error: null,
    unsupported: "everything: the walk is not built yet",
    statistics: {
      processed: 0,
      totalStates: 0,
      peakStates: 0,
      maxStatesPerInsn: 0,
      stackDepth: [],
      visits: new Uint32Array(0),
    },
  };
}
