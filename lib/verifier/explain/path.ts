/** The path of an explanation: the steps that matter as source lines, with what is known there. */
import type { Place } from "../../diag/index.ts";
import type { SourceLine } from "../../object/index.ts";
import type { PathStep } from "./error.ts";
import type { Finding, Value } from "./finding.ts";
import { lineOfStep } from "./finding.ts";
import type { Origin } from "./lineage.ts";
import { variableOf } from "./names.ts";
import { calleeAt } from "./subject.ts";

/** Longer paths keep their beginning and their end. */
const LONGEST = 12;

export const NOWHERE: Place = { kind: "none" };

export function placeOf(line: SourceLine | null): Place {
  if (line === null) return NOWHERE;
  return { kind: "source", file: line.file, line: line.line, column: line.column, text: line.text };
}

/** How the value got to be what it is, oldest first. */
export function pathOfValue(finding: Finding, value: Value): PathStep[] {
  return shorten(value.lineage.map((origin) => stepOf(finding, origin.step, noteOf(finding, value, origin))));
}

/** What happened since a step: it, and the conditions that the path took after it. */
export function pathSince(finding: Finding, slot: number, note: string): PathStep[] {
  const { steps } = finding.trail;
  const from = steps.findLastIndex((step) => step.slot === slot);
  if (from < 0) return [];
  const path = [stepOf(finding, from, note)];
  for (let i = from + 1; i < steps.length - 1; i++) {
    const here = steps[i];
    if (here === undefined || finding.subject.insns[here.slot]?.kind !== "jump_if") continue;
    path.push(stepOf(finding, i, branchNote(finding, i)));
  }
  return shorten(path);
}

function stepOf(finding: Finding, step: number, note: string): PathStep {
  return { at: placeOf(lineOfStep(finding, step)), slot: finding.trail.steps[step]?.slot ?? 0, note };
}

function branchNote(finding: Finding, step: number): string {
  const next = lineOfStep(finding, step + 1);
  return next === null ? `goes on at slot ${finding.trail.steps[step + 1]?.slot}` : `goes on at line ${next.line}`;
}

function noteOf(finding: Finding, value: Value, { step, role, known }: Origin): string {
  const line = lineOfStep(finding, step);
  const name = (line === null ? null : variableOf(line.text)) ?? value.name ?? "the value";
  const callee = calleeAt(finding.subject, finding.trail.steps[step]?.slot ?? -1);
  switch (role) {
    case "made":
      return `${name} is ${known?.text ?? "set"}${callee === null ? "" : `, from ${callee}`}`;
    case "computed":
      return `${name} becomes ${known?.text ?? "something else"}`;
    case "checked":
      return known === null
        ? branchNote(finding, step)
        : `${value.name ?? "the value"} is ${known.text} here; ${branchNote(finding, step)}`;
    case "lost":
      return `${value.name ?? "the value"} is lost${callee === null ? "" : `: ${callee} is called`}`;
  }
}

/** One step a line and note, and not too many. */
function shorten(path: readonly PathStep[]): PathStep[] {
  const distinct = path.filter((step, i) => {
    const before = path[i - 1];
    return before === undefined || before.note !== step.note || lineOf(before) !== lineOf(step);
  });
  if (distinct.length <= LONGEST) return distinct;
  return [...distinct.slice(0, LONGEST / 2), ...distinct.slice(-LONGEST / 2)];
}

function lineOf({ at }: PathStep): string {
  return at.kind === "source" ? `${at.file}:${at.line}` : "";
}
