/**
 * The public surface, entry by entry of package.json's `exports`, against the committed listings beside this file.
 * A change that means to alter it updates them: `npx vitest run --root . --config test/vitest.config.ts test/api -u`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { formatListing, listDeclarations, listIndex } from "./listing.ts";

const ROOT = resolve(import.meta.dirname, "../..");

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
}
const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as Manifest;

const entries = Object.entries(exports).flatMap(([entry, target]) =>
  typeof target === "string"
    ? []
    : [{ entry, source: target.default.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"), target }],
);
const fileOf = (entry: string): string => `${entry === "." ? "index" : entry.slice(2).replaceAll("/", "-")}.txt`;

describe("entries", () => {
  test.each(entries)("$entry exports what its listing says", async ({ entry, source, target }) => {
    expect(target.types).toBe(target.default.replace(/\.js$/, ".d.ts"));
    const listing = listIndex(readFileSync(join(ROOT, source), "utf8"));
    expect(listing.others, "an entry names what it exports").toEqual([]);
    const module = (await import(join(ROOT, source))) as object;
    expect(Object.keys(module).toSorted()).toEqual(listing.values);
    expect(listing.values.length, "an entry exports something").toBeGreaterThan(0);
    await expect(formatListing(listing)).toMatchFileSnapshot(fileOf(entry));
  });
});

describe("the standard library", () => {
  const files = readdirSync(join(ROOT, "lib/std"))
    .filter((f) => f.endsWith(".ts"))
    .toSorted();
  test("its modules export what the listing says", async () => {
    const parts = files.map((file) => {
      const names = listDeclarations(readFileSync(join(ROOT, "lib/std", file), "utf8"));
      return [`std/${file.replace(/\.ts$/, "")}`, ...names.map((name) => `  ${name}`), ""].join("\n");
    });
    expect(parts.length).toBeGreaterThan(0);
    await expect(parts.join("\n")).toMatchFileSnapshot("std.txt");
  });
});

describe("the lister", () => {
  test("an index", () => {
    const source = `
// export { no } from "./comment.ts";
export { a, type B, c as d } from "./x.ts";
export type {
  E,
  F,
} from "./y.ts";
export * from "./z.ts";
export const g = 1;
export async function h(): Promise<void> {}
export interface I {}
export {};
`;
    expect(listIndex(source)).toEqual({
      values: ["a", "d", "g", "h"],
      types: ["B", "E", "F", "I"],
      others: ['export * from "./z.ts";'],
    });
  });

  test("a module of the standard library", () => {
    const source =
      'export class A<K> {}\nexport function f(): void {}\nexport { x, y } from "./x";\nexport * from "./z";\n';
    expect(listDeclarations(source)).toEqual(['* from "./z"', "class A", "function f", "x", "y"]);
  });
});
