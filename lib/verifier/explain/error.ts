/**
 * VerifierError: why a program is rejected, as a person wants to know it. Made of a walk of ours (explain/own.ts) or of a
 * kernel's log (explain/log.ts).
 */
import type { Place } from "../../diag/index.ts";
import type { ReasonCode } from "../reasons/index.ts";

export interface VerifierError {
  /** `R101`; `R000` for a kernel's words that no reason matches. */
  readonly code: string;
  /** The name of the reason, null for R000. */
  readonly name: ReasonCode | null;
  /** One sentence, with the names of the source. */
  readonly reason: string;
  readonly at: Place;
  /** Slot of the instruction, null for a rule about the whole program. */
  readonly slot: number | null;
  /** How the walk came there, oldest first: source lines with the values that matter. */
  readonly path: readonly PathStep[];
  readonly suggestion: string;
}

export interface PathStep {
  readonly at: Place;
  readonly slot: number;
  /** `n = 0 to 255`, `packet + 14 is within 34 proven bytes`, `taken: n > 3` ... */
  readonly note: string;
}
