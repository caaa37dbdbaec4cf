/**
 * What an author has to do at this place: the remedy of a reason's row made particular, with the names and lines of the source.
 * A function gives null where it knows nothing better than the row.
 */
import { CONTEXT_FIELDS, TABLED_TYPES, contextAccess, HELPER_NAMES, mayCall, verdictsOf } from "../../kernel/index.ts";
import type { AnyHelperName, ProgramType } from "../../kernel/index.ts";
import type { ReasonCode } from "../reasons/index.ts";
import type { Finding, Value } from "./finding.ts";
import { lineOfStep, valueIn } from "./finding.ts";
import type { Origin } from "./lineage.ts";
import { RELEASES, movesPacket, takesPointers } from "./losses.ts";
import { calleeAt, lineAt } from "./subject.ts";
import { startOf } from "./trail.ts";
import { variableOf } from "./names.ts";

/** `value`: what the finding is about, where it is about a register. */
type Remedy = (finding: Finding, value: Value | null) => string | null;

/** The remedy for a finding, or null for the row's own. */
export function remedyFor(finding: Finding, value: Value | null): string | null {
  return REMEDIES[finding.reason]?.(finding, value) ?? null;
}

const quote = (code: string): string => `\`${code}\``;

/** ` at line 12`; empty where the line is not known. */
function atLine(finding: Finding, step: number | undefined): string {
  const line = step === undefined ? null : lineOfStep(finding, step);
  return line === null ? "" : ` at line ${line.line}`;
}

/** The step that the value comes from. */
function maker(value: Value): Origin | undefined {
  return value.lineage.findLast(({ role }) => role === "made") ?? value.lineage[0];
}

function calleeOf({ subject, trail }: Finding, step: number): string | null {
  const slot = trail.steps[step]?.slot;
  return slot === undefined ? null : calleeAt(subject, slot);
}

const MAKERS: Readonly<Record<string, string>> = {
  map_lookup_elem: "get()",
  ringbuf_reserve: "reserve()",
  sk_lookup_tcp: "lookupTcp()",
  sk_lookup_udp: "lookupUdp()",
  bpf_cgroup_from_id: "cgroupOf()",
  bpf_cgroup_ancestor: "ancestor()",
  bpf_task_from_pid: "taskOf()",
};

function checkForNull(finding: Finding, value: Value | null): string | null {
  if (value === null) return null;
  const made = maker(value);
  const callee = made === undefined ? null : calleeOf(finding, made.step);
  const source = callee === null ? "it" : `what ${MAKERS[callee] ?? callee} gives${atLine(finding, made?.step)}`;
  if (value.name === null) return `compare ${source} with null before it is used`;
  const origin = callee === null ? "" : ` (${source})`;
  return `test it first: ${quote(`if (!${value.name}) return ...;`)}; ${value.name}${origin} may be null`;
}

/** A pointer became a number (or nothing) on the way here. */
function lostOnTheWay(finding: Finding, value: Value | null): string | null {
  const taker = value === null ? null : takerOf(finding, value);
  const callee = taker === null ? null : calleeOf(finding, taker);
  if (value === null || taker === null || callee === null) return null;
  const name = value.name ?? "the pointer";
  const where = atLine(finding, taker);
  if (RELEASES.has(callee)) {
    const again = finding.slot !== null && RELEASES.has(calleeAt(finding.subject, finding.slot) ?? "");
    if (again) return `${name} was given back already${where}: give it back once on each path`;
    return `${name} was given back${where}: use it before that, and not after`;
  }
  if (movesPacket(callee)) {
    return `${callee}${where} may move the packet: take ${name} again with at<T>() after it`;
  }
  return `the call of ${callee}${where} clobbers it: give ${name} its value after the call`;
}

/**
 * The call that took the value. A log does not show what a call took before the value is used: then it is the last call since
 * the value was a pointer that may have.
 */
function takerOf(finding: Finding, value: Value): number | null {
  const lost = value.lineage.findLast(({ role }) => role === "lost");
  if (lost !== undefined) return lost.step;
  if (value.known === null || value.known.kind === "scalar" || value.known.kind === "none") return null;
  const from = maker(value)?.step ?? 0;
  for (let i = finding.trail.steps.length - 2; i > from; i--) {
    const callee = calleeOf(finding, i);
    if (callee !== null && takesPointers(callee)) return i;
  }
  return null;
}

/** The number that moves a pointer, with what is known of it. */
function indexOf(finding: Finding, value: Value): Value | null {
  const { subject, trail } = finding;
  const moved = value.lineage.findLast(({ step, role }) => {
    const insn = subject.insns[trail.steps[step]?.slot ?? -1];
    return role === "computed" && insn?.kind === "alu" && insn.op === "add" && "reg" in insn.src;
  });
  if (moved === undefined) return null;
  const insn = subject.insns[trail.steps[moved.step]?.slot ?? -1];
  if (insn?.kind !== "alu" || !("reg" in insn.src)) return null;
  const before = startOf(trail, moved.step + 1);
  const candidates = [insn.src.reg, insn.dst].map((register) => valueIn({ ...finding, trail: before }, register));
  return candidates.find(({ known }) => known?.kind === "scalar") ?? null;
}

