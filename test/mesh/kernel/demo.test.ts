/** `ebpf-ts mesh demo` as a user runs it: to its end, by the policy engine alone, and interrupted in the middle. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EXIT } from "../../../cli/exit.ts";
import { whyNoBed } from "../../../mesh/bed/bed.ts";
import { findCgroup2 } from "../../../mesh/bed/cgroup.ts";
import { documents, ROOT, run } from "../../cli/command.ts";

const reason = whyNoBed()?.message ?? null;
if (reason !== null) process.stderr.write(`skipped: the mesh demo on the kernel: ${reason}\n`);

interface Document {
  readonly ok: boolean;
  readonly mode: string;
  readonly checks: readonly { readonly what: string; readonly observed: string; readonly ok: boolean }[];
  readonly shown: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
}

test("by the policy engine alone: the same verdicts, and why", async () => {
  const ran = await run("mesh", "demo", "--simulate", "--json");
  expect(ran.code, ran.stderr).toBe(EXIT.ok);
  expect(ran.stderr).toMatch(/^By the policy engine alone, no packet is sent/);
  const [told] = documents<Document>(ran);
  expect(told).toMatchObject({ ok: true, mode: "policy engine" });
  expect(Object.fromEntries(told?.checks.map((c) => [c.what, c.observed]) ?? [])).toMatchObject({
    "frontend GET /public/x": "200",
    "frontend GET /admin": "403",
    "other -> backend:80": "no connection",
  });
  expect(JSON.stringify(told?.shown["why"])).toContain("default/secure-access ingress[0]");
});

/** Starts it; `until` sees all text so far and may act on it. */
async function follow(
  options: readonly string[],
  until: (text: string, child: ChildProcess) => void,
): Promise<{ code: number | null; stdout: string; pid: number | undefined }> {
  const args = [join(ROOT, "dist/cli/main.js"), "mesh", "demo", ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let all = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    until((all += text), child);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => until((all += text), child));
  const code = await new Promise<number | null>((done) => child.on("close", (exit) => done(exit)));
  return { code, stdout, pid: child.pid };
}

/** Namespaces, groups and pins of the beds that a process made. */
function traces(pid: number | undefined): string[] {
  const ofChild = (name: string): boolean => name.startsWith(`ebpf-ts-${pid}-`);
  return ["/run/netns", findCgroup2(), "/sys/fs/bpf"].flatMap((d) =>
    existsSync(d) ? readdirSync(d).filter(ofChild) : [],
  );
}

describe.skipIf(reason !== null)("on the kernel", () => {
  test("everything is as expected, and nothing is left behind", { timeout: 120_000 }, async () => {
    const { code, stdout, pid } = await follow(["--json"], () => undefined);
    const told = JSON.parse(stdout) as Document;
    expect(told.checks.filter((check) => !check.ok)).toEqual([]);
    expect([code, told.ok, told.mode]).toEqual([EXIT.ok, true, "kernel"]);
    expect(told.checks.length).toBeGreaterThan(20);
    expect(traces(pid)).toEqual([]);
  });

  test("Ctrl-C in the middle: exit code 130, nothing is left behind", { timeout: 60_000 }, async () => {
    const { code, pid } = await follow([], (text, child) => {
      if (text.includes("start an agent on each")) child.kill("SIGINT");
    });
    expect(code).toBe(EXIT.interrupted);
    expect(traces(pid)).toEqual([]);
  });
});
