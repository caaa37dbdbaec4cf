/**
 * The text assembler: the kernel's notation back to instructions, with labels.
 *
 * One statement a line. `name:` in front of a statement or alone defines a label; `goto name` uses it. `;` and `//` start
 * a comment, and the `  12: (b7) ` of a listing is skipped, so the output of `bpftool prog dump xlated` is input.
 */
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic, Place } from "../diag/index.ts";
import { build, operandNames, slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import { asmError } from "./diagnostics.ts";
import { describe, rangeOf } from "./encode.ts";
import { match, squeeze } from "./statement.ts";
import type { Match, Statement } from "./statement.ts";

/**
 * The instructions of `text`; `file` names it in diagnostics.
 * Throws `DiagnosticError` with the errors of all lines (A005, A007, A014 to A017), each with line and column.
 */
export function parse(text: string, file = "assembly"): Insn[] {
  const problems: Diagnostic[] = [];
  const lines = text
    .split(/\r\n|\n|\r/)
    .map((line, i) => split(line, { kind: "source", file, line: i + 1, column: 1, text: line }));
  const labels = findLabels(lines, problems);
  const insns: Insn[] = [];
  let slot = 0;
  for (const line of lines) {
    if (line.statement.text === "") continue;
    const insn = readStatement(line, match(line.statement, { slot, labels }));
    if ("code" in insn) problems.push(insn);
    else insns.push(insn);
    slot += line.slots;
  }
  if (problems.length > 0) throw new DiagnosticError(problems);
  return insns;
}

type SourcePlace = Place & { readonly kind: "source" };

interface Line {
  readonly place: SourcePlace;
  /** Names and their columns (1-based). */
  readonly labels: readonly { readonly name: string; readonly column: number }[];
  readonly statement: Statement;
  readonly slots: 1 | 2;
}

/** Labels, statement and comment of a line apart. Columns of the statement are counted in the whole line. */
function split(line: string, place: SourcePlace): Line {
  const comment = line.search(/;|\/\//);
  const code = comment < 0 ? line : line.slice(0, comment);
  let at = /^\s*(\d+:\s*\([0-9a-f]{2}\))?\s*/.exec(code)?.[0].length ?? 0;
  const labels: { name: string; column: number }[] = [];
  for (;;) {
    const found = /^([A-Za-z_.][A-Za-z0-9_.]*)\s*:\s*/.exec(code.slice(at));
    if (found === null) break;
    labels.push({ name: found[1] as string, column: at + 1 });
    at += found[0].length;
  }
  const squeezed = squeeze(code.slice(at));
  const statement = { text: squeezed.text, columns: squeezed.columns.map((column) => column + at) };
  return { place, labels, statement, slots: slotsOfStatement(statement) };
}

// Label distances need each statement's slots before labels are known; no 64-bit load uses a label.
function slotsOfStatement(statement: Statement): 1 | 2 {
  const found = match(statement, { slot: 0, labels: new Map() });
  return found !== null && "row" in found ? slotsOf(build(found.row, found.operands)) : 1;
}

function findLabels(lines: readonly Line[], problems: Diagnostic[]): Map<string, number> {
  const labels = new Map<string, number>();
  let slot = 0;
  for (const line of lines) {
    for (const { name, column } of line.labels) {
      const place = { ...line.place, column };
      if (labels.has(name)) problems.push(asmError("A016", place, `the label ${name} is defined twice`));
      else labels.set(name, slot);
    }
    if (line.statement.text !== "") slot += line.slots;
  }
  return labels;
}

function readStatement({ statement, place }: Line, found: Match): Insn | Diagnostic {
  const start = { ...place, column: (statement.columns[0] ?? 0) + 1 };
  if (found === null) return asmError("A014", start, "this is not an instruction");
  if ("unknown" in found) return unknownName(found, start);
  for (const name of operandNames(found.row)) {
    const value = found.operands[name] ?? 0;
    const at = { ...place, column: found.columnOf(name) + 1 };
    const [low, high] = name.startsWith("imm.") ? HALF : rangeOf(found.row, name);
    if (value >= low && value <= high) continue;
    const register = high === 10;
    if (register) return asmError("A005", at, `there is no register ${value}`);
    if (value === Infinity) return asmError("A007", at, "the immediate has more than 64 bits");
    return asmError("A007", at, `${describe(name)} does not fit its field`, {
      expected: `${low} to ${high}`,
      found: String(value),
    });
  }
  return build(found.row, found.operands);
}

/** Halves of a 64-bit immediate may be written signed or unsigned. */
const HALF = [-0x8000_0000, 0xffff_ffff] as const;

function unknownName(found: { readonly unknown: "label" | "helper"; readonly name: string }, place: Place): Diagnostic {
  const { unknown, name } = found;
  if (unknown === "label") return asmError("A015", place, `there is no label ${name}`, { found: name });
  return asmError("A017", place, `there is no function or label ${name}`, { found: name });
}
