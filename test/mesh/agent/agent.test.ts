/**
 * Agents as processes on a real kernel: pods that are registered while somebody floods them, policies that change, agents that
 * are killed, and removal. A sender whom policy forbids runs throughout.
 */
import { execFileSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listTcx, openMap } from "../../../loader/index.ts";
import { agentCni, ClusterFolder, startAgent } from "../../../mesh/bed/agent.ts";
import type { BedAgent } from "../../../mesh/bed/agent.ts";
import { createBed, whyNoBed } from "../../../mesh/bed/bed.ts";
import type { Bed, NodePlace } from "../../../mesh/bed/bed.ts";
import type { Hand } from "../../../mesh/bed/hand-process.ts";
import { spawnIn } from "../../../mesh/bed/process.ts";
import { EndpointFlag, readEndpoint } from "../../../mesh/datapath/layouts.ts";
import { CLUSTER, FORBIDDEN, PODS, POLICY } from "./cluster.ts";
import type { PodName } from "./cluster.ts";
import { startFlood } from "./flood.ts";
import type { Flood } from "./flood.ts";

const reason = whyNoBed()?.message ?? null;
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

const COMMAND = resolve(import.meta.dirname, "../../../dist/cli/main.js");
const PORT = 7;
const seed = Number(process.env["SEED"] ?? 4003);

