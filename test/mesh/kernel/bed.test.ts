/** The test bed on a real kernel: who reaches whom over nodes and families, counters, and that nothing is left behind. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createBed, whyNoBed } from "../../../mesh/bed/bed.ts";
import type { Bed, Cni } from "../../../mesh/bed/bed.ts";
import { createCgroup, findCgroup2 } from "../../../mesh/bed/cgroup.ts";
import type { Hand } from "../../../mesh/bed/hand-process.ts";
import type { Tried, Try } from "../../../mesh/bed/hand.ts";
import type { BedPlan, BedPod } from "../../../mesh/bed/plan.ts";
import type { Place } from "../../../mesh/bed/process.ts";
import { filesOf, removeLeftovers } from "../../../mesh/bed/removal.ts";
import { runIp } from "../../../mesh/bed/tools.ts";

const reason = whyNoBed()?.message ?? null;
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

const pod = (name: string, node: string, addresses: readonly string[]): BedPod => ({
  namespace: "default",
  name,
  node,
  addresses,
  hostNetwork: false,
});

const PLAN: BedPlan = {
  nodes: [
    { name: "n1", addresses: ["172.18.0.11"] },
    { name: "n2", addresses: ["172.18.0.12"] },
  ],
  pods: [
    pod("a", "n1", ["10.244.1.1", "fd00:10:244:1::1"]),
    pod("b", "n1", ["10.244.1.2", "fd00:10:244:1::2"]),
    pod("c", "n2", ["10.244.2.1", "fd00:10:244:2::1"]),
    pod("quiet", "n2", ["10.244.2.2"]),
    { ...pod("host", "n2", []), hostNetwork: true },
  ],
  outside: [{ name: "world", addresses: ["203.0.113.10", "2001:db8::5"] }],
};
const NOBODY_HERE = "10.244.9.9";

/** What there is of a bed in the system. */
function traces(id: string): string[] {
  const netns = existsSync("/run/netns") ? readdirSync("/run/netns").filter((n) => n.startsWith(`${id}-`)) : [];
  const group = existsSync(join(findCgroup2(), id)) ? ["cgroup"] : [];
  return [...netns, ...group, ...(existsSync(filesOf(id)) ? ["files"] : [])];
}
/** Namespaces of the nodes, pods with their own network and outside hosts; the underlay, the group, the files. */
const tracesOf = (plan: BedPlan): number =>
  plan.nodes.length + plan.pods.filter((p) => !p.hostNetwork).length + plan.outside.length + 3;

