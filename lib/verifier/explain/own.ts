/** A walk of ours that ended with a rejection -> VerifierError. */
import type { Insn } from "../../isa/index.ts";
import type { Facts, Rejection } from "../outcome.ts";
import type { LoadRequest } from "../request.ts";
import type { VerifierError } from "./error.ts";
import { explain } from "./explain.ts";
import type { Subject } from "./subject.ts";
import { subjectOfRequest } from "./subject.ts";
import type { Trail } from "./trail.ts";
import { NO_TRAIL } from "./trail.ts";

/** How far a walk came. */
export interface Walked {
  /** By slot. */
  readonly insns: readonly (Insn | null)[];
  /** The path that failed. */
  readonly trail: Trail;
  /** How often each slot was walked. */
  readonly visits: Uint32Array;
}

/** @param walked - null where the program was rejected before the walk */
export function explainRejection(rejection: Rejection, request: LoadRequest, walked: Walked | null): VerifierError {
  const { code, slot } = rejection;
  const subject = subjectOfRequest(request, walked?.insns ?? []);
  const { trail, visits } = walked ?? { trail: NO_TRAIL, visits: new Uint32Array(0) };
  return explain({ subject, reason: code, facts: countedFromOne(rejection, subject), slot, trail, visits });
}

/** Arguments of kernel functions are counted from 0 in the kernel's way; here as the registers they are in. */
function countedFromOne({ slot, facts }: Rejection, { insns }: Subject): Facts {
  const insn = slot === null ? null : insns[slot];
  const { argument } = facts;
  const isKfunc = insn?.kind === "call" && insn.target.kind === "kfunc";
  return isKfunc && typeof argument === "number" ? { ...facts, argument: argument + 1 } : facts;
}
