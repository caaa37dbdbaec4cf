/**
 * The waypoint's process under its supervisor, in a pod's namespace on the real kernel: egress, whose connections are known by
 * an entry that a program writes before they begin; here the test writes it. Ingress: see steering.test.ts.
 */
import { fork } from "node:child_process";
import { rmSync, mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bindTcp, listenTcp, load } from "ebpf-ts/loader";
import type { BpfMap, LoadedObject } from "ebpf-ts/loader";
import { readElf } from "ebpf-ts/elf";
import type { EndpointPolicy, EngineChange, HttpRuleSet, Verdict } from "../../../mesh/policy/types.ts";
import { encodeSteered, encodeSteeredKey } from "../../../mesh/waypoint/layouts.ts";
import { endLeftWaypoint, WaypointSupervisor } from "../../../mesh/waypoint/supervisor.ts";
import type { AccessRecord } from "../../../mesh/waypoint/types.ts";
import type { ToWaypoint } from "../../../mesh/waypoint/messages.ts";
import { Bed, noKernel } from "../../kernel/bed.ts";
import { ANY, until } from "./rig.ts";

const OBJECT = resolve(import.meta.dirname, "../../../dist/programs/mesh.o");
const PROGRAM = resolve(import.meta.dirname, "../../../dist/mesh/waypoint/main.js");
const EGRESS_PORT = 15_001;
const SERVER = { address: "10.77.0.1", port: 80 };
const POD = "10.77.0.2";

function ruleSet(number: number, path: string): HttpRuleSet {
  return { number, dns: [], rules: [{ rule: 10 + number, http: { ...ANY, path } }] };
}

const verdict = (action: Verdict["action"], l7 = 0): Verdict => ({ action, l7, rule: 1 });

/** What a pod may do on egress to port 80 of anybody. */
function policyOf(egress: Verdict): EndpointPolicy {
  const ports = { number: 1, entries: [{ protocol: 6, port: 80, bits: 16, verdict: egress }] };
  const open = { otherwise: { verdict: verdict("allow"), ports: null }, identities: new Map() };
  return {
    ingress: open,
    egress: { otherwise: { verdict: verdict("deny"), ports }, identities: new Map() },
  };
}

function change(policy: EndpointPolicy, sets: readonly HttpRuleSet[] = [], old: readonly number[] = []): EngineChange {
  return {
    first: null,
    newPortTables: [],
    newHttpRules: sets,
    newRules: [],
    endpoints: new Map([["default/pod", policy]]),
    hosts: { set: [], deleted: [] },
    identities: new Map(),
    prefilter: null,
    oldPortTables: [],
    oldHttpRules: old,
  };
}

