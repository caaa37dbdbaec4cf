/** The main job as a user runs it, on the real kernel: `ebpf-ts demo` to its end, and interrupted in the middle. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findCgroup2 } from "../../mesh/bed/cgroup.ts";
import { whyNoBed } from "../../mesh/bed/bed.ts";
import { ROOT } from "../cli/command.ts";

function whySkipped(): string | null {
  return whyNoBed()?.message ?? null;
}
const reason = whySkipped();
if (reason !== null) process.stderr.write(`skipped: the demo on the kernel: ${reason}\n`);

interface Document {
  readonly ok: boolean;
  readonly mode: string;
  readonly steps: readonly {
    readonly what: string;
    readonly ms: number;
    readonly parts: readonly { readonly step: string }[];
  }[];
  readonly checks: readonly {
    readonly what: string;
    readonly expected: string;
    readonly observed: string;
    readonly ok: boolean;
  }[];
  readonly shown: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
}

function start(...options: string[]): ChildProcess {
  return spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), "demo", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Collects both streams; `until` sees all text so far and may act on it. */
async function follow(
  child: ChildProcess,
  until: (text: string) => void = () => undefined,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => until((stdout += text)));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = await new Promise<number | null>((done) => child.on("close", (exit) => done(exit)));
  return { code, stdout, stderr };
}

/** Namespaces and groups of the beds that this process made. */
function traces(pid: number | undefined): string[] {
  const ofChild = (name: string): boolean => name.startsWith(`ebpf-ts-${pid}-`);
  return ["/run/netns", findCgroup2()].flatMap((d) => (existsSync(d) ? readdirSync(d).filter(ofChild) : []));
}

describe.skipIf(reason !== null)("the demo on the kernel", () => {
  test("everything is as expected, and nothing is left behind", async () => {
    const child = start("--json");
    const { code, stdout, stderr } = await follow(child);
    const document = JSON.parse(stdout) as Document;
    expect(
      document.checks.filter((c) => !c.ok),
      stderr,
    ).toEqual([]);
    expect(document).toMatchObject({ ok: true, mode: "kernel" });
    expect(code).toBe(0);
    expect(traces(child.pid)).toEqual([]);

    const observed = Object.fromEntries(document.checks.map((c) => [c.what, c.observed]));
    expect(observed).toMatchObject({
      "frontend -> backend:80": "connected, peer 10.244.0.2:80",
      "other -> backend:80": "dropped by the policy",
      "frontend -> service 10.96.0.10:80": "connected, peer 10.96.0.10:80",
      "200 messages of 1000 bytes by the shortcut": "intact, 0 packets on the devices",
    });
    expect(document.shown["events"]).toHaveLength(4);
    const compiled = document.steps.filter((s) => s.what.startsWith("compile "));
    expect(compiled).toHaveLength(4);
    for (const step of compiled) expect(step.parts.length).toBeGreaterThan(3);
  }, 60_000);

  test("Ctrl-C in the middle: exit code 130, nothing is left behind", async () => {
    const child = start();
    let seen: string[] = [];
    const { code } = await follow(child, (text) => {
      if (!text.includes("start processes") || seen.length > 0) return;
      seen = traces(child.pid);
      child.kill("SIGINT");
    });
    // The namespaces of the underlay, the node and three pods; and the group.
    expect(seen).toHaveLength(6);
    expect(code).toBe(130);
    expect(traces(child.pid)).toEqual([]);
  }, 60_000);
});
