/** A kernel's log -> VerifierError: the same that a walk of ours gives, as far as the log tells. */
import type { Place } from "../../diag/index.ts";
import { UNKNOWN_REASON, reasonOfLine } from "../reasons/index.ts";
import { KFUNC_REASONS } from "../reasons/kfuncs.ts";
import type { ReasonCode } from "../reasons/index.ts";
import type { Facts } from "../outcome.ts";
import type { PathStep, VerifierError } from "./error.ts";
import { explain } from "./explain.ts";
import type { KernelLog } from "./log.ts";
import { readLog } from "./log.ts";
import { NOWHERE, placeOf } from "./path.ts";
import type { ReportPlace } from "./report.ts";
import type { Subject } from "./subject.ts";
import { lineAt } from "./subject.ts";
import type { Trail } from "./trail.ts";

/** As a kernel told it. */
export interface ToldError extends VerifierError {
  /** The kernel's own words for the cause; empty where the log says nothing. */
  readonly words: string;
}

/**
 * What a kernel's log says about the program that was refused.
 * @param log - at level 1 or 2; any text
 * @param otherwise - the reason to give where the log has none: what the system call failed with
 */
export function explainLog(subject: Subject, log: string, otherwise: string): ToldError {
  const read = readLog(log);
  return { ...explainRead(subject, read, otherwise), words: read.cause.join("; ") };
}

function explainRead(subject: Subject, read: KernelLog, otherwise: string): VerifierError {
  const known = reasonOf(read);
  const slot = slotOf(subject, read, known?.reason ?? null);
  if (known === null) return inItsOwnWords(subject, read, slot, otherwise);
  const { trail } = read;
  const error = explain({
    subject,
    reason: known.reason,
    facts: known.facts,
    slot,
    trail,
    visits: visitsOf(subject, trail),
  });
  return {
    ...error,
    at: error.at.kind === "none" ? placeInLog(read) : error.at,
    path: error.path.length === 0 ? reportedPath(read) : error.path,
  };
}

/** Some rejections before the walk do not name the instruction, but there is one that it must be. */
function slotOf({ insns }: Subject, read: KernelLog, reason: ReasonCode | null): number | null {
  if (reason === "no_exit") return insns.length - 1;
  if (reason !== "kfunc_needs_gpl") return read.slot;
  const first = insns.findIndex((insn) => insn?.kind === "call" && insn.target.kind === "kfunc");
  return first < 0 ? read.slot : first;
}

/** How often the path went through each slot. */
function visitsOf(subject: Subject, trail: Trail): Uint32Array {
  const visits = new Uint32Array(subject.insns.length);
  for (const { slot } of trail.steps) if (slot < visits.length) (visits[slot] as number)++;
  return visits;
}

/** Said of a main function whose context is of no known type, too, and then no cause unless nothing else is said. */
const NOTE = /^arg#\d+ reference type/;
const BAD_CALL = /^Caller passes invalid args/;

/** The reason of the first line that is one; the lines after it add facts. */
function reasonOf({ cause, report }: KernelLog): { reason: ReasonCode; facts: Facts } | null {
  const lines = report === null ? cause : [...cause, `Verification failed: ${report.problem}: ${report.reason}`];
  let reason: ReasonCode | null = null;
  let facts: Facts = {};
  const isNote = (line: string, index: number): boolean => NOTE.test(line) && !BAD_CALL.test(lines[index + 1] ?? "");
  for (const line of [...lines.filter((one, i) => !isNote(one, i)), ...lines.filter(isNote)]) {
    // some errors of the checks before the walk start with the instruction's number
    const found = reasonOfLine(line) ?? reasonOfLine(line.replace(/^\d+: /, ""));
    if (found === null) continue;
    reason ??= found.name;
    facts = { ...found.facts, ...facts };
  }
  return reason === null ? null : { reason, facts: inOurWay(reason, facts) };
}

/** Facts as a walk of ours gives them. */
function inOurWay(reason: ReasonCode, facts: Facts): Facts {
  if (reason === "return_range") return rangeInWords(facts);
  // arguments of kernel functions and global functions are counted from 0; ours are in r1 and up
  const isCountedFromZero = reason in KFUNC_REASONS || reason === "global_argument";
  const { argument } = facts;
  return isCountedFromZero && argument !== undefined ? { ...facts, argument: Number(argument) + 1 } : facts;
}

/** `smin=2 smax=2` and `[0, 1]` as a walk says it: `2`, `0 to 1`. */
function rangeInWords(facts: Facts): Facts {
  const range = (min: string | undefined, max: string | undefined, words: string): string => {
    if (min === undefined && max === undefined) return words;
    if (min === max) return String(min);
    return max === undefined ? `${min} or more` : min === undefined ? `${max} or less` : `${min} to ${max}`;
  };
  const found = String(facts["found"]);
  const wanted = String(facts["wanted"]);
  const bounds = /^[[(](\S+?)[,;] (\S+?)[\])]$/.exec(wanted);
  const value = /^value \((0x[0-9a-f]+); 0x0\)$/.exec(found)?.[1];
  return {
    ...facts,
    what: /callback/.test(String(facts["what"])) ? "the callback" : "the program",
    found:
      value === undefined
        ? range(/smin=(-?\d+)/.exec(found)?.[1], /smax=(-?\d+)/.exec(found)?.[1], "any number")
        : String(Number(value)),
    wanted: range(bounds?.[1], bounds?.[2], wanted),
  };
}

function inItsOwnWords(subject: Subject, read: KernelLog, slot: number | null, otherwise: string): VerifierError {
  const { report, cause } = read;
  const line = slot === null ? null : lineAt(subject.lines, slot);
  return {
    code: UNKNOWN_REASON,
    name: null,
    reason: report?.reason || cause.join("; ") || otherwise,
    at: line === null ? placeInLog(read) : placeOf(line),
    slot,
    path: reportedPath(read),
    suggestion:
      report?.suggestion || "look the kernel's words up in its verifier; the log has the path that leads there",
  };
}

/** Where the log itself names a file. */
function placeInLog({ source, report }: KernelLog): Place {
  if (report?.place?.file) return placeOfReport(report.place);
  if (source?.file) return { kind: "source", file: source.file, line: source.line, column: 1, text: source.text };
  return NOWHERE;
}

function reportedPath({ report }: KernelLog): PathStep[] {
  return (report?.path ?? []).map((place) => ({ at: placeOfReport(place), slot: place.slot ?? 0, note: place.note }));
}

function placeOfReport({ file, line, column }: ReportPlace): Place {
  return file === null ? NOWHERE : { kind: "source", file, line, column };
}
