/** Every policy of the corpus is read, but for those that have to be rejected. Skipped where the corpus is not beside the repository. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { parseObjects } from "../../../mesh/objects/parse.ts";

const CORPUS = new URL("../../../../shared/corpus/policy/public/", import.meta.url);
/** Sets of kinds that the mesh reads. */
const SETS = [
  "networkpolicy",
  "ciliumnetworkpolicy",
  "dns",
  "lifecycle",
  "fuzz-networkpolicy",
  "fuzz-ciliumnetworkpolicy",
];

interface Case {
  readonly id: string;
  readonly yaml?: string;
  readonly steps?: readonly { readonly apply?: string }[];
  readonly expectError?: string;
}

test("policies are accepted or refused as the corpus says", (context) => {
  if (!existsSync(CORPUS)) context.skip("../shared/corpus/policy is not beside the repository");
  const wrong: string[] = [];
  let texts = 0;
  for (const file of readdirSync(CORPUS)) {
    const { set, cases } = JSON.parse(readFileSync(new URL(file, CORPUS), "utf8")) as { set: string; cases: Case[] };
    if (!SETS.includes(set)) continue;
    for (const { id, yaml, steps = [], expectError } of cases) {
      for (const text of [yaml, ...steps.map((step) => step.apply)]) {
        if (text === undefined) continue;
        texts++;
        const { objects, diagnostics } = parseObjects(text, id);
        const rejected = objects.length === 0 && diagnostics.every((d) => d.place.kind === "source");
        const accepted = objects.length > 0 && diagnostics.length === 0;
        if (expectError === undefined ? !accepted : !rejected)
          wrong.push(`${id}: ${diagnostics.map((d) => d.message).join("; ")}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(texts).toBeGreaterThan(100);
});
