// Plays every scenario on the running kernel and compares with what was recorded; RECORD_SCENARIOS=HOOK records anew.
import { release } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCENARIOS } from "../scenarios/all.ts";
import { Hands, whyNoHands } from "../scenarios/hands.ts";
import type { Observation } from "../scenarios/observation.ts";
import { play } from "../scenarios/player.ts";
import { readRecording, RECORDED_ON, recordingAskedFor, writeRecording } from "../scenarios/recordings.ts";
import { HOOK_FAMILIES } from "../scenarios/script.ts";
import { noKernel } from "./bed.ts";

const reason = noKernel ? null : (whyOtherKernel() ?? whyNoHands());
if (reason !== null) process.stderr.write(`skipped: scenarios on the kernel: ${reason}\n`);

describe.skipIf(noKernel || reason !== null).each(HOOK_FAMILIES.filter((hook) => SCENARIOS[hook].length > 0))(
  "%s",
  (hook) => {
    let hands: Hands;
    beforeAll(() => {
      hands = new Hands();
    });
    afterAll(() => hands[Symbol.asyncDispose]());

    const recording = readRecording(hook);
    const asked = recordingAskedFor(hook);
    test.runIf(asked !== null)("is recorded", { timeout: 600_000 }, async () => {
      const made = new Map<string, readonly Observation[]>();
      for (const scenario of SCENARIOS[hook]) {
        const known = asked === "new" ? recording.get(scenario.name) : undefined;
        made.set(scenario.name, known ?? (await play(scenario, hands)));
      }
      writeRecording(hook, made);
      expect(made.size).toBe(SCENARIOS[hook].length);
    });

    test.skipIf(asked !== null).each(SCENARIOS[hook])("$name", async (scenario) => {
      const expected = recording.get(scenario.name);
      expect(await play(scenario, hands, expected ?? [])).toEqual(expected);
    });
  },
);

/** Null, or why recordings say nothing about this kernel. */
function whyOtherKernel(): string | null {
  return release().startsWith(`${RECORDED_ON}.`) ? null : `recorded on Linux ${RECORDED_ON}, this is ${release()}`;
}
