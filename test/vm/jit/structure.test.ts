/** Shapes of control flow: long chains, loops in loops, cycles with several entries, code that no structure is made for. */
import { expect, test } from "vitest";
import { alu64, assemble, exit, ja, jmp, label, mov64, r0, r1, r2 } from "../../../lib/asm/index.ts";
import type { Item } from "../../../lib/asm/index.ts";
import { runRaw } from "../../../lib/vm/index.ts";

const LONG = 3000;
const times = (n: number, part: (i: number) => readonly Item[]): Item[] =>
  Array.from({ length: n }, (_, i) => part(i)).flat();

// prettier-ignore
test.each<[string, readonly Item[], bigint]>([
  ["one diamond after the other",   [mov64(r0, 0), ...times(LONG, (i) => [jmp("eq", r1, i + 1, 1), alu64("add", r0, 1)]), exit()], BigInt(LONG)],
  ["many returns",                  [mov64(r0, 0), ...times(LONG, (i) => [jmp("eq", r0, i, 1), exit(), alu64("add", r0, 1)]), exit()], BigInt(LONG)],
  ["one end for all",               [mov64(r0, 0), ...times(LONG, (i) => [jmp("ne", r0, i, "end"), alu64("add", r0, 1)]), label("end"), exit()], BigInt(LONG)],
  ["loops in loops",                [mov64(r0, 0), mov64(r1, 0), label("a"), mov64(r2, 0), label("b"), alu64("add", r0, 1), alu64("add", r2, 1), jmp("lt", r2, 5, "b"), alu64("add", r1, 1), jmp("lt", r1, 7, "a"), exit()], 35n],
  ["loops with one header",         [mov64(r0, 0), label("a"), alu64("add", r0, 1), jmp("lt", r0, 3, "a"), jmp("lt", r0, 9, "a"), exit()], 9n],
  ["a cycle with two entries",      [mov64(r0, 0), jmp("eq", r1, 0, "b"), label("a"), alu64("add", r0, 10), label("b"), alu64("add", r0, 1), jmp("lt", r0, 50, "a"), exit()], 56n],
  ["two cycles with two entries",   [mov64(r0, 0), jmp("eq", r1, 0, "b"), label("a"), alu64("add", r0, 10), jmp("eq", r1, 9, "d"), label("b"), alu64("add", r0, 1), jmp("lt", r0, 50, "a"), label("c"), alu64("add", r0, 3), label("d"), alu64("add", r0, 1), jmp("lt", r0, 90, "c"), jmp("lt", r0, 95, "b"), exit()], 97n],
  ["into a loop and out of it",     [mov64(r0, 0), ja("in"), label("top"), alu64("add", r0, 1), label("in"), alu64("add", r0, 2), jmp("gt", r0, 20, "out"), jmp("ne", r0, 100, "top"), label("out"), exit()], 23n],
])("%s", (_, items, expected) => {
  const insns = assemble(items);
  const jit = runRaw(insns, { engine: "jit" });
  expect(jit).toEqual(runRaw(insns, { engine: "interpreter" }));
  expect(jit.r0).toBe(expected);
});
