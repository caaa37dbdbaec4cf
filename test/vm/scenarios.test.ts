// Every scenario on the simulated node gives what the kernel was seen to give, but for those that are listed with the reason.
import { describe, expect, test } from "vitest";
import { SCENARIOS } from "../scenarios/all.ts";
import { readRecording } from "../scenarios/recordings.ts";
import { HOOK_FAMILIES } from "../scenarios/script.ts";
import { simulate } from "../scenarios/simulated.ts";

/**
 * What a program sends out through a socket (sk_skb, not ingress) a worker thread of the kernel does, and small segments
 * then wait for each other: which of them travel together, and when, the node does not know.
 */
const DIFFERENT: ReadonlySet<string> = new Set([4, 10, 54].map((seed) => `sk_skb: generated, seed ${seed}`));

describe.each(HOOK_FAMILIES.filter((hook) => SCENARIOS[hook].length > 0))("%s", (hook) => {
  const recording = readRecording(hook);
  test.each(SCENARIOS[hook].filter(({ name }) => !DIFFERENT.has(name)))("$name", async (scenario) => {
    expect(await simulate(scenario)).toEqual(recording.get(scenario.name));
  });
  test.each(SCENARIOS[hook].filter(({ name }) => DIFFERENT.has(name)))("$name differs", async (scenario) => {
    expect(await simulate(scenario)).not.toEqual(recording.get(scenario.name));
  });
});
