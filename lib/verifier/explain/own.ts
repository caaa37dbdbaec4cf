/** A walk of ours that ended with a rejection -> VerifierError. */
import type { Rejection } from "../outcome.ts";
import type { LoadRequest } from "../request.ts";
import type { Insn } from "../../isa/index.ts";
import type { VerifierError } from "./error.ts";
import { explain } from "./explain.ts";
import { subjectOfRequest } from "./subject.ts";
import type { Trail } from "./trail.ts";
import { NO_TRAIL } from "./trail.ts";

/**
 * @param insns - the program's by slot; empty where it was rejected before it was decoded
 * @param trail - the path that failed, where the walk had begun
 */
export function explainRejection(
  { code, slot, facts }: Rejection,
  request: LoadRequest,
  insns: readonly (Insn | null)[],
  trail: Trail = NO_TRAIL,
): VerifierError {
  return explain({ subject: subjectOfRequest(request, insns), reason: code, facts, slot, trail });
}
