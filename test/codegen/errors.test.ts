// Programs that must not compile: each file of test/files/errors with the text of its diagnostics beside it.
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { COMPILER_DIAGNOSTICS, compileFile } from "../../codegen/index.ts";
import { formatDiagnostic } from "../../lib/diag/index.ts";

const folder = new URL("../files/errors/", import.meta.url).pathname;
const programs = readdirSync(folder).filter((name) => name.endsWith(".ts"));

describe("a program that kernel code cannot be made of is refused with place, reason and remedy", () => {
  test.each(programs)("%s", async (name) => {
    const { object, diagnostics } = await compileFile(folder + name, { check: true });
    expect(object).toBeNull();
    const text = diagnostics.map(formatDiagnostic).join("\n");
    await expect(`${text}\n`).toMatchFileSnapshot(`${folder}${name.replace(/\.ts$/, ".txt")}`);
    for (const d of diagnostics) {
      expect(d.code in COMPILER_DIAGNOSTICS, d.code).toBe(true);
      expect(d.remedy, "a remedy").toBeTruthy();
      expect(d.place.kind, "a place").toBe("source");
    }
  });
});

test("docs/errors.md has a section for every code, and no other", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const sections = [...page.matchAll(/^## (C\d+): (.+)$/gm)].map((m) => `${m[1]}: ${m[2]}`);
  expect(sections).toEqual(Object.entries(COMPILER_DIAGNOSTICS).map(([code, row]) => `${code}: ${row.title}`));
});

test("a file that is not there", async () => {
  const { object, diagnostics } = await compileFile(`${folder}no-such-file.ts`);
  expect(object).toBeNull();
  expect(diagnostics.map((d) => d.code)).toEqual(["C025"]);
});
