/** What a verification gives. */
import type { VerifierError } from "./explain/error.ts";

export interface Verification {
  /** unsupported: the model does not know something that the program uses; never an "accept" in disguise. */
  readonly verdict: "accept" | "reject" | "unsupported";
  /** Why it is rejected; null otherwise. */
  readonly error: VerifierError | null;
  /** What the model does not know; null otherwise. */
  readonly unsupported: string | null;
  readonly statistics: Statistics;
}

/** As far as the walk came. Counted as the kernel counts. */
export interface Statistics {
  readonly processed: number;
  readonly totalStates: number;
  readonly peakStates: number;
  readonly maxStatesPerInsn: number;
  /** Bytes, by subprogram. */
  readonly stackDepth: readonly number[];
  /** How often each slot was walked. */
  readonly visits: Uint32Array;
}
