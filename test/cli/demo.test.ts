/** `demo --simulate`: the whole story without a kernel; needs no privilege. */
import { expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { documents, run } from "./command.ts";

interface Told {
  readonly ok: boolean;
  readonly mode: string;
  readonly checks: readonly { readonly what: string; readonly observed: string; readonly ok: boolean }[];
  readonly shown: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
}

test("the story on the interpreter: all as expected, and it says what it is and what it cannot show", async () => {
  const ran = await run("demo", "--simulate", "--json");
  expect(ran.code, ran.stderr).toBe(EXIT.ok);
  expect(ran.stderr).toMatch(/^On the interpreter, not on the kernel: asked for with --simulate/);
  const [told] = documents<Told>(ran);
  expect(told).toMatchObject({ ok: true, mode: "simulator" });
  expect(Object.fromEntries(told?.checks.map((c) => [c.what, c.observed]) ?? [])).toMatchObject({
    "frontend -> backend:80": "connected, peer 10.244.0.2:80",
    "other -> backend:80": "dropped by the policy",
    "frontend -> backend:23": "dropped by the filter (port)",
    "frontend -> service 10.96.0.10:80": "connected, peer 10.96.0.10:80",
    "messages by the shortcut, by the network": "400, 0",
  });
  expect(told?.shown["not shown by the interpreter"]?.map((row) => row["what"])).toContain("packets on the devices");
  // The four drops, with the addresses that the packets had.
  expect(told?.shown["events"]).toHaveLength(4);
});
