/** Coverage as istanbul's file coverage, what vitest's and c8's reports are made of. */
import type { FileCoverage } from "./coverage.ts";

interface Location {
  readonly start: { readonly line: number; readonly column: number };
  readonly end: { readonly line: number; readonly column: number };
}

/** The part of istanbul-lib-coverage's FileCoverageData that its reports use. */
export interface IstanbulFile {
  readonly path: string;
  readonly statementMap: Readonly<Record<string, Location>>;
  readonly fnMap: Readonly<
    Record<string, { readonly name: string; readonly decl: Location; readonly loc: Location; readonly line: number }>
  >;
  readonly branchMap: Readonly<
    Record<
      string,
      { readonly type: string; readonly loc: Location; readonly line: number; readonly locations: readonly Location[] }
    >
  >;
  readonly s: Readonly<Record<string, number>>;
  readonly f: Readonly<Record<string, number>>;
  readonly b: Readonly<Record<string, readonly number[]>>;
}

/** Lines are its statements. Its columns count from 0. */
export function toIstanbul({ path, lines, branches, functions }: FileCoverage): IstanbulFile {
  const whole = (first: number, last = first): Location => ({
    start: { line: first, column: 0 },
    end: { line: last, column: Number.MAX_SAFE_INTEGER },
  });
  const at = (line: number, column: number): Location => ({
    start: { line, column: column - 1 },
    end: { line, column },
  });
  const numbered = <T, R>(items: Iterable<T>, make: (item: T) => R): Record<string, R> =>
    Object.fromEntries(Array.from(items, (item, i) => [String(i), make(item)]));
  return {
    path,
    statementMap: numbered(lines.keys(), (line) => whole(line)),
    s: numbered(lines.values(), (count) => count),
    fnMap: numbered(functions, ({ name, line, endLine }) => ({
      name,
      line,
      decl: whole(line),
      loc: whole(line, endLine),
    })),
    f: numbered(functions, ({ count }) => count),
    branchMap: numbered(branches, ({ line, column }) => {
      const loc = at(line, column);
      return { type: "cond-expr", line, loc, locations: [loc, loc] };
    }),
    b: numbered(branches, ({ counts }) => counts),
  };
}
