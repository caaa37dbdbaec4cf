/** The demo's test bed on a real kernel: traffic, counters, and that nothing is left behind, however the run ends. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBed, removeLeftovers, whyNoBed } from "../../cli/demo/bed.ts";
import type { Bed } from "../../cli/demo/bed.ts";
import { findCgroup2 } from "../../cli/demo/cgroup.ts";

const reason = whyNoBed()?.diagnostics[0]?.message ?? null;
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

const PODS = [
  { name: "frontend", address: "10.244.0.1" },
  { name: "backend", address: "10.244.0.2" },
];
const NOBODY_HERE = "10.244.0.99";

function traces(id: string): string[] {
  const netns = readdirSync("/run/netns").filter((n) => n.startsWith(`${id}-`));
  return existsSync(join(findCgroup2(), id)) ? [...netns, "cgroup"] : netns;
}

describe.skipIf(reason !== null)("traffic between pods", () => {
  let bed: Bed;
  beforeAll(() => {
    bed = createBed(PODS);
  });
  afterAll(() => bed.close());

  test("connect, addresses, echo and counters", async () => {
    const [frontend, backend] = [bed.pod("frontend"), bed.pod("backend")];
    const server = await bed.start(backend);
    const client = await bed.start(frontend);
    expect(await server.listen(80)).toEqual({ kind: "listening", port: 80 });

    await bed.settle();
    const before = [bed.counters(frontend), bed.counters(backend)] as const;
    const result = await client.connect("10.244.0.2", 80, 2000);
    expect(result).toMatchObject({ outcome: "connected", errno: null, peer: "10.244.0.2:80" });
    expect(result.local).toMatch(/^10\.244\.0\.1:\d+$/);
    expect(await client.exchange(result.id, 20, 700)).toMatchObject({ intact: true, bytes: 14_000 });
    await bed.settle();
    const after = [bed.counters(frontend), bed.counters(backend)] as const;

    // 20 messages there, 20 back, and the handshake; both ends of the path saw the same packets.
    const sent = after[0].sent - before[0].sent;
    expect(sent).toBeGreaterThan(20);
    expect(after[1].received - before[1].received).toBe(sent);
    await client.disconnect(result.id);
    await client.stop();
    await server.stop();
  });

  test("an idle bed's counters do not move", async () => {
    await bed.settle();
    const before = bed.pods.map((pod) => bed.counters(pod));
    await new Promise((done) => setTimeout(done, 300));
    expect(bed.pods.map((pod) => bed.counters(pod))).toEqual(before);
  });

  test("refused and unanswered are told apart, within the time allowed", async () => {
    const client = await bed.start(bed.pod("frontend"));
    expect(await client.connect("10.244.0.2", 81, 2000)).toMatchObject({
      outcome: "failed",
      errno: "ECONNREFUSED",
      peer: null,
    });
    const unrouted = await client.connect(NOBODY_HERE, 80, 400);
    expect(unrouted.outcome).not.toBe("connected");
    expect(unrouted.ms).toBeLessThan(2000);
    await client.stop();
  });

  test("a peer runs in its pod's namespace and cgroup", async () => {
    const pod = bed.pod("backend");
    const peer = await bed.start(pod);
    expect(readFileSync(join(pod.cgroup, "cgroup.procs"), "utf8").trim()).toBe(String(peer.pid));
    expect(readFileSync(`/proc/${peer.pid}/net/dev`, "utf8")).toContain("eth0");
    await expect(peer.exchange(7, 1, 1)).rejects.toThrow("no connection 7");
    await peer.stop();
    await expect(peer.listen(80)).rejects.toThrow("M005");
  });

  test("devices are named with their index", () => {
    for (const { device, nodeDevice } of bed.pods) {
      expect(device).toEqual({ name: "eth0", index: expect.any(Number) as number });
      expect(nodeDevice.name).toMatch(/^pod\d$/);
    }
    expect(() => bed.pod("nobody")).toThrow("there are frontend, backend");
  });
});

// A process that makes a bed, starts a peer in it, says the bed's name and then waits, throws or exits.
const MAKER = `
  const { createBed } = await import(${JSON.stringify(resolve(import.meta.dirname, "../../dist/cli/demo/bed.js"))});
  const bed = createBed([{ name: "only", address: "10.244.0.1" }]);
  await bed.start(bed.pod("only"));
  console.log(bed.id);
  if (process.argv[1] === "throw") throw new Error("on purpose");
  if (process.argv[1] === "exit") process.exit(5);
`;

async function makeElsewhere(
  ending: string,
): Promise<{ id: string; child: ChildProcess; ended: Promise<number | null> }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", MAKER, ending], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((done) => child.on("close", (code) => done(code)));
  const id = await new Promise<string>((done, fail) => {
    child.stdout?.once("data", (text: Buffer) => done(text.toString().trim()));
    child.once("exit", () => fail(new Error("ended before it had a bed")));
  });
  return { id, child, ended };
}

describe.skipIf(reason !== null)("nothing is left behind", () => {
  test("after close, twice", async () => {
    const bed = createBed(PODS);
    await bed.start(bed.pod("backend"));
    expect(traces(bed.id)).toHaveLength(PODS.length + 2);
    bed.close();
    bed.close();
    expect(traces(bed.id)).toEqual([]);
    expect(process.listeners("SIGINT")).toEqual([]);
  });

  test("after a failure to build", () => {
    const before = readdirSync("/run/netns");
    expect(() => createBed([{ name: "bad", address: "not-an-address" }])).toThrow("M004");
    expect(readdirSync("/run/netns")).toEqual(before);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("after %s", async (signal, code) => {
    const { id, child, ended } = await makeElsewhere("wait");
    expect(traces(id)).toHaveLength(3);
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(traces(id)).toEqual([]);
  });

  test.each([
    ["an exception", "throw", 1],
    ["process.exit", "exit", 5],
  ] as const)("after %s", async (_name, ending, code) => {
    const { id, ended } = await makeElsewhere(ending);
    expect(await ended).toBe(code);
    expect(traces(id)).toEqual([]);
  });

  test("after SIGKILL, the next run cleans up; living beds stay", async () => {
    using own = createBed(PODS);
    const { id, child, ended } = await makeElsewhere("wait");
    child.kill("SIGKILL");
    await ended;
    expect(traces(id)).toHaveLength(3);
    expect(removeLeftovers()).toContain(id);
    expect(traces(id)).toEqual([]);
    expect(traces(own.id)).toHaveLength(PODS.length + 2);
  });
});