function checkTheIndex(finding: Finding, value: Value | null): string | null {
  if (value === null) return null;
  const { facts } = finding;
  const limit = facts["limit"] === undefined ? null : Number(facts["limit"]);
  const size = facts["size"] === undefined ? 1 : Number(facts["size"]);
  const index = indexOf(finding, value);
  if (index === null) {
    const isCall = finding.slot !== null && finding.subject.insns[finding.slot]?.kind === "call";
    if (isCall && facts["size"] !== undefined) {
      return `pass an object that has ${size} bytes, or as size what it has: ${quote("sizeof<T>()")}`;
    }
    if (limit === null) return null;
    return `stay within its ${limit} bytes: an access of ${size} bytes may start at offset ${Math.max(limit - size, 0)} at most`;
  }
  const name = index.name ?? "index";
  const known = index.known === null ? "" : `, which is ${index.known.text} here`;
  const bound = limit === null ? "the number of elements" : size <= 1 ? `${limit}` : `${limit} / ${size}`;
  return `check ${index.name ?? "the index"}${known}, right before it is used: ${quote(`if (${name} >= ${bound}) return ...;`)}, with an unsigned type (u32)`;
}

function checkTheSize(finding: Finding, value: Value | null): string | null {
  if (value?.name === null || value === null) return null;
  const known = value.known === null ? "" : `, which is ${value.known.text} here`;
  if (finding.reason === "zero_sized")
    return `make sure that ${value.name}${known} is not 0: ${quote(`if (${value.name} == 0) return ...;`)}`;
  return `check ${value.name}${known}, before the call: ${quote(`if (${value.name} > sizeof<T>()) return ...;`)}, with an unsigned type (u32)`;
}

/** How what a function acquired is given back. */
function giveBack(callee: string | null, name: string): string {
  if (callee === "ringbuf_reserve") return `submit(${name}) or discard(${name}) of the ring buffer`;
  return `${name}.release()`;
}

function releaseIt(finding: Finding): string | null {
  const slot = Number(finding.facts["where"]);
  if (!Number.isInteger(slot)) return null;
  const line = lineAt(finding.subject.lines, slot);
  if (line === null) return null;
  const callee = calleeAt(finding.subject, slot);
  const name = variableOf(line.text) ?? "it";
  const call = giveBack(callee, name);
  return `call ${call} on every path from line ${line.line} on, before the program ends`;
}

function nameTheVerdicts({ subject, facts }: Finding): string | null {
  if (facts["what"] === "the callback")
    return "return Loop.Continue (0) or Loop.Break (1), on every path of the callback";
  const wanted = String(facts["wanted"]);
  const [, least = wanted, most = least] = /^(-?\d+) to (-?\d+)$/.exec(wanted) ?? [];
  const verdicts = Object.entries(verdictsOf(subject.type, subject.attach)).filter(
    ([value]) => Number(value) >= Number(least) && Number(value) <= Number(most),
  );
  if (verdicts.length === 0) return `return ${wanted} on every path: what this hook allows`;
  return `return ${verdicts.map(([value, { name }]) => `${value} (${name})`).join(" or ")}, on every path`;
}

function isHelper(name: string): name is AnyHelperName {
  return (HELPER_NAMES as readonly string[]).includes(name);
}

function nameTheHooks({ facts, subject }: Finding): string | null {
  const name = String(facts["helper"]).replace(/^bpf_/, "");
  if (!isHelper(name)) return null;
  const types = TABLED_TYPES.filter((type: ProgramType) => mayCall(name, type, null));
  if (types.length === 0) return null;
  return `call ${name} in a program of a type that may: ${types.join(", ")}; ${subject.type} may not`;
}

function nameTheField({ facts, subject, slot }: Finding): string | null {
  const offset = Number(facts["offset"]);
  const access = contextAccess(subject.type, subject.attach);
  if (access === null) return null;
  const field = CONTEXT_FIELDS[access.context].find((f) => offset >= f.offset && offset < f.offset + f.size);
  if (field === undefined) return `there is no field at offset ${offset} of ${access.context}`;
  const isStore = slot !== null && subject.insns[slot]?.kind !== "load";
  const allowed = isStore ? access.stores : access.loads;
  if (allowed.some(({ name }) => name === field.name))
    return `access the whole field ${field.name} at once (offset ${field.offset})`;
  const list = allowed.map(({ name }) => name).join(", ");
  return `${field.name} cannot be ${isStore ? "written" : "read"} at this hook; ${list === "" ? "nothing can" : `these can: ${list}`}`;
}

// prettier-ignore
const REMEDIES: Partial<Record<ReasonCode, Remedy>> = {
  null_access: checkForNull,
  null_arithmetic: checkForNull,
  argument_may_be_null: checkForNull,
  kfunc_null_argument: checkForNull,
  number_access: lostOnTheWay,
  uninitialised_register: lostOnTheWay,
  argument_type: lostOnTheWay,
  argument_not_released: lostOnTheWay,
  kfunc_release: lostOnTheWay,
  kfunc_argument_type: lostOnTheWay,
  out_of_map_value: checkTheIndex,
  out_of_region: checkTheIndex,
  out_of_bounds: checkTheIndex,
  out_of_stack: checkTheIndex,
  unbounded_access: checkTheIndex,
  negative_offset: checkTheIndex,
  offset_unbounded: checkTheIndex,
  stack_variable: checkTheIndex,
  zero_sized: checkTheSize,
  negative_size: checkTheSize,
  unbounded_size: checkTheSize,
  reference_leak: releaseIt,
  return_range: nameTheVerdicts,
  helper_not_here: nameTheHooks,
  context_access: nameTheField,
};
