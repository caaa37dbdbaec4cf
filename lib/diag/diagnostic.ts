/**
 * A diagnostic is data first: code, place, what was expected, what was found, the remedy. Text is made at the edge.
 */

/** Where something is: a source file (1-based line and column), a byte offset in a binary file, or a path in a document. */
// prettier-ignore
export type Place =
  | { readonly kind: "source"; readonly file: string; readonly line: number; readonly column: number; readonly text?: string }
  | { readonly kind: "offset"; readonly file: string; readonly offset: number }
  | { readonly kind: "path"; readonly file: string; readonly path: string }
  | { readonly kind: "none" };

export interface Diagnostic {
  /** Stable, from the catalogue of the part that reports it: `"C012"`. */
  readonly code: string;
  readonly severity: "error" | "warning";
  /** One sentence: what is wrong, with the names involved. */
  readonly message: string;
  readonly place: Place;
  readonly expected?: string;
  readonly found?: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** Thrown where a value cannot be returned; carries what is wrong as data. */
export class DiagnosticError extends Error {
  readonly diagnostics: readonly Diagnostic[];
  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(formatDiagnostic).join("\n"));
    this.name = "DiagnosticError";
    this.diagnostics = diagnostics;
  }
}

/** `file:line:column` or the like; empty for no place. */
export function formatPlace(place: Place): string {
  switch (place.kind) {
    case "source":
      return `${place.file}:${place.line}:${place.column}`;
    case "offset":
      return `${place.file}: offset 0x${place.offset.toString(16)}`;
    case "path":
      return `${place.file}: ${place.path}`;
    case "none":
      return "";
  }
}

/** The diagnostic as a person reads it: place, code, message, source line with a caret, expected/found, remedy. */
export function formatDiagnostic(d: Diagnostic): string {
  const at = formatPlace(d.place);
  const lines = [`${at === "" ? "" : `${at}: `}${d.severity} ${d.code}: ${d.message}`];
  if (d.place.kind === "source" && d.place.text !== undefined) {
    const indent = d.place.text.length - d.place.text.trimStart().length;
    lines.push(`    ${d.place.text.trimEnd()}`, `    ${" ".repeat(Math.max(d.place.column - 1, indent))}^`);
  }
  if (d.expected !== undefined) lines.push(`  expected: ${d.expected}`);
  if (d.found !== undefined) lines.push(`  found:    ${d.found}`);
  if (d.remedy !== undefined) lines.push(`  remedy:   ${d.remedy}`);
  return lines.join("\n");
}
