// Every scenario on the simulated node gives what the kernel was seen to give.
import { describe, expect, test } from "vitest";
import { SCENARIOS } from "../scenarios/all.ts";
import { readRecording } from "../scenarios/recordings.ts";
import type { HookFamily } from "../scenarios/script.ts";
import { simulate } from "../scenarios/simulated.ts";

/** Hooks that the node has. */
const PLAYED: readonly HookFamily[] = ["sock_addr", "cgroup_sock", "sockopt", "sock_ops", "sk_msg"];

describe.each(PLAYED)("%s", (hook) => {
  const recording = readRecording(hook);
  test.each(SCENARIOS[hook])("$name", async (scenario) => {
    expect(await simulate(scenario)).toEqual(recording.get(scenario.name));
  });
});
