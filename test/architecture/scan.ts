/**
 * Finds the imports of a TypeScript file without a parser: comments and template texts are blanked (same length, so
 * lines stay), then statements that start a line with `import` or `export … from`, and `import("…")` anywhere.
 */

export interface Import {
  /** Path from the repository's root, `/` separated. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** Erased at run time: `import type`, `export type … from`. */
  readonly typeOnly: boolean;
  /** `import("…")`. */
  readonly dynamic: boolean;
}

// A regular expression literal is taken whole when it follows what cannot end an operand, so that its quotes and
// slashes open nothing.
const LEXEME =
  /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(`(?:\\[\s\S]|[^`\\])*`)|((?<=[=(,:[!&|?{};\n]\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*)/g;
const STATEMENT = /^[ \t]*(import|export)\b(\s+type\b(?!\s*(?:,|from\b)))?(?:[^;"'=(]*?\bfrom)?\s*["']([^"'\n]+)["']/gm;
const DYNAMIC = /\bimport\s*\(\s*["']([^"'\n]+)["']/g;

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}

/** The source with comments, template texts and regular expressions replaced by spaces. */
export function maskText(source: string): string {
  return source.replaceAll(LEXEME, (whole, _comment, quoted: string | undefined) => quoted ?? blank(whole));
}

/** All imports and re-exports of a source text, in order of kind, then place. */
export function scanImports(file: string, source: string): Import[] {
  const text = maskText(source);
  const lineAt = (index: number): number => text.slice(0, index).split("\n").length;
  const found: Import[] = [];
  for (const match of text.matchAll(STATEMENT)) {
    const at = match.index + match[0].length;
    found.push({ file, line: lineAt(at), specifier: match[3] ?? "", typeOnly: match[2] !== undefined, dynamic: false });
  }
  for (const match of text.matchAll(DYNAMIC)) {
    found.push({ file, line: lineAt(match.index), specifier: match[1] ?? "", typeOnly: false, dynamic: true });
  }
  return found;
}
