/** A finding in words: the one place that makes VerifierErrors of reasons. */
import { REASONS, fillSentence } from "../reasons/index.ts";
import type { ReasonCode } from "../reasons/index.ts";
import type { VerifierError } from "./error.ts";
import type { Finding, Value } from "./finding.ts";
import { registerOf, valueIn } from "./finding.ts";
import { knownOfWords } from "./known.ts";
import { endlessLoop, longestLoop } from "./loops.ts";
import { pathOfValue, pathSince, placeOf } from "./path.ts";
import { remedyFor } from "./remedies.ts";
import { lineAt } from "./subject.ts";

export function explain(finding: Finding): VerifierError {
  const { subject, reason, facts, slot, trail } = finding;
  const row = REASONS[reason];
  const register = registerOf(finding);
  const value = register === null || trail.steps.length === 0 ? null : valueIn(finding, register);
  const place = slotToBlame(finding, value);
  const named = { ...facts, ...namesOf(finding, value) };
  return {
    code: row.code,
    name: reason,
    reason: fillSentence(row.says, named),
    at: placeOf(place === null ? null : lineAt(subject.lines, place)),
    slot,
    path: pathOf(finding, value),
    suggestion: remedyFor(finding, value) ?? fillSentence(row.remedy, named),
  };
}

/** The slot whose line has to change: mostly that of the instruction that breaks the rule. */
function slotToBlame(finding: Finding, value: Value | null): number | null {
  const { subject, reason, facts, slot, trail } = finding;
  // the program may end at many places, and ends share their code: what was acquired is at one
  if (reason === "reference_leak" && facts["where"] !== undefined) return Number(facts["where"]);
  // ditto: the value that is returned was made at one
  if (reason === "return_range" || reason === "return_not_number") {
    const made = value?.lineage.findLast(({ role }) => role === "made" || role === "computed");
    return (made === undefined ? lastResult(finding) : trail.steps[made.step]?.slot) ?? slot;
  }
  if (reason === "too_many_steps" || reason === "too_many_jumps") return longestLoop(subject, finding.visits) ?? slot;
  if (reason === "infinite_loop" && slot !== null) return endlessLoop(subject, trail, slot) ?? slot;
  return slot;
}

/** Where r0 got the value that is returned. */
function lastResult({ subject, trail }: Finding): number | undefined {
  const frame = trail.steps.at(-1)?.frame;
  const step = trail.steps.findLast(({ slot, frame: here }) => {
    const insn = subject.insns[slot];
    return here === frame && insn !== null && insn !== undefined && "dst" in insn && insn.dst === 0;
  });
  return step?.slot;
}

/** Kernels' words for what a program was about to do. */
const ENDS: readonly (readonly [RegExp, string])[] = [
  [/^BPF_EXIT instruction in callback/, "the callback returns"],
  [/^BPF_EXIT/, "the program ends"],
  [/^tail_call/, "another program is tail-called"],
  [/^BPF_LD_/, "the packet is read by an instruction of the old kind, which may end the program"],
  [/^bpf_throw/, "an exception is thrown"],
];

/** Facts with the author's names and in words instead of the kernel's. */
function namesOf({ subject, reason, facts }: Finding, value: Value | null): Record<string, string> {
  const named: Record<string, string> = {};
  if (value?.name !== null && value !== null && facts["register"] !== undefined) named["register"] = value.name;
  for (const fact of ["kind", "found"]) {
    const words = facts[fact];
    if (typeof words !== "string" || reason === "return_range" || reason === "kptr_type") continue;
    const known = /^[a-z_]+$/.test(words) ? knownOfWords(words) : null;
    if (known === null || known.kind === "none") continue;
    // the path may know more of the same value, as the name of its map
    const isSame = value?.known?.kind === known.kind && value.known.maybeNull === known.maybeNull;
    named[fact] = isSame ? value.known.text : known.text;
  }
  const what = facts["what"];
  const end = typeof what === "string" && SCOPES.has(reason) ? ENDS.find(([words]) => words.test(what)) : undefined;
  if (end !== undefined) named["what"] = end[1];
  if (what === undefined && SCOPES.has(reason)) named["what"] = "the program ends";
  if (reason === "reference_leak" && facts["where"] !== undefined) {
    const line = lineAt(subject.lines, Number(facts["where"]));
    named["where"] = line === null ? `slot ${facts["where"]}` : `line ${line.line}`;
  }
  return named;
}

/** Reasons about a scope: the path since it was entered matters. */
const SCOPES: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "reference_leak",
  "lock_held",
  "rcu_held",
  "preempt_held",
  "irq_held",
]);

function pathOf(finding: Finding, value: Value | null): VerifierError["path"] {
  const { reason, facts } = finding;
  if (SCOPES.has(reason)) {
    return facts["where"] === undefined ? [] : pathSince(finding, Number(facts["where"]), "acquired here");
  }
  return value === null ? [] : pathOfValue(finding, value);
}
