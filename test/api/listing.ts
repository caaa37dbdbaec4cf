/** Names that a module exports, read from its source text: what a reviewer sees when the public surface changes. */
import { maskText } from "../architecture/scan.ts";

export interface Listing {
  /** Names that exist at run time, sorted. */
  readonly values: readonly string[];
  /** Names that only types have, sorted. */
  readonly types: readonly string[];
  /** Export statements that name nothing: `export *`. */
  readonly others: readonly string[];
}

const REEXPORT = /^export\s+(type\s+)?\{([^}]*)\}\s*(?:from\s*["'][^"']*["'])?\s*;?/;

const DECLARATION =
  /^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(class|function|const|let|enum|namespace|interface|type)\s+([\w$]+)/;

/** Lists an index: `export { a, type B } from "…"`, `export type { C } from "…"`, and its own declarations. */
export function listIndex(source: string): Listing {
  const values: string[] = [];
  const types: string[] = [];
  const others: string[] = [];
  for (const statement of exportStatements(source)) {
    const declared = DECLARATION.exec(statement);
    if (declared !== null) {
      const [, kind, name = ""] = declared;
      (kind === "interface" || kind === "type" ? types : values).push(name);
      continue;
    }
    const match = REEXPORT.exec(statement);
    if (match === null) others.push(statement.split("\n")[0] ?? "");
    for (const item of (match?.[2] ?? "")
      .split(",")
      .map((s) => s.trim())
      .filter(Boolean)) {
      const typeOnly = match?.[1] !== undefined || item.startsWith("type ");
      (typeOnly ? types : values).push(item.split(/\s+/).at(-1) ?? "");
    }
  }
  return { values: values.toSorted(), types: types.toSorted(), others };
}

/** Lists an AssemblyScript module of the standard library: its own declarations and what it passes on, one a line. */
export function listDeclarations(source: string): string[] {
  const names = exportStatements(source).flatMap((statement) => {
    const match = DECLARATION.exec(statement);
    if (match !== null) return [`${match[1]} ${match[2]}`];
    const from = /from\s*(["'][^"']*["'])/.exec(statement)?.[1];
    if (/^export\s*\*/.test(statement)) return [`* from ${from}`];
    return (REEXPORT.exec(statement)?.[2] ?? "")
      .split(",")
      .map((s) => s.trim())
      .filter(Boolean);
  });
  return names.toSorted();
}

function exportStatements(source: string): string[] {
  const text = maskText(source);
  return [...text.matchAll(/^export\b/gm)].map((m) => text.slice(m.index));
}

/** The text of the committed file. */
export function formatListing({ values, types }: Pick<Listing, "values" | "types">): string {
  return [...values.map((name) => `value ${name}`), ...types.map((name) => `type  ${name}`), ""].join("\n");
}
