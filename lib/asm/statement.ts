/**
 * One statement of assembly against the instruction table: the `text` column of each row, made a regular expression.
 *
 * Whitespace means nothing but between two words, so it is taken out of both sides first: `r1 = *(u32 *)(r2 + 4)` and
 * `r1 = *(u32 *)(r2 +4)` become the same.
 */
import { INSTRUCTIONS } from "../isa/index.ts";
import type { Operands, Row } from "../isa/index.ts";
import { SYNTAX } from "./operands.ts";
import type { Scope, UnknownName } from "./operands.ts";

/** A statement without meaningless whitespace, and where each character stood (0-based). */
export interface Statement {
  readonly text: string;
  readonly columns: readonly number[];
}

export function squeeze(text: string): Statement {
  const columns: number[] = [];
  let out = "";
  const word = (c: string | undefined): boolean => c !== undefined && /[A-Za-z0-9_.#]/.test(c);
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    const space = /\s/.test(c);
    // Of a run of spaces the last one stays, between two words.
    if (space && !(word(out.at(-1)) && word(text[i + 1]))) continue;
    out += space ? " " : c;
    columns.push(i);
  }
  return { text: out, columns };
}

interface Pattern {
  readonly row: Row;
  readonly regexp: RegExp;
  /** The placeholder of each group. */
  readonly groups: readonly string[];
}

// The kernel writes `r1 = 0x5` for a 64-bit load and `r1 = 5` for a move: loads first. Labels win over helper names.
const first = (row: Row): boolean => row.code === 0x18 || row.text === "call {target.delta}";
const PATTERNS = INSTRUCTIONS.toSorted((a, b) => Number(first(b)) - Number(first(a))).map(compile);

function compile(row: Row): Pattern {
  const groups: string[] = [];
  const source = squeezeTemplate(row.text)
    .split(/(\{[^}]+\})/)
    .map((part) => {
      if (!part.startsWith("{")) return escape(part);
      const name = part.slice(1, -1);
      const seen = groups.indexOf(name);
      // An operand that is written twice (`r1 = -r1`) has to be the same twice.
      if (seen >= 0) return `\\${seen + 1}`;
      groups.push(name);
      return `(${SYNTAX[name]?.pattern ?? ""})`;
    })
    .join("");
  return { row, groups, regexp: new RegExp(`^${source}$`, "d") };
}

/** As `squeeze`, taking a placeholder for a word (with an A at both ends), but for an offset, which starts with its sign. */
function squeezeTemplate(template: string): string {
  const stand = template
    .replace(/\{(?!off\})/g, "A{")
    .replace(/\}/g, "}A")
    .replace(/\{off\}A/g, "{off}");
  return squeeze(stand).text.replace(/A\{/g, "{").replace(/\}A/g, "}");
}

function escape(text: string): string {
  // LLVM leaves `pc` out: `goto +3`.
  return text.replace(/[.*+?^$()[\]|\\/]/g, "\\$&").replace(/\b(goto|gotol|may_goto|call) $/, "$1(?: |(?=[+-]))");
}

/** What a statement is: a row and its operands with the place of each (0-based), or what is wrong with it. */
export type Match =
  | { readonly row: Row; readonly operands: Operands; readonly columnOf: (operand: string) => number }
  | UnknownName
  | null;

/** The first row that the statement is an instance of; `UnknownName` where it would be one if the name were known. */
export function match(statement: Statement, scope: Scope): Match {
  let unknown: UnknownName | null = null;
  for (const pattern of PATTERNS) {
    const found = pattern.regexp.exec(statement.text);
    if (found === null) continue;
    const result = read(pattern, found, statement, scope);
    if (result === null || "row" in result) return result;
    unknown = result;
  }
  return unknown;
}

function read(pattern: Pattern, found: RegExpExecArray, statement: Statement, scope: Scope): Match {
  const operands: Operands = {};
  const columns = new Map<string, number>();
  for (const [i, name] of pattern.groups.entries()) {
    const part = SYNTAX[name]?.read(found[i + 1] ?? "", scope) ?? {};
    if ("unknown" in part) return part as UnknownName;
    const column = statement.columns[found.indices?.[i + 1]?.[0] ?? 0] ?? 0;
    for (const operand of Object.keys(part)) columns.set(operand, column);
    Object.assign(operands, part);
  }
  return { row: pattern.row, operands, columnOf: (operand) => columns.get(operand) ?? 0 };
}
