/** The command that judges the policy corpus, on a small corpus: what it counts as right, wrong and unsupported. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../../..");

function run(...args: readonly string[]): {
  readonly status: number | null;
  readonly lines: readonly unknown[];
  readonly stderr: string;
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "scripts/corpus-policy.mjs"), ...args], {
    encoding: "utf8",
  });
  const lines = stdout.split("\n").filter((line) => line !== "");
  return { status, lines: lines.map((line) => JSON.parse(line) as unknown), stderr };
}

test("each wrong verdict is a line, then comes the summary", () => {
  const { status, lines } = run(join(ROOT, "test/files/corpus-policy"));
  expect(lines.slice(0, -1)).toEqual([
    {
      set: "small",
      id: "wrong",
      src: "default/fe",
      dst: "default/be",
      proto: "TCP",
      port: 80,
      expect: "allow",
      found: "deny",
    },
    {
      set: "small",
      id: "a step that nobody knows",
      error: expect.stringContaining("a step that is not known") as unknown,
    },
  ]);
  expect(lines.at(-1)).toMatchObject({
    against: "engine",
    cases: 6,
    verdicts: 19,
    right: 17,
    wrong: 2,
    skipped: 0,
    unsupported: { AuthorizationPolicy: 1 },
  });
  expect(status).toBe(1);
});

test("a folder without a fixture is a wrong command line", () => {
  const { status, stderr } = run(join(ROOT, "test/mesh/policy"));
  expect([status, stderr]).toEqual([2, expect.stringContaining("there is no fixture.json")]);
});