describe.skipIf(reason !== null)(`an agent (seed ${seed})`, () => {
  let bed: Bed;
  let node: NodePlace;
  let folder: ClusterFolder;
  let agent: BedAgent;
  let flood: Flood;
  const hands = new Map<PodName, Hand>();
  const hand = (name: PodName): Hand => hands.get(name) as Hand;
  const reach = async (from: PodName, to: PodName = "server"): Promise<string> =>
    (await hand(from).try({ service: "tcp", address: PODS[to].address, port: PORT, limitMs: 400 })).outcome;
  const revision = async (): Promise<number> => (await agent.client.status()).policy.revision;
  /** Writes a file and waits until the agent has it in the kernel. */
  const write = async (name: string, text: string): Promise<void> => {
    const before = await revision();
    folder.write(name, text);
    for (let i = 0; i < 200 && (await revision()) === before; i++) await sleep(5);
  };
  const addPods = async (...names: readonly PodName[]): Promise<void> => {
    const pods = names.map((name) => ({
      namespace: "shop",
      name,
      node: "n1",
      addresses: [PODS[name].address],
      hostNetwork: false,
    }));
    await bed.addPods(
      pods,
      agentCni(() => agent),
    );
    for (const name of names) {
      hands.set(name, await bed.start(bed.pod(`shop/${name}`)));
      await hand(name).listen("tcp", PORT);
      await hand(name).listen("udp", PORT);
    }
  };

  /** An agent of which nobody waits until it is ready. */
  const spawnUp = (socket: string): ChildProcess => {
    const at = ["--socket", join(node.files, socket), "--state", join(node.files, "state"), "--bpffs", node.pins];
    const args = [COMMAND, "mesh", "up", "--node", "n1", "--folder", folder.path, "--cgroup", node.group, ...at];
    return spawnIn(node, process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  };

  beforeAll(async () => {
    bed = await createBed({ nodes: [{ name: "n1", addresses: ["172.18.0.11"] }], pods: [], outside: [] });
    node = bed.node("n1");
    folder = new ClusterFolder(node.files);
    folder.write("cluster.yaml", CLUSTER);
    folder.write("policy.yaml", POLICY);
    agent = await startAgent(node, folder.path);
    await addPods("stranger");
    flood = await startFlood(bed.pod("shop/stranger"), PODS.server.address, PORT);
  }, 60_000);
  afterAll(() => bed.close());

  test("a pod is under policy before its link is up", async () => {
    await addPods("server", "client");
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
    expect(await agent.client.endpoints()).toMatchObject([
      { name: "stranger", state: "ready", enforcing: { ingress: false } },
      { name: "server", state: "ready", enforcing: { ingress: true, egress: false }, id: 2 },
      { name: "client", state: "ready" },
    ]);
    expect(await flood.replies()).toBe(0);
  }, 30_000);

  test("a second agent on the same folder is refused", async () => {
    const second = spawnUp("second.sock");
    let said = "";
    second.stderr?.on("data", (text: Buffer) => (said += text.toString()));
    expect(await once(second, "exit")).toEqual([1, null]);
    expect(said).toMatch(/N004/);
    expect(await reach("client")).toBe("reached");
  }, 30_000);

  test("policy follows its file, and a pod that the cluster forgets is closed", async () => {
    await write("policy.yaml", FORBIDDEN);
    expect(await reach("client")).toBe("timeout");
    await write("policy.yaml", POLICY);
    expect(await reach("client")).toBe("reached");
    await write(
      "cluster.yaml",
      CLUSTER.replace(/---\napiVersion: v1\nkind: Pod\nmetadata: \{ name: server[^]*?(?=---)/, ""),
    );
    expect(await reach("client")).toBe("timeout");
    expect(await agent.client.endpoints()).toMatchObject([
      {},
      { name: "server", state: "waiting-for-identity", identity: 5 },
      {},
    ]);
    await write("cluster.yaml", CLUSTER);
    expect(await reach("client")).toBe("reached");
  }, 30_000);

  test("a pod has to ask for the shortcut", async () => {
    const folderOfMaps = join(node.pins, "maps");
    const mayNot = (): readonly boolean[] => {
      const pin = readdirSync(folderOfMaps).find((name) => name.startsWith("endpoints")) ?? "";
      using map = openMap(join(folderOfMaps, pin));
      const rows = [...map.entriesRaw()].map(([, row]) => readEndpoint(row)).toSorted((a, b) => a.id - b.id);
      return rows.map(({ flags }) => (flags & EndpointFlag.noShortcut) !== 0);
    };
    expect(mayNot()).toEqual([true, true, true]);
    const asking = "metadata: { name: server, annotations: { mesh.ebpf-ts.dev/shortcut: enabled },";
    await write("cluster.yaml", CLUSTER.replace("metadata: { name: server,", asking));
    expect(mayNot()).toEqual([true, false, true]);
    expect((await agent.client.status()).drift).toEqual([]);
    await write("cluster.yaml", CLUSTER);
    expect(mayNot()).toEqual([true, true, true]);
  }, 30_000);

  test("killed at any moment, it is as if nothing had been", async () => {
    const kept = await hand("client").connect(PODS.server.address, PORT, 1000);
    let state = seed;
    for (let round = 0; round < 4; round++) {
      const talking = hand("client").exchange(kept.connection, 50, 200);
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      await sleep(state % 60);
      await agent.end("SIGKILL");
      expect(await talking).toMatchObject({ intact: true });
      if (round % 2 === 1) {
        // In the middle of its start, too.
        const halfway = spawnUp("mesh.sock");
        await sleep(200 + (state % 400));
        halfway.kill("SIGKILL");
        await once(halfway, "exit");
      }
      agent = await startAgent(node, folder.path);
      expect(await hand("client").exchange(kept.connection, 20, 200)).toMatchObject({ intact: true });
    }
    expect((await agent.client.endpoints()).map(({ name, id }) => [name, id])).toEqual([
      ["stranger", 1],
      ["server", 2],
      ["client", 3],
    ]);
    expect((await agent.client.status()).drift).toEqual([]);
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
  }, 60_000);

  test("uninstalling leaves nothing, and connections go on", async () => {
    const kept = await hand("client").connect(PODS.server.address, PORT, 1000);
    expect(await flood.replies(), "none of what policy forbids came through").toBe(0);
    expect(await flood.sent()).toBeGreaterThan(1000);
    await agent.end("SIGTERM");
    const device = bed.pod("shop/server").nodeDevice?.name ?? "";
    const chain = () =>
      (["ingress", "egress"] as const).map(
        (direction) => listTcx({ interface: device, netns: node.netns }, direction).length,
      );
    expect(chain()).toEqual([1, 1]);
    const state = join(node.files, "state");
    execFileSync(process.execPath, [COMMAND, "mesh", "uninstall", "--bpffs", node.pins, "--state", state]);
    expect([chain(), existsSync(node.pins), existsSync(state)]).toEqual([[0, 0], false, false]);
    expect(await hand("client").exchange(kept.connection, 5, 100)).toMatchObject({ intact: true });
    expect(await reach("stranger")).toBe("reached");
    expect(await flood.replies(), "now they do").toBeGreaterThan(0);
    expect(readFileSync(agent.log, "utf8")).not.toContain('"level":"error"');
  }, 30_000);
});
