/**
 * Where a source has conditions and functions, found by looking at its text: enough of TypeScript's syntax to tell the jumps
 * that its author wrote (`if`, `while`, `for`, `do`, `switch`, `?:`, `&&`, `||`) from those that the compiler made (checks of
 * array bounds, of divisors, of whatever it needs).
 *
 * Positions are offsets in the text; ranges include their start and not their end.
 */

export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface FunctionRange extends Range {
  readonly name: string;
  /** Where it is declared. */
  readonly declared: number;
}

export interface Syntax {
  readonly conditions: readonly Range[];
  readonly functions: readonly FunctionRange[];
}

export function readSyntax(source: string): Syntax {
  const text = maskText(source);
  return { conditions: [...statements(text), ...operators(text)], functions: findFunctions(text) };
}

/** The text with blanks for what is in comments, strings, templates and regular expressions; as long as before. */
export function maskText(source: string): string {
  const parts = /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return source.replaceAll(parts, (part) => part.replaceAll(/[^\n]/g, " "));
}

const OPEN = "([{";
const CLOSE = ")]}";

/** The offset behind the bracket that closes the one at `start`; the text's end where none does. */
function closing(text: string, start: number): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const char = text[i] ?? "";
    if (OPEN.includes(char)) depth++;
    else if (CLOSE.includes(char) && --depth === 0) return i + 1;
  }
  return text.length;
}

// ---- if, while, switch, for, case

function statements(text: string): Range[] {
  const heads = [...text.matchAll(/\b(if|while|switch|for)\s*(?=\()/g)].map((match) => {
    const start = match.index + match[0].length;
    const range = { start: start + 1, end: closing(text, start) - 1 };
    return match[1] === "for" ? loopCondition(text, range) : range;
  });
  const cases = [...text.matchAll(/\bcase\b([^:]*):/g)].map((match) => ({
    start: match.index,
    end: match.index + match[0].length,
  }));
  return [...heads, ...cases];
}

/** What is between the two semicolons of `for (;;)`. */
function loopCondition(text: string, { start, end }: Range): Range {
  const first = text.indexOf(";", start);
  const second = text.indexOf(";", first + 1);
  return first < 0 || second < 0 || second > end ? { start, end } : { start: first + 1, end: second };
}

// ---- ?:, &&, ||

function operators(text: string): Range[] {
  const ternaries = [...text.matchAll(/\?(?![.?:])/g)].map(({ index }) => ({
    start: expressionStart(text, index),
    end: index,
  }));
  const logical = [...text.matchAll(/&&|\|\|/g)].map(({ index }) => ({
    start: expressionStart(text, index),
    end: expressionEnd(text, index + 2),
  }));
  return [...ternaries, ...logical];
}

/** Where the expression begins that ends at `end`: behind an opening bracket, a separator, an assignment or `return`. */
function expressionStart(text: string, end: number): number {
  let depth = 0;
  for (let i = end - 1; i >= 0; i--) {
    const char = text[i] ?? "";
    if (CLOSE.includes(char)) depth++;
    else if (OPEN.includes(char) && depth-- === 0) return i + 1;
    else if (
      depth === 0 &&
      (";,?:".includes(char) || isAssignment(text, i) || /\breturn\s$/.test(text.slice(i - 6, i + 1)))
    )
      return i + 1;
  }
  return 0;
}

/** An `=` that is no comparison; the `>` of `=>`. */
function isAssignment(text: string, at: number): boolean {
  const [before, char, after] = [text[at - 1] ?? "", text[at], text[at + 1]];
  if (char === ">") return before === "=";
  return char === "=" && after !== "=" && after !== ">" && !"=!<>".includes(before);
}

function expressionEnd(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const char = text[i] ?? "";
    if (OPEN.includes(char)) i = closing(text, i) - 1;
    else if (CLOSE.includes(char) || ";,?:".includes(char)) return i;
  }
  return text.length;
}

// ---- functions

const DECLARATION = /\bfunction\s+(\w+)[^{;]*\{/g;
const METHOD =
  /^[ \t]+(?:(?:static|private|protected|public|get|set)\s+)*(\w+)\s*(?:<[^>]*>)?\([^)]*\)\s*(?::[^{;=]+)?\{/gm;
const ARROW = /=>\s*\{/g;
const NO_METHOD: ReadonlySet<string> = new Set(["if", "for", "while", "switch", "catch", "function", "return"]);

function findFunctions(text: string): FunctionRange[] {
  const named = [...text.matchAll(DECLARATION), ...text.matchAll(METHOD)].filter(
    ([, name = ""]) => !NO_METHOD.has(name),
  );
  const arrows = [...text.matchAll(ARROW)].map(({ index, 0: arrow }) => {
    const name = /(?:const|let|var)\s+(\w+)[^;]*$/.exec(text.slice(0, index));
    return body(text, name?.[1] ?? "(anonymous)", name?.index ?? index, index + arrow.length - 1);
  });
  const all = [
    ...named.map((match) =>
      body(text, match[1] ?? "", match.index + leading(match[0]), match.index + match[0].length - 1),
    ),
    ...arrows,
  ];
  return all.toSorted((a, b) => a.declared - b.declared);
}

function body(text: string, name: string, declared: number, brace: number): FunctionRange {
  return { name, declared, start: brace, end: closing(text, brace) };
}

function leading(text: string): number {
  return text.length - text.trimStart().length;
}
