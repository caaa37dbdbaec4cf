/** The ISA conformance corpus beside the repository: every case on every engine, every reserved field refused. */
import { describe, expect, test } from "vitest";
import { runCase } from "../../lib/vm/conformance.ts";
import type { ConformanceCase } from "../../lib/vm/conformance.ts";
import { ENGINE_NAMES } from "../../lib/vm/engines.ts";
import { CORPUS, readCorpus } from "./corpus.ts";

describe.skipIf(CORPUS === null).each(ENGINE_NAMES)("conformance corpus, %s", (engine) => {
  test("every case gives its 64-bit result", () => {
    const outcomes = readCorpus<ConformanceCase>("cases.json").map((test) => runCase(test, engine));
    expect(outcomes.filter((outcome) => !outcome.ok)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(300);
  });

  test("a program that sets a reserved field is refused", () => {
    const outcomes = readCorpus<ConformanceCase>("reserved-fields.json").map((test) => runCase(test, engine));
    expect(outcomes.filter((outcome) => outcome.fault === null)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(50);
  });
});

// The rule itself, which must not pass what is wrong. b7: mov r0, imm; 95: exit.
// prettier-ignore
test.each([
  ["right",                        { insns: "b7000000050000009500000000000000", expect: "5" },                             true,  "5"],
  ["wrong result",                 { insns: "b7000000050000009500000000000000", expect: "6" },                             false, "5"],
  ["wrong in the upper half only", { insns: "b700000 0ffffffff9500000000000000".replace(" ", ""), expect: "ffffffff" },    false, "ffffffffffffffff"],
  ["runs though it must not",      { insns: "b7000000050000009500000000000000", expect: null },                            false, "5"],
  ["an error was expected",        { insns: "b7000000050000009500000000000000", expect: "5", expect_error: "any" },        false, "5"],
  ["not an instruction",           { insns: "ff000000050000009500000000000000", expect: "5" },                             false, null],
  ["faults",                       { insns: "79100000000000009500000000000000", expect: "0" },                             false, null],
  ["r1 and r2",                    { insns: "79100000000000000f200000000000009500000000000000", mem: "0100000000000000", expect: "9" }, true, "9"],
])("%s", (name, test, ok, r0) => {
  expect(runCase({ name, ...test })).toMatchObject({ name, ok, r0 });
});
