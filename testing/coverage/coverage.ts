/**
 * Coverage of the sources of kernel-side programs, from what the interpreter counts by instruction.
 *
 *   line        was an instruction of the line executed? A line without instructions (declarations, what was computed at build
 *               time or optimised away) does not count.
 *   branch      a condition in the source, by its place: two sides. A condition of an inlined function is in the object once
 *               for each call; its sides count wherever they were taken. Jumps that no condition in the source stands for are
 *               the compiler's and do not count, nor do conditions that it decided at build time.
 *   function    was a line of it executed?
 *
 * Two conditions can have one place: halves of a comparison, a range. Jumps that can be each other's negation (eq and ne,
 * gt and le) are one condition, others are apart. A `return` that several places share is one piece of code after
 * optimisation: it counts for the line that it is attributed to.
 */
import { link } from "../../lib/asm/index.ts";
import { slotsOf } from "../../lib/isa/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import type { ObjectSpec, SourceLine } from "../../lib/object/index.ts";
import type { ProgramCounts } from "../../lib/vm/index.ts";
import { readSyntax } from "./syntax.ts";
import type { Syntax } from "./syntax.ts";

export interface BranchCoverage {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** Tells conditions of one place apart: the relation that the jump is about. */
  readonly relation: string;
  /** How often the relation held, and how often it did not. */
  readonly counts: readonly [held: number, not: number];
}

export interface FunctionCoverage {
  readonly name: string;
  /** First and last line, 1-based. */
  readonly line: number;
  readonly endLine: number;
  readonly count: number;
}

export interface FileCoverage {
  /** As given by `readSources`. */
  readonly path: string;
  /** Count by line, 1-based: that of its most executed instruction. */
  readonly lines: ReadonlyMap<number, number>;
  readonly branches: readonly BranchCoverage[];
  readonly functions: readonly FunctionCoverage[];
}

/** The text of a file that an object names, and its path; null for files that are not there. */
export type ReadSource = (file: string) => { readonly path: string; readonly text: string } | null;

/** What is counted of a file before it is looked at as text. */
interface Tally {
  readonly lines: Map<number, number>;
  /** By place and relation. */
  readonly branches: Map<string, { line: number; column: number; relation: string; counts: [number, number] }>;
}

/** The relation that an operation of a conditional jump is about, and whether taking the jump means that it holds. */
// prettier-ignore
const RELATIONS: Readonly<Record<string, readonly [relation: string, holds: boolean]>> = {
  eq: ["equal", true],             ne: ["equal", false],
  gt: ["above", true],             le: ["above", false],
  lt: ["below", true],             ge: ["below", false],
  sgt: ["above, signed", true],    sle: ["above, signed", false],
  slt: ["below, signed", true],    sge: ["below, signed", false],
  set: ["common bits", true],
};

/** Coverage by file of what `countsOf` counted of the object's programs; null for a program that was never run. */
export function coverObject(
  object: ObjectSpec,
  countsOf: (program: string) => ProgramCounts | null,
  readSource: ReadSource,
): FileCoverage[] {
  const tallies = new Map<string, Tally>();
  for (const { name } of object.programs) tallyProgram(object, name, countsOf(name), tallies);
  return [...tallies].flatMap(([file, tally]) => {
    const source = readSource(file);
    return source === null ? [] : [describeFile(source.path, source.text, tally)];
  });
}

function tallyProgram(
  object: ObjectSpec,
  name: string,
  counts: ProgramCounts | null,
  tallies: Map<string, Tally>,
): void {
  const { insns, lines } = link(object, name);
  let slot = 0;
  let next = 0;
  let line: SourceLine | undefined;
  for (const insn of insns) {
    while ((lines[next]?.slot ?? Infinity) <= slot) line = lines[next++];
    if (line !== undefined && line.line > 0) {
      const tally = tallies.get(line.file) ?? { lines: new Map(), branches: new Map() };
      tallies.set(line.file, tally);
      tallyInsn(tally, line, insn, counts?.executed.get(slot) ?? 0, counts?.branches.get(slot));
    }
    slot += slotsOf(insn);
  }
}

function tallyInsn(
  { lines, branches }: Tally,
  { line, column }: SourceLine,
  insn: Insn,
  executed: number,
  went: { readonly taken: number; readonly notTaken: number } = { taken: 0, notTaken: 0 },
): void {
  lines.set(line, Math.max(lines.get(line) ?? 0, executed));
  const relation = insn.kind === "jump_if" ? RELATIONS[insn.op] : undefined;
  if (relation === undefined) return;
  const [name, holds] = relation;
  const key = `${line}:${column} ${name}`;
  const branch = branches.get(key) ?? { line, column, relation: name, counts: [0, 0] };
  branch.counts[0] += holds ? went.taken : went.notTaken;
  branch.counts[1] += holds ? went.notTaken : went.taken;
  branches.set(key, branch);
}

