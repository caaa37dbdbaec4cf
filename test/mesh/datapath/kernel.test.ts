/** The datapath on a real kernel: pods of namespaces, real connections, and what is left in bpffs and on the devices. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readElf, writeElf } from "../../../lib/elf/index.ts";
import { listTcx, openLink } from "../../../loader/index.ts";
import { createBed, whyNoBed } from "../../../mesh/bed/bed.ts";
import type { Bed, NodePlace } from "../../../mesh/bed/bed.ts";
import type { Hand } from "../../../mesh/bed/hand-process.ts";
import { Datapath } from "../../../mesh/datapath/datapath.ts";
import type { DatapathOptions, Findings } from "../../../mesh/datapath/datapath.ts";
import { uninstall } from "../../../mesh/datapath/uninstall.ts";
import type { EngineChange } from "../../../mesh/policy/types.ts";
import { startFlood } from "../agent/flood.ts";
import { changeOf, endpointOf, hostEntry, known, letIn, OPEN } from "./cluster.ts";

const reason = whyNoBed()?.message ?? null;
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

const ROOT = resolve(import.meta.dirname, "../../..");
const PORT = 7;
const [CLIENT, SERVER, STRANGER, INIT] = [300, 301, 302, 5];
const ADDRESSES = { client: "10.244.1.1", server: "10.244.1.2", stranger: "10.244.1.3" } as const;
type Name = keyof typeof ADDRESSES;
const NAMES = Object.keys(ADDRESSES) as Name[];
const IDENTITIES = { client: CLIENT, server: SERVER, stranger: STRANGER } as const;

const CLUSTER: EngineChange = changeOf({
  hosts: {
    set: [
      hostEntry("172.18.0.11", 1, null, true),
      ...NAMES.map((name) => hostEntry(ADDRESSES[name], IDENTITIES[name], `default/${name}`)),
    ],
    deleted: [],
  },
});

/** As it was left. */
const NOTHING: Findings = { diagnostics: [], gone: [], unattached: new Map() };

let bed: Bed;
let node: NodePlace;
const hands = new Map<Name, Hand>();
const hand = (name: Name): Hand => hands.get(name) as Hand;
let open: Datapath[] = [];

const openDatapath = async (more: Partial<DatapathOptions> = {}): Promise<Datapath> => {
  const datapath = await Datapath.open({
    bpffs: node.pins,
    stateDir: join(node.files, "state"),
    netns: node.netns,
    ...more,
  });
  open.push(datapath);
  return datapath;
};

const CLOSED = letIn(PORT, CLIENT);
/** What the pods' policies are when nothing else is said. */
const policyOf = (name: Name) => known(IDENTITIES[name], name === "server" ? CLOSED : OPEN);
const endpoints = () =>
  NAMES.map((name, i) => [endpointOf(bed.pod(`default/${name}`), i + 1), policyOf(name)] as const);

const reach = async (from: Name, to: Name = "server", limitMs = 300): Promise<string> =>
  (await hand(from).try({ service: "tcp", address: ADDRESSES[to], port: PORT, limitMs })).outcome;

beforeAll(async () => {
  if (reason !== null) return;
  bed = await createBed({
    nodes: [{ name: "n1", addresses: ["172.18.0.11"] }],
    pods: NAMES.map((name) => ({
      namespace: "default",
      name,
      node: "n1",
      addresses: [ADDRESSES[name]],
      hostNetwork: false,
    })),
    outside: [],
  });
  node = bed.node("n1");
  await Promise.all(
    NAMES.map(async (name) => {
      const started = await bed.start(bed.pod(`default/${name}`));
      await started.listen("tcp", PORT);
      await started.listen("udp", PORT);
      hands.set(name, started);
    }),
  );
});

// What a test leaves in bpffs the next one finds: its agent is another restart.
afterEach(() => {
  for (const datapath of open.splice(0)) datapath.close();
});
afterAll(() => bed?.close());

/** The programs with maps of other sizes, as a file. */
function objectWith(sizes: Readonly<Record<string, number>>): string {
  const spec = readElf(readFileSync(join(ROOT, "dist/programs/mesh.o")));
  const maps = spec.maps.map((map) => ({ ...map, maxEntries: sizes[map.name] ?? map.maxEntries }));
  const path = join(node.files, `${Object.keys(sizes).join("-")}.o`);
  writeFileSync(path, writeElf({ ...spec, maps }));
  return path;
}

