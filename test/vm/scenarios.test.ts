// Every scenario on the simulated node gives what the kernel was seen to give.
import { describe, expect, test } from "vitest";
import { SCENARIOS } from "../scenarios/all.ts";
import { readRecording } from "../scenarios/recordings.ts";
import { HOOK_FAMILIES } from "../scenarios/script.ts";
import { simulate } from "../scenarios/simulated.ts";

describe.each(HOOK_FAMILIES.filter((hook) => SCENARIOS[hook].length > 0))("%s", (hook) => {
  const recording = readRecording(hook);
  test.each(SCENARIOS[hook])("$name", async (scenario) => {
    expect(await simulate(scenario)).toEqual(recording.get(scenario.name));
  });
});
