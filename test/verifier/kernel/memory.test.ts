/** The cases of test/verifier/memory against the running kernel. */
import { describe, expect, test } from "vitest";
import { load } from "../../../loader/index.ts";
import type { ObjectSpec } from "../../../lib/object/index.ts";
import { REASONS } from "../../../lib/verifier/reasons/index.ts";
import { noKernel } from "../../kernel/bed.ts";
import { objectOf, packetLoadInFunction } from "../memory/build.ts";
import { CASES } from "../memory/cases.ts";

/** `accept`, or the log's last words. */
async function judge(object: ObjectSpec): Promise<string> {
  try {
    (await load(object)).close();
    return "accept";
  } catch (error) {
    return (error as { log?: string }).log ?? String(error);
  }
}

describe.skipIf(noKernel)("the running kernel says of memory", () => {
  for (const [group, rows] of Object.entries(CASES)) {
    test(group, async () => {
      const wrong: string[] = [];
      for (const row of rows) {
        const kernel = await judge(objectOf(row));
        if (row.says === "accept" ? kernel === "accept" : isSaid(kernel, row.says)) continue;
        wrong.push(`${row.name}: ${row.says}, but the kernel: ${kernel.split("\n").slice(-6).join(" / ")}`);
      }
      expect(wrong).toEqual([]);
    });
  }

  test("a packet load in a function", async () => {
    expect(isSaid(await judge(packetLoadInFunction()), "number_access")).toBe(true);
  });
});

/** A line of the log is a way to put the reason; some rules the kernel has no words for. */
function isSaid(log: string, reason: string): boolean {
  const { kernel } = REASONS[reason as keyof typeof REASONS];
  if (kernel.length === 0) return log !== "accept";
  return log.split("\n").some((line) => kernel.some((pattern) => pattern.test(line)));
}