const chain = (name: Name): number =>
  (["ingress", "egress"] as const).reduce(
    (sum, direction) =>
      sum +
      listTcx({ interface: bed.pod(`default/${name}`).nodeDevice?.name ?? "", netns: node.netns }, direction).length,
    0,
  );

describe.skipIf(reason !== null)("the datapath", () => {
  test("policy is in force, changes live, and leaves nothing", async () => {
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "reached"]);
    const datapath = await openDatapath();
    expect(datapath.begin(CLUSTER, endpoints())).toMatchObject({ gone: [] });
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
    const kept = await hand("client").connect(ADDRESSES.server, PORT, 1000);
    datapath.apply(changeOf({ endpoints: new Map([["default/server", letIn(PORT, STRANGER)]]) }));
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["timeout", "reached"]);
    // The open connection is judged again.
    const exchanged = hand("client")
      .exchange(kept.connection, 1, 10)
      .catch(() => null);
    expect(await Promise.race([exchanged, new Promise((done) => setTimeout(done, 400, "silence"))])).toBe("silence");
    datapath.apply(changeOf({ endpoints: new Map([["default/server", letIn(PORT, CLIENT)]]) }));
    expect(await exchanged).toMatchObject({ intact: true });
    expect(NAMES.map(chain)).toEqual([2, 2, 2]);
    datapath.uninstall();
    open = [];
    expect([NAMES.map(chain), existsSync(node.pins)]).toEqual([[0, 0, 0], false]);
    expect(await hand("client").exchange(kept.connection, 2, 10)).toMatchObject({ intact: true });
    expect(await reach("stranger")).toBe("reached");
  });

  test("a pod that moves to another identity is another to everybody at once", async () => {
    const datapath = await openDatapath();
    datapath.begin(CLUSTER, endpoints());
    const kept = await hand("client").connect(ADDRESSES.server, PORT, 1000);
    datapath.apply(
      changeOf({
        hosts: { set: [hostEntry(ADDRESSES.client, STRANGER, "default/client")], deleted: [] },
        identities: new Map([["default/client", STRANGER]]),
      }),
    );
    expect(await reach("client")).toBe("timeout");
    const exchanged = hand("client")
      .exchange(kept.connection, 1, 10)
      .catch(() => null);
    expect(await Promise.race([exchanged, new Promise((done) => setTimeout(done, 400, "silence"))])).toBe("silence");
  });

  test("the next agent finds everything as it was, and nothing is let through in between", async () => {
    const first = await openDatapath();
    first.begin(CLUSTER, endpoints());
    await expect(openDatapath()).rejects.toThrow(/N004/);
    const kept = await hand("client").connect(ADDRESSES.server, PORT, 1000);
    first.close();
    open = [];
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
    const second = await openDatapath();
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
    expect(second.begin(CLUSTER, endpoints())).toEqual(NOTHING);
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
    expect(await hand("client").exchange(kept.connection, 5, 100)).toMatchObject({ intact: true });
    expect(NAMES.map(chain)).toEqual([2, 2, 2]);
  });

  test("what somebody else removed or replaced is repaired and told", async () => {
    const datapath = await openDatapath();
    datapath.begin(CLUSTER, endpoints());
    expect(datapath.check()).toEqual(NOTHING);
    const pin = join(node.pins, "links/2/to_pod");
    openLink(pin).detach();
    rmSync(pin);
    const [map = ""] = readdirSync(join(node.pins, "maps")).filter((name) => name.startsWith("hosts-"));
    rmSync(join(node.pins, "maps", map));
    datapath.map("endpoints").clear();
    const { diagnostics } = datapath.check();
    expect(diagnostics.map(({ code, message }) => `${code} ${message}`)).toEqual([
      "N010 the pin of map hosts was gone or another map's",
      ...NAMES.map((name) => `N010 the entry of endpoint default/${name} was gone or changed`),
      "N010 program to_pod of endpoint 2 was not attached",
    ]);
    expect(datapath.check()).toEqual(NOTHING);
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
  });

  test("a pod that is taken out of policy while its interface is there carries nothing", async () => {
    const datapath = await openDatapath();
    datapath.begin(CLUSTER, endpoints());
    datapath.remove("default/server");
    expect(await reach("client")).toBe("timeout");
    expect(chain("server")).toBe(2);
    // And the next agent, which does not know it, leaves it so.
    datapath.close();
    open = [];
    const next = await openDatapath();
    next.begin(
      CLUSTER,
      endpoints().filter(([{ pod }]) => pod !== "default/server"),
    );
    expect(await reach("client")).toBe("timeout");
    const { id } = next.add(endpointOf(bed.pod("default/server")), policyOf("server"));
    expect(id).toBe(2); // the programs that were left there are its
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
  });

  test("a pod that the cluster does not know is nobody's peer", async () => {
    const datapath = await openDatapath();
    datapath.begin(
      CLUSTER,
      endpoints().filter(([{ pod }]) => pod !== "default/server"),
    );
    datapath.add(endpointOf(bed.pod("default/server")), known(INIT, letIn(PORT)));
    expect(await reach("client")).toBe("timeout");
    datapath.apply(
      changeOf({
        endpoints: new Map([["default/server", CLOSED]]),
        identities: new Map([["default/server", SERVER]]),
      }),
    );
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
  });

  test("an upgrade to other layouts keeps connections, and lets nothing through in between", async () => {
    const first = await openDatapath();
    first.begin(CLUSTER, endpoints());
    const flood = await startFlood(bed.pod("default/stranger"), ADDRESSES.server, PORT);
    const kept = await hand("client").connect(ADDRESSES.server, PORT, 1000);
    expect(await hand("client").exchange(kept.connection, 1, 100)).toMatchObject({ intact: true });
    first.close();
    open = [];
    const talking = hand("client").exchange(kept.connection, 2000, 100);
    const second = await openDatapath({ object: objectWith({ flows: 32_768, judgements: 10_000 }) });
    const { diagnostics } = second.begin(CLUSTER, endpoints());
    expect(diagnostics.map(({ message }) => message)).toEqual([
      "map judgements has another layout than before: it starts afresh",
      "map flows has another layout than before: its entries were carried over",
    ]);
    expect(await talking).toMatchObject({ intact: true });
    expect(await hand("client").exchange(kept.connection, 5, 100)).toMatchObject({ intact: true });
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "timeout"]);
    expect([await flood.replies(), (await flood.sent()) > 100]).toEqual([0, true]);
    expect(readdirSync(join(node.pins, "maps")).filter((name) => name.startsWith("flows-")).length).toBe(1);
  }, 30_000);

  test("what does not fit is denied, and fits again when there is room", async () => {
    const datapath = await openDatapath({ object: objectWith({ judgements: 16, hosts: 3 }) });
    const larger = letIn(PORT, CLIENT, ...Array.from({ length: 20 }, (_, i) => 1000 + i));
    datapath.begin(CLUSTER, endpoints());
    // The node and its three pods are four.
    expect(datapath.alarms().map(({ code }) => code)).toContain("N008");
    datapath.apply(changeOf({ endpoints: new Map([["default/server", larger]]) }));
    expect(datapath.lockedDown()).toEqual(["default/server"]);
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["timeout", "timeout"]);
    datapath.apply(changeOf({ endpoints: new Map([["default/server", OPEN]]) }));
    expect(datapath.lockedDown()).toEqual([]);
    // One of the pods has no room for its address: whoever it is, it is denied, though the policy is open.
    const outcomes = await Promise.all([reach("client"), reach("stranger")]);
    expect(outcomes.toSorted()).toEqual(["reached", "timeout"]);
    datapath.apply(changeOf({ hosts: { set: [], deleted: ["172.18.0.11/32"] } }));
    expect(await Promise.all([reach("client"), reach("stranger")])).toEqual(["reached", "reached"]);
  }, 30_000);

  test("forced removal needs nothing but the folder", async () => {
    const datapath = await openDatapath();
    datapath.begin(CLUSTER, endpoints());
    await expect(uninstall(node.pins)).rejects.toThrow(/N004/);
    writeFileSync(join(node.files, "state/programs.o"), "damaged");
    await uninstall(node.pins, { force: true });
    expect([NAMES.map(chain), existsSync(node.pins)]).toEqual([[0, 0, 0], false]);
    expect(await reach("stranger")).toBe("reached");
  });

  test("a pod that is gone is told, removed, and its number is free again", async () => {
    const datapath = await openDatapath();
    const all = endpoints();
    datapath.begin(CLUSTER, all);
    await bed.deletePod("default/stranger");
    expect(datapath.check()).toMatchObject({ gone: ["default/stranger"] });
    expect(datapath.remove("default/stranger")).toBe(true);
    expect(readdirSync(join(node.pins, "links")).toSorted()).toEqual(["1", "2", "node"]);
    datapath.close();
    open = [];
    const next = await openDatapath();
    expect(next.begin(CLUSTER, all.slice(0, 2))).toEqual(NOTHING);
    expect([...next.map("endpoints").keys()].length).toBe(2);
  });
});
