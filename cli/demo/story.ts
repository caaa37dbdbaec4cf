/**
 * How the demo tells what it does: steps with their times, then a table of what was expected and what was observed.
 * The same telling serves the real kernel and the simulator; with `--json` it becomes one document at the end.
 */
import type { Output } from "../output.ts";
import { formatTable } from "../table.ts";

export interface Step {
  readonly what: string;
  readonly ms: number;
  readonly detail: string;
  /** What the time went to, where the step has parts. */
  readonly parts: readonly Part[];
}

export interface Part {
  readonly step: string;
  readonly ms: number;
}

/** One line of the table. `observed` is what happened, in the same words as `expected`. */
export interface Check {
  readonly what: string;
  readonly expected: string;
  readonly observed: string;
  readonly ok: boolean;
}

export interface Story {
  /** Does something, timed; prints it when it is done. `detail` says what came of it, `parts` where the time went. */
  step<T>(
    what: string,
    action: () => T | Promise<T>,
    detail?: (result: T) => string,
    parts?: (result: T) => readonly Part[],
  ): Promise<T>;
  /** Adds a line to the table; true when observed equals expected. */
  check(what: string, expected: string, observed: string): boolean;
  /** Remembers something worth showing below the table, such as counters or events. */
  show(title: string, rows: readonly Readonly<Record<string, string | number | bigint>>[]): void;
  /** Prints the table and what was shown; true when every check held and there was one. */
  finish(mode: "kernel" | "simulator" | "policy engine"): boolean;
}

const WHAT_WIDTH = 44;

export function createStory(out: Output, now: () => number = () => performance.now()): Story {
  const steps: Step[] = [];
  const checks: Check[] = [];
  const shown: { title: string; rows: readonly Readonly<Record<string, string | number | bigint>>[] }[] = [];
  const start = now();
  return {
    step: async (what, action, detail, parts) => {
      const before = now();
      const result = await action();
      const step = { what, ms: now() - before, detail: detail?.(result) ?? "", parts: parts?.(result) ?? [] };
      steps.push(step);
      out.say(formatStep(what, step.ms, step.detail));
      for (const part of step.parts) out.say(formatStep(`  ${part.step}`, part.ms, ""));
      return result;
    },
    check: (what, expected, observed) => {
      const ok = expected === observed;
      checks.push({ what, expected, observed, ok });
      return ok;
    },
    show: (title, rows) => {
      shown.push({ title, rows });
    },
    finish: (mode) => {
      const ok = checks.length > 0 && checks.every((c) => c.ok);
      const failed = checks.filter((c) => !c.ok).length;
      out.say(`\n${formatChecks(checks)}`);
      for (const { title, rows } of shown) out.say(`\n${title}\n${formatRows(rows)}`);
      const verdict = ok ? `all ${checks.length} as expected` : `${failed} of ${checks.length} NOT as expected`;
      out.say(`\n${verdict}, on the ${mode}, in ${formatMs(now() - start)}`);
      out.emit({ ok, mode, steps, checks, shown: Object.fromEntries(shown.map((s) => [s.title, s.rows])) });
      return ok;
    },
  };
}

function formatStep(what: string, ms: number, detail: string): string {
  return `${what.padEnd(WHAT_WIDTH)} ${formatMs(ms).padStart(9)}  ${detail}`.trimEnd();
}

function formatChecks(checks: readonly Check[]): string {
  const rows = checks.map((c) => [c.what, c.expected, c.observed, c.ok ? "ok" : "MISMATCH"]);
  return formatTable(["traffic", "expected", "observed", ""], rows);
}

function formatRows(rows: readonly Readonly<Record<string, string | number | bigint>>[]): string {
  const header = Object.keys(rows[0] ?? {});
  if (header.length === 0) return "(none)";
  return formatTable(
    header,
    rows.map((row) => header.map((column) => row[column] ?? "")),
  );
}

function formatMs(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
