import type { LoadRequest } from "../../lib/verifier/index.ts";

export interface KernelAnswer {
  readonly verdict: "accept" | "reject";
  readonly errno: string | null;
  readonly message: string | null;
  /** Without statistics. */
  readonly log: string;
  readonly processed: number;
  readonly totalStates: number;
  readonly peakStates: number;
  readonly stackDepth: readonly number[];
  readonly microseconds: number;
}

export class KernelVerifier {
  load(request: LoadRequest, level?: number): KernelAnswer;
  close(): void;
}
