// What every scenario must keep to, checked without a kernel.
import { expect, test } from "vitest";
import { SCENARIOS } from "./all.ts";
import { CHOSEN_PORTS } from "./observation.ts";
import { readRecording } from "./recordings.ts";
import { HOOK_FAMILIES } from "./script.ts";

const ALL = HOOK_FAMILIES.flatMap((hook) => SCENARIOS[hook]);

test("names are unique", () => {
  const names = ALL.map(({ name }) => name);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

test.each(HOOK_FAMILIES)("%s: every scenario is recorded, an observation a step, and nothing else is", (hook) => {
  const steps = SCENARIOS[hook].map(({ name, steps: { length } }) => [name, length]);
  const observations = [...readRecording(hook)].map(([name, { length }]) => [name, length]);
  expect(observations).toEqual(steps);
});

test("ports that a scenario names are not of those that the system chooses", () => {
  const chosen = ALL.filter(({ steps }) =>
    steps.some((step) => {
      const address = "address" in step ? step.address : "to" in step ? step.to : "";
      return Number(/:(\d+)$/.exec(address)?.[1] ?? 0) >= CHOSEN_PORTS.first;
    }),
  );
  expect(chosen.map(({ name }) => name)).toEqual([]);
});