function describeFile(path: string, text: string, { lines, branches }: Tally): FileCoverage {
  const syntax = readSyntax(text);
  const starts = lineStarts(text);
  const offset = (line: number, column: number): number => (starts[line - 1] ?? 0) + column - 1;
  const written = [...branches.values()].filter(({ line, column }) => isCondition(syntax, offset(line, column)));
  return {
    path,
    lines: new Map([...lines].toSorted(([a], [b]) => a - b)),
    branches: written.toSorted((a, b) => a.line - b.line || a.column - b.column),
    functions: coverFunctions(syntax, starts, lines),
  };
}

function isCondition({ conditions }: Syntax, offset: number): boolean {
  return conditions.some(({ start, end }) => offset >= start && offset < end);
}

/** Functions with code in the object; what is in a nested one is that one's. */
function coverFunctions(
  { functions }: Syntax,
  starts: readonly number[],
  lines: ReadonlyMap<number, number>,
): FunctionCoverage[] {
  const lineOf = (offset: number): number => starts.findLastIndex((start) => start <= offset) + 1;
  const ranges = functions.map(({ name, declared, start, end }) => ({
    name,
    line: lineOf(declared),
    first: lineOf(start),
    endLine: lineOf(end - 1),
  }));
  return ranges.flatMap(({ name, line, first, endLine }) => {
    const inner = ranges.filter((r) => r.first > first && r.endLine < endLine);
    const own = [...lines].filter(
      ([at]) => at >= first && at <= endLine && !inner.some((r) => at >= r.first && at <= r.endLine),
    );
    return own.length === 0 ? [] : [{ name, line, endLine, count: Math.max(...own.map(([, count]) => count)) }];
  });
}

/** The offset of each line's start. */
function lineStarts(text: string): number[] {
  return [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)];
}

/** The sum of two runs' coverage; files that are only in one stay as they are. */
export function mergeCoverage(a: readonly FileCoverage[], b: readonly FileCoverage[]): FileCoverage[] {
  const merged = new Map(a.map((file) => [file.path, file]));
  for (const file of b) {
    const known = merged.get(file.path);
    merged.set(file.path, known === undefined ? file : mergeFile(known, file));
  }
  return [...merged.values()];
}

function mergeFile(a: FileCoverage, b: FileCoverage): FileCoverage {
  const lines = new Map(a.lines);
  for (const [line, count] of b.lines) lines.set(line, (lines.get(line) ?? 0) + count);
  const branches = mergeBy(
    [...a.branches, ...b.branches],
    ({ line, column, relation }) => `${line}:${column} ${relation}`,
    (x, y) => ({
      ...x,
      counts: [x.counts[0] + y.counts[0], x.counts[1] + y.counts[1]] as const,
    }),
  );
  const functions = mergeBy(
    [...a.functions, ...b.functions],
    ({ line, name }) => `${line} ${name}`,
    (x, y) => ({ ...x, count: x.count + y.count }),
  );
  return { path: a.path, lines: new Map([...lines].toSorted(([x], [y]) => x - y)), branches, functions };
}

function mergeBy<T>(items: readonly T[], keyOf: (item: T) => string, merge: (a: T, b: T) => T): T[] {
  const merged = new Map<string, T>();
  for (const item of items) {
    const known = merged.get(keyOf(item));
    merged.set(keyOf(item), known === undefined ? item : merge(known, item));
  }
  return [...merged.values()];
}

/** Hit and found, as coverage tools count them. */
export interface Share {
  readonly hit: number;
  readonly found: number;
}
export interface CoverageSummary {
  readonly lines: Share;
  /** Each side of a condition is one. */
  readonly branches: Share;
  readonly functions: Share;
  /** What is missing, `filter.ts:51:7: never not "above"`. */
  readonly missing: readonly string[];
}

export function summarise(files: readonly FileCoverage[]): CoverageSummary {
  const lines = files.flatMap(({ path, lines: all }) =>
    [...all].map(([line, count]) => ({ count, what: `${path}:${line}: never executed` })),
  );
  const branches = files.flatMap(({ path, branches: all }) =>
    all.flatMap(({ line, column, relation, counts }) => [
      { count: counts[0], what: `${path}:${line}:${column}: never ${relation}` },
      { count: counts[1], what: `${path}:${line}:${column}: always ${relation}` },
    ]),
  );
  const functions = files.flatMap(({ path, functions: all }) =>
    all.map(({ name, line, count }) => ({ count, what: `${path}:${line}: ${name} never called` })),
  );
  const share = (items: readonly { readonly count: number }[]): Share => ({
    hit: items.filter(({ count }) => count > 0).length,
    found: items.length,
  });
  const missing = [...lines, ...branches, ...functions].filter(({ count }) => count === 0).map(({ what }) => what);
  return { lines: share(lines), branches: share(branches), functions: share(functions), missing };
}
