/** Pruning by its effect: the figures that Linux 6.18 reports for the same programs. */
import { expect, test } from "vitest";
import { CASES } from "./cases.ts";
import { countOf } from "./count.ts";

test.each(CASES.map((c) => [c.name, c] as const))("%s", (_, { text, kernel }) => {
  expect(countOf(text)).toBe(kernel);
});