describe.skipIf(noKernel)("the waypoint's process", () => {
  const bed = new Bed();
  const stateDir = mkdtempSync(join(tmpdir(), "waypoint-"));
  const pins = `/sys/fs/bpf/waypoint-${process.pid}`;
  const server = createServer((request, response) => response.end(`${request.socket.remoteAddress} ${request.url}`));
  const records: [string, AccessRecord][] = [];
  const problems: string[] = [];
  let object: LoadedObject;
  let netns: string;
  let up: ReadonlySet<string> = new Set();
  /** The pods that have not been down, at each change. */
  const served: ReadonlySet<string>[] = [];
  let supervisor: WaypointSupervisor;

  const map = (name: string) => object.map(name) as unknown as BpfMap;
  const maps = { steered: `${pins}/steered`, proxied: `${pins}/proxied`, listeners: `${pins}/listeners` };
  const supervise = () =>
    new WaypointSupervisor({
      maps,
      egressPort: EGRESS_PORT,
      netns: null,
      stateDir,
      identityOf: () => 2,
      changed: (pods, pending) => {
        up = pods;
        served.push(new Set([...pods, ...pending]));
      },
      access: (pod, record) => records.push([pod, record]),
      diagnose: ({ code, message }) => problems.push(`${code} ${message}`),
    });
  const addPod = (policy: EndpointPolicy) =>
    supervisor.add({ pod: "default/pod", id: 7, netns, addresses: [POD] }, policy);

  /** A connection as connect4 and sock_ops make it: to loopback, announced before it begins. */
  function dial(l7: number) {
    const socket = bindTcp({ address: "127.0.0.1", port: 0, netns });
    const waypoint = { address: "127.0.0.1", port: EGRESS_PORT };
    const row = { original: SERVER, l7, identity: 2, endpoint: 7, rule: 1, direction: 1 };
    map("steered").setRaw(encodeSteeredKey(socket.local, waypoint, 7), encodeSteered(row));
    const client = new Socket({ fd: socket.connect(waypoint) });
    const state = { closed: false, text: "" };
    client.on("data", (part) => (state.text += part.toString()));
    client.on("error", () => undefined);
    client.on("close", () => (state.closed = true));
    const ask = async (path: string): Promise<string> => {
      state.text = "";
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await until(() => state.closed || /\r\n\r\n[^]/.test(state.text));
      return state.text === "" ? "closed" : `${state.text.slice(9, 12)} ${state.text.split("\r\n\r\n")[1]}`;
    };
    return { client, state, ask };
  }

  beforeAll(async () => {
    netns = bed.netns("pod");
    const outside = bed.netns("srv");
    bed.veth(netns, `${POD}/24`, outside, `${SERVER.address}/24`);
    object = await load(readElf(readFileSync(OBJECT)), { programs: [] });
    for (const name of ["steered", "proxied", "listeners"]) map(name).pin(`${pins}/${name}`);
    server.listen({ fd: listenTcp({ ...SERVER, netns: outside }).fd });
    supervisor = supervise();
  });
  afterAll(async () => {
    await supervisor.stop(0);
    endLeftWaypoint(stateDir);
    server.closeAllConnections();
    server.close();
    object.close();
    rmSync(pins, { recursive: true, force: true });
    rmSync(stateDir, { recursive: true });
    bed.close();
  });

  test("is not started before a policy asks for it", async () => {
    addPod(policyOf(verdict("allow")));
    expect(supervisor.state().state).toBe("stopped");
  });

  test("dials from the pod, so that the far end sees the pod", async () => {
    supervisor.apply(change(policyOf(verdict("redirect", 1)), [ruleSet(1, "/ok.*")]));
    await until(() => up.has("default/pod"));
    const { client, state, ask } = dial(1);
    expect(await ask("/ok/1")).toBe(`200 ${POD} /ok/1`);
    expect(await ask("/no")).toBe("403 Access denied\r\n");
    expect([...map("proxied").entriesRaw()]).toHaveLength(1);
    client.end();
    await until(() => state.closed && [...map("proxied").entriesRaw()].length === 0);
    await until(() => records.length === 2);
    expect(
      records.map(([pod, { path, status, rule, origin }]) => [pod, path, status, rule, origin.client.address]),
    ).toEqual([
      ["default/pod", "/ok/1", 200, 11, POD],
      ["default/pod", "/no", 403, 0, POD],
    ]);
  });

  test("a connection that no program announced is closed", async () => {
    const bare = bindTcp({ address: "127.0.0.1", port: 0, netns });
    const socket = new Socket({ fd: bare.connect({ address: "127.0.0.1", port: EGRESS_PORT }) });
    socket.on("error", () => undefined).resume();
    await new Promise((resolve) => socket.on("close", resolve));
    await until(() => problems.length > 0);
    expect(problems[0]).toMatch(/^W004 closed a connection that no policy sent here: 127\.0\.0\.1:/);
  });

  test("other rules hold from the next request on, none at all from now on", async () => {
    const { state, ask } = dial(1);
    expect(await ask("/ok")).toMatch(/^200/);
    supervisor.apply(change(policyOf(verdict("redirect", 2)), [ruleSet(2, "/new")], [1]));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([await ask("/ok"), await ask("/new")]).toEqual(["403 Access denied\r\n", `200 ${POD} /new`]);
    // A plain rule allows the flow as well now: no restriction is left.
    supervisor.apply(change(policyOf(verdict("redirect", 2))));
    supervisor.apply(change({ ...policyOf(verdict("allow")), ingress: policyOf(verdict("redirect", 2)).egress }));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await ask("/anything")).toBe(`200 ${POD} /anything`);
    supervisor.apply(change({ ...policyOf(verdict("deny")), ingress: policyOf(verdict("redirect", 2)).egress }));
    await until(() => state.closed);
  });

  test("where the kernel names older rules, the agent's hold", async () => {
    supervisor.apply(change(policyOf(verdict("redirect", 3)), [ruleSet(3, "/three")], [2]));
    // It listens again for egress, which nobody had asked for meanwhile.
    let listens = false;
    while (!listens) {
      const probe = dial(3);
      listens = (await probe.ask("/three")) !== "closed";
      probe.client.destroy();
    }
    const { client, ask } = dial(1);
    expect([await ask("/ok"), await ask("/three")]).toEqual(["403 Access denied\r\n", `200 ${POD} /three`]);
    client.destroy();
  });

  test("killed: down at once, and up again", async () => {
    const { pid } = supervisor.state();
    process.kill(pid ?? 0, "SIGKILL");
    await until(() => up.size === 0);
    await until(() => up.has("default/pod"));
    expect(supervisor.state()).toMatchObject({ state: "running", restarts: 1 });
    expect(problems.at(-1)).toMatch(/^W002 .*SIGKILL/);
    const { client, ask } = dial(3);
    expect(await ask("/three")).toMatch(/^200/);
    client.destroy();
  });

  test("another agent: the process before goes on until the new one listens, and drains", async () => {
    const old = supervisor.state().pid ?? 0;
    const before = dial(3);
    expect(await before.ask("/three")).toMatch(/^200/);
    supervisor.leave();
    supervisor = supervise();
    expect(supervisor.inherited).toBe(true);
    supervisor.apply(change(policyOf(verdict("redirect", 3)), [ruleSet(3, "/three")]));
    addPod(policyOf(verdict("redirect", 3)));
    // One pod is listened for before the other: until then the old process has the other.
    const other = { pod: "default/other", id: 8, netns, addresses: [POD] };
    supervisor.add(other, policyOf(verdict("redirect", 3)));
    const answers: string[] = [];
    served.length = 0;
    await until(() => supervisor.state().endpoints.length === 2);
    expect(served).toEqual([new Set(["default/pod", "default/other"]), new Set(["default/pod", "default/other"])]);
    supervisor.remove(other.pod);
    await until(() => up.size === 1);
    for (let i = 0; i < 20; i++) {
      const { client, ask } = dial(3);
      answers.push(await ask("/three"));
      client.destroy();
    }
    expect(answers.filter((answer) => !answer.startsWith("200"))).toEqual([]);
    // The connection that the old process has gets its answers, and is told which is the last.
    do expect(await before.ask("/three")).toMatch(/^200/);
    while (!before.state.text.includes("connection: close"));
    before.client.destroy();
    await until(() => !isRunning(old));
  });

  test("a pod that goes away takes its connections along", async () => {
    const { state, ask } = dial(3);
    expect(await ask("/three")).toMatch(/^200/);
    supervisor.remove("default/pod");
    await until(() => state.closed);
    expect(up.size).toBe(0);
    addPod(policyOf(verdict("redirect", 3)));
    await until(() => up.has("default/pod"));
  });

  test("ends when no policy asks for it any more", async () => {
    const { pid } = supervisor.state();
    supervisor.apply(change(policyOf(verdict("allow")), [], [3]));
    await until(() => supervisor.state().state === "stopped" && !isRunning(pid ?? 0), 10_000);
    expect(up.size).toBe(0);
  });

  test("goes on when the agent is killed before it hears that it listens", async () => {
    const orphan = fork(PROGRAM, { serialization: "advanced", execArgv: [] });
    const send = (message: ToWaypoint) => orphan.send(message);
    try {
      const ready = new Promise((resolve) => orphan.once("message", resolve));
      send({ kind: "configure", maps, egressPort: EGRESS_PORT, netns: null });
      send({ kind: "rules", set: [ruleSet(4, "/four")], deleted: [] });
      await ready;
      orphan.kill("SIGSTOP");
      send({ kind: "endpoint", endpoint: { id: 7, netns, addresses: [POD], ingress: true, egress: true } });
      // The channel is closed before the process says what it did.
      orphan.disconnect();
      orphan.kill("SIGCONT");
      let answer = "";
      for (const end = Date.now() + 3000; answer !== `200 ${POD} /four` && Date.now() < end;) {
        const { client, ask } = dial(4);
        answer = await ask("/four");
        client.destroy();
      }
      expect(answer).toBe(`200 ${POD} /four`);
      expect([...map("listeners").entriesRaw()]).toHaveLength(1);
    } finally {
      orphan.kill("SIGKILL");
    }
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