describe.skipIf(reason !== null)("traffic", () => {
  let bed: Bed;
  const hands = new Map<string, Hand>();
  const placeOf = (name: string): Place => bed.nodes.get(name) ?? bed.outside.get(name) ?? bed.pod(`default/${name}`);
  const hand = (name: string): Hand => hands.get(name) as Hand;
  const attempt = (from: string, to: Pick<Try, "address" | "port"> & Partial<Try>): Promise<Tried> =>
    hand(from).try({ service: "tcp", limitMs: 3000, ...to });
  beforeAll(async () => {
    bed = await createBed(PLAN);
    const names = ["n1", "n2", "a", "b", "c", "world"];
    await Promise.all(names.map(async (name) => hands.set(name, await bed.start(placeOf(name)))));
    for (const name of names) {
      await hand(name).listen("tcp", 7);
      await hand(name).listen("udp", 7);
      await hand(name).listen("http", 80);
    }
  });
  afterAll(() => bed.close());

  // Everybody's addresses, and from which of their own each reaches it.
  test.each([
    ["a", "10.244.1.2", "10.244.1.1", "another pod of the node"],
    ["a", "10.244.2.1", "10.244.1.1", "a pod of another node"],
    ["a", "10.244.1.1", "10.244.1.1", "itself"],
    ["a", "172.18.0.11", "10.244.1.1", "its node"],
    ["a", "172.18.0.12", "10.244.1.1", "another node"],
    ["a", "203.0.113.10", "10.244.1.1", "the outside"],
    ["n1", "10.244.1.1", "172.18.0.11", "a pod of the node"],
    ["n1", "10.244.2.1", "172.18.0.11", "a pod of another node"],
    ["n1", "172.18.0.12", "172.18.0.11", "another node"],
    ["world", "10.244.2.1", "203.0.113.10", "a pod, from outside"],
    ["world", "172.18.0.11", "203.0.113.10", "a node, from outside"],
    ["a", "fd00:10:244:1::2", "fd00:10:244:1::1", "another pod of the node, IPv6"],
    ["a", "fd00:10:244:2::1", "fd00:10:244:1::1", "a pod of another node, IPv6"],
    ["a", "2001:db8::5", "fd00:10:244:1::1", "the outside, IPv6"],
    ["world", "fd00:10:244:1::1", "2001:db8::5", "a pod, from outside, IPv6"],
  ])("%s reaches %s as %s: %s", async (from, address, as) => {
    const [tcp, udp, icmp, http] = await Promise.all([
      attempt(from, { address, port: 7 }),
      attempt(from, { service: "udp", address, port: 7 }),
      attempt(from, { service: "icmp", address, port: address.includes(":") ? 128 : 13 }),
      attempt(from, { service: "http", address, port: 80, request: { method: "GET", path: "/x?y=1" } }),
    ]);
    expect(tcp).toMatchObject({ outcome: "reached", errno: null, peer: `${address}:7` });
    expect(tcp.local).toMatch(new RegExp(`^${as}:\\d+$`));
    expect(udp).toMatchObject({ outcome: "reached", peer: `${address}:7` });
    expect(icmp).toMatchObject({ outcome: "reached" });
    expect(http).toMatchObject({ outcome: "reached", status: 200 });
    expect(JSON.parse(String(http.body))).toMatchObject({ method: "GET", path: "/x?y=1" });
  });

  test("refused, unanswered and without a route are told apart, within the time allowed", async () => {
    expect(await attempt("a", { address: "10.244.1.2", port: 81 })).toMatchObject({
      outcome: "refused",
      errno: "ECONNREFUSED",
      peer: null,
    });
    expect(await attempt("a", { service: "udp", address: "10.244.1.2", port: 81, limitMs: 300 })).toMatchObject({
      outcome: "timeout",
    });
    for (const service of ["tcp", "icmp"] as const) {
      const nobody = await attempt("a", { service, address: NOBODY_HERE, port: 8, limitMs: 300 });
      expect(nobody.outcome).not.toBe("reached");
    }
  });

  test("a hundred tries at once", async () => {
    const all = Array.from({ length: 100 }, () => attempt("a", { address: "10.244.2.1", port: 7 }));
    expect((await Promise.all(all)).filter((one) => one.outcome !== "reached")).toEqual([]);
  });

  test("a kept connection echoes, and its end is told", async () => {
    const { connection } = await hand("a").connect("10.244.1.2", 7, 2000);
    expect(await hand("a").exchange(connection, 20, 700)).toMatchObject({ intact: true, bytes: 14_000 });
    const ended = hand("a").ended(connection);
    await hand("a").disconnect(connection);
    expect(await ended).toEqual({ how: "closed", errno: null });
    await expect(hand("a").exchange(99, 1, 1)).rejects.toThrow("no connection 99");
  });

  test("load goes on until it is halted, and is counted", async () => {
    const { connection } = await hand("a").connect("10.244.2.1", 7, 2000);
    const runs = await Promise.all([
      hand("a").pump(connection, 100),
      hand("a").repeat({ service: "http", address: "10.244.2.1", port: 80, limitMs: 2000 }, 10),
      hand("a").repeat({ service: "tcp", address: "10.244.2.1", port: 81, limitMs: 2000 }, 0),
    ]);
    await new Promise((done) => setTimeout(done, 200));
    const totals = await Promise.all(runs.map((run) => hand("a").halt(run)));
    expect(totals.map(({ outcomes }) => Object.keys(outcomes))).toEqual([["intact"], ["200"], ["refused"]]);
    expect(totals.every(({ count }) => count > 2)).toBe(true);
    const flood = await hand("world").flood("10.244.2.1", 7, 10, 1);
    await new Promise((done) => setTimeout(done, 100));
    const { count, outcomes } = await hand("world").halt(flood);
    expect(outcomes).toEqual({ sent: count });
    expect((await hand("c").tally())["203.0.113.10"]).toBeGreaterThanOrEqual(count);
    await hand("a").disconnect(connection);
  });

  test("counters are those of the traffic, and an idle bed's do not move", async () => {
    const places = [bed.pod("default/a"), bed.pod("default/b")] as const;
    const read = (): number[][] => places.map((p) => Object.values(bed.counters(p)) as number[]);
    await bed.settle();
    const before = read();
    const { connection } = await hand("a").connect("10.244.1.2", 7, 2000);
    await hand("a").exchange(connection, 20, 700);
    await hand("a").disconnect(connection);
    await bed.settle();
    const after = read();
    const moved = after.map((both, i) => both.map((n, j) => n - (before[i]?.[j] ?? 0)));
    // 20 messages there, 20 back, and the handshakes; both ends of the path saw the same packets.
    expect(moved[0]?.[1]).toBeGreaterThan(20);
    expect(moved[1]).toEqual(moved[0]?.toReversed());
    await new Promise((done) => setTimeout(done, 300));
    expect(read()).toEqual(after);
  });

  test("a hand runs in its pod's namespace and cgroup, and ends when told", async () => {
    const place = bed.pod("default/quiet");
    const own = await bed.start(place);
    expect(readFileSync(join(place.cgroup, "cgroup.procs"), "utf8").trim()).toBe(String(own.pid));
    expect(readFileSync(`/proc/${own.pid}/net/fib_trie`, "utf8")).toContain("10.244.2.2");
    await own.stop();
    await expect(own.listen("tcp", 80)).rejects.toThrow("H005");
  });

  test("a host-network pod is its node, in a group of its own", () => {
    const [host, node] = [bed.pod("default/host"), bed.node("n2")];
    expect(host).toMatchObject({ netns: node.netns, device: null, nodeDevice: null });
    expect(host.cgroup).toBe(join(node.group, "default-host"));
  });

  test("devices are named with their index", () => {
    expect(bed.pod("default/a").device).toEqual({ name: "eth0", index: expect.any(Number) as number });
    expect(bed.pod("default/a").nodeDevice?.name).toMatch(/^leg\d$/);
    expect(bed.node("n1").uplink.index).toBeGreaterThan(0);
    expect(() => bed.pod("default/nobody")).toThrow("no pod is called default/nobody");
  });

  test("pods come and go; each is registered while its link is down", async () => {
    const seen: string[] = [];
    const cni: Cni = {
      added: async ({ name, nodeDevice, node }) => {
        const later = await bed.start(node);
        const { outcome } = await later.try({ service: "tcp", address: "10.244.1.77", port: 7, limitMs: 200 });
        await later.stop();
        seen.push(`${name} on ${nodeDevice?.name === undefined ? "?" : "its device"}: ${outcome}`);
      },
      deleted: async ({ name }) => void seen.push(`${name} gone`),
    };
    const [late] = await bed.addPods([pod("late", "n1", ["10.244.1.77", "fd00:10:244:1::77"])], cni);
    const server = await bed.start(late as Place);
    await server.listen("tcp", 7);
    // At once: an IPv6 address must not be tentative.
    for (const address of ["fd00:10:244:1::77", "10.244.1.77"])
      expect(await attempt("c", { address, port: 7 })).toMatchObject({ outcome: "reached" });
    await bed.deletePod("default/late");
    expect(bed.pods.has("default/late")).toBe(false);
    expect((await attempt("c", { address: "10.244.1.77", port: 7, limitMs: 300 })).outcome).not.toBe("reached");
    expect(seen.map((line) => line.replace(/: (timeout|refused)$/, ": unreached"))).toEqual([
      "default/late on its device: unreached",
      "default/late gone",
    ]);
  });
});

