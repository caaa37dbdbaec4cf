/** What is found out about a rejection before it is put into words: from a walk of ours or from a kernel's log. */
import type { SourceLine } from "../../object/index.ts";
import type { Facts } from "../outcome.ts";
import type { ReasonCode } from "../reasons/index.ts";
import type { Known } from "./known.ts";
import type { Origin } from "./lineage.ts";
import { lineageOf } from "./lineage.ts";
import { nameOf } from "./names.ts";
import type { Subject } from "./subject.ts";
import { lineAt } from "./subject.ts";
import type { Trail } from "./trail.ts";

export interface Finding {
  readonly subject: Subject;
  readonly reason: ReasonCode;
  readonly facts: Facts;
  /** The instruction that breaks the rule, null for a rule about the whole program. */
  readonly slot: number | null;
  readonly trail: Trail;
  /** How often each slot was walked, as far as that is known. */
  readonly visits: Uint32Array;
}

/** The value that a finding is about: where it comes from, what the author calls it, what is known of it. */
export interface Value {
  readonly register: number;
  readonly lineage: readonly Origin[];
  readonly name: string | null;
  readonly known: Known | null;
}

/** The value in a register before the instruction that breaks the rule. */
export function valueIn({ subject, trail }: Finding, register: number): Value {
  const lineage = lineageOf(subject, trail, register);
  const known = trail.before(trail.steps.length - 1, register);
  return { register, lineage, name: nameOf(subject, trail, lineage, known), known };
}

/** The register that the finding is about: the one that the facts name, or the instruction's address or result. */
export function registerOf({ subject, facts, slot }: Finding): number | null {
  for (const fact of [facts["register"], facts["argument"]]) {
    const register = Number(fact);
    if (fact !== undefined && Number.isInteger(register) && register >= 0 && register <= 10) return register;
  }
  const insn = slot === null ? null : subject.insns[slot];
  switch (insn?.kind) {
    case "load":
    case "store":
    case "atomic":
    case "load_acquire":
    case "store_release":
      return insn.base;
    case "exit":
      return 0;
    case "alu":
      return insn.dst;
    default:
      return null;
  }
}

/** Source line of a step of the trail. */
export function lineOfStep({ subject, trail }: Finding, step: number): SourceLine | null {
  const slot = trail.steps[step]?.slot;
  return slot === undefined ? null : lineAt(subject.lines, slot);
}