// A process that makes a bed, starts a hand in it, says the bed's name and then waits, throws or exits.
const MADE: BedPlan = { ...PLAN, pods: PLAN.pods.slice(0, 1), outside: [] };
const MAKER = `
  const { createBed } = await import(${JSON.stringify(resolve(import.meta.dirname, "../../../dist/mesh/bed/bed.js"))});
  const bed = await createBed(${JSON.stringify(MADE)});
  await bed.start(bed.pod("default/a"));
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

// A process that removes leftovers at a given time.
const REMOVER = `
  const { removeLeftovers } = await import(${JSON.stringify(resolve(import.meta.dirname, "../../../dist/mesh/bed/removal.js"))});
  await new Promise((done) => setTimeout(done, Number(process.argv[1]) - Date.now()));
  removeLeftovers();
`;

async function removeElsewhere(at: number): Promise<{ code: number | null; complaint: string }> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", REMOVER, String(at)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.on("data", (text: Buffer) => (complaint += text.toString()));
  return new Promise((done) => child.on("close", (code) => done({ code, complaint })));
}

describe.skipIf(reason !== null)("nothing is left behind", () => {
  test("after close, twice", async () => {
    const listeners = process.listenerCount("SIGINT");
    const bed = await createBed(PLAN);
    await bed.start(bed.pod("default/a"));
    expect(traces(bed.id)).toHaveLength(tracesOf(PLAN));
    bed.close();
    bed.close();
    expect(traces(bed.id)).toEqual([]);
    expect(process.listenerCount("SIGINT")).toBe(listeners);
  });

  test("after a failure to build", async () => {
    const namespaces = (): string[] => readdirSync("/run/netns").filter((n) => n.includes(`-${process.pid}-`));
    const before = namespaces();
    const failing: Cni = { added: () => Promise.reject(new Error("no policy")), deleted: () => Promise.resolve() };
    await expect(createBed(PLAN, failing)).rejects.toThrow("no policy");
    expect(namespaces()).toEqual(before);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("after %s", async (signal, code) => {
    const { id, child, ended } = await makeElsewhere("wait");
    expect(traces(id)).toHaveLength(tracesOf(MADE));
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

  // Test files that run at the same time make beds, too, and so remove what they find: who removed it is not asked.
  test("after SIGKILL, the next run cleans up; living beds stay", async () => {
    using own = await createBed(MADE);
    const { id, child, ended } = await makeElsewhere("wait");
    expect(traces(id)).toHaveLength(tracesOf(MADE));
    child.kill("SIGKILL");
    await ended;
    removeLeftovers();
    expect(traces(id)).toEqual([]);
    expect(traces(own.id)).toHaveLength(tracesOf(MADE));
  });

  test("several runs that clean up at once", async () => {
    const id = "ebpf-ts-4194305-1-1"; // no process has such an id: pid_max is 2^22 at most
    const group = join(findCgroup2(), id);
    for (let i = 0; i < 20; i += 1) createCgroup(join(group, `pod-${i}`));
    runIp(Array.from({ length: 40 }, (_, i) => `netns add ${id}-${i}`));
    const at = Date.now() + 1000;
    const results = await Promise.all(Array.from({ length: 4 }, () => removeElsewhere(at)));
    expect(results).toEqual(Array(4).fill({ code: 0, complaint: "" }));
    expect(traces(id)).toEqual([]);
  });
});
