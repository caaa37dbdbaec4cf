// A client, a node that forwards, and a pod, each a network namespace, with the mesh's programs and a waypoint: port 80 of the pod has
// HTTP rules, 8080 a plain rule. The tables are written as the agent would for one identity.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readElf } from "ebpf-ts/elf";
import { attachNetns, attachTcx, indexOfInterface, load } from "ebpf-ts/loader";
import * as layouts from "../../../dist/mesh/datapath/layouts.js";
import { mappedBytes, parseAddress } from "../../../dist/mesh/objects/address.js";
import { endLeftWaypoint, WaypointSupervisor } from "../../../dist/mesh/waypoint/supervisor.js";

export const POD = "10.79.0.2";
export const HTTP_PORT = 80;
export const PLAIN_PORT = 8080;

const [NODE, NODE_TO_CLIENT, CLIENT] = ["10.79.0.1", "10.79.1.1", "10.79.1.2"];
const [IDENTITY, ENDPOINT, POLICY, PORTS, TCP] = [300, 7, 1, 1, 6];
const OBJECT = new URL("../../../dist/programs/mesh.o", import.meta.url);

const ip = (...args) => execFileSync("ip", args, { stdio: "pipe" });
const bytes = (text) => mappedBytes(parseAddress(text));

/** A veth from the node to a place that has its default route through it. */
function wire(node, place, device, nodeAddress, address) {
  ip("-n", node, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", place);
  ip("-n", node, "addr", "add", `${nodeAddress}/24`, "dev", device);
  ip("-n", node, "link", "set", device, "up");
  ip("-n", place, "addr", "add", `${address}/24`, "dev", "eth0");
  ip("-n", place, "link", "set", "eth0", "up");
  ip("-n", place, "link", "set", "lo", "up");
  ip("-n", place, "route", "add", "default", "via", nodeAddress);
}

/** What the agent writes: who is who, and that the client's identity may do. */
function writeTables(object) {
  const put = (map, keyLayout, key, layout, value) =>
    object.map(map).setRaw(layouts.encodeOne(keyLayout, key), layouts.encodeOne(layout, value));
  const host = (address, identity, endpoint, local) =>
    object.map("hosts").setRaw(bytes(address), layouts.encodeOne(layouts.HOST, { identity, endpoint, local }));
  host(POD, 400, ENDPOINT, false);
  host(CLIENT, IDENTITY, 0, false);
  for (const address of [NODE, NODE_TO_CLIENT]) host(address, 1, 0, true);
  const judge = (identity, direction, action, ports, flags) =>
    put("judgements", layouts.JUDGEMENT_KEY, { policy: POLICY, identity, direction }, layouts.JUDGEMENT, {
      ports,
      rule: 0,
      action,
      flags,
      l7: 0,
    });
  judge(0, 0, "deny", 0, 0);
  judge(IDENTITY, 0, "deny", PORTS, layouts.JudgementFlag.exact);
  judge(0, 1, "allow", 0, 0);
  const verdict = (port, value) =>
    put("verdicts", layouts.PORT_KEY, { ports: PORTS, protocol: TCP, port }, layouts.VERDICT, { rule: 1, ...value });
  verdict(HTTP_PORT, { action: "redirect", l7: 1 });
  verdict(PLAIN_PORT, { action: "allow", l7: 0 });
}

function policyOf() {
  const plain = (action) => ({ verdict: { action, l7: 0, rule: 0 }, ports: null });
  const redirect = { action: "redirect", l7: 1, rule: 1 };
  const ports = { number: PORTS, entries: [{ protocol: TCP, port: HTTP_PORT, bits: 16, verdict: redirect }] };
  return {
    ingress: { otherwise: plain("deny"), identities: new Map([[IDENTITY, { ...plain("deny"), ports }]]) },
    egress: { otherwise: plain("allow"), identities: new Map() },
  };
}

function changeOf(rules) {
  return {
    first: null,
    newPortTables: [],
    newHttpRules: [{ number: 1, dns: [], rules }],
    newRules: [],
    endpoints: new Map(),
    hosts: { set: [], deleted: [] },
    identities: new Map(),
    prefilter: null,
    oldPortTables: [],
    oldHttpRules: [],
  };
}

/** `inPod`, `inClient`: what to write before a command to run it there. The waypoint is pinned to the CPU. */
export async function startSteeredPod(rules, cpu) {
  const id = `bwp${process.pid}`;
  const [node, pod, client] = ["n", "p", "c"].map((letter) => `${id}${letter}`);
  const pins = `/sys/fs/bpf/${id}`;
  const stateDir = mkdtempSync(join(tmpdir(), "bench-waypoint-"));
  const undo = [
    () => rmSync(stateDir, { recursive: true, force: true }),
    () => rmSync(pins, { recursive: true, force: true }),
  ];
  const close = async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    for (const name of [node, pod, client]) {
      ip("netns", "add", name);
      undo.push(() => ip("netns", "del", name));
    }
    wire(node, pod, "vpod", NODE, POD);
    wire(node, client, "vclient", NODE_TO_CLIENT, CLIENT);
    execFileSync("ip", ["netns", "exec", node, "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    const object = await load(readElf(readFileSync(OBJECT)), { programs: ["to_pod", "from_pod", "steer"] });
    undo.push(() => object.close());
    for (const name of ["steered", "proxied", "listeners"]) object.map(name).pin(`${pins}/${name}`);
    writeTables(object);
    const where = { interface: "vpod", netns: `/run/netns/${node}` };
    const setUp = (up) => {
      const flags = up ? layouts.EndpointFlag.waypointUp : 0;
      const row = { ipv4: bytes(POD), ipv6: null, id: ENDPOINT, identity: 400, generation: 1, flags, policy: POLICY };
      const key = layouts.encodeOne(layouts.U32, indexOfInterface(where));
      object.map("endpoints").setRaw(key, layouts.encodeOne(layouts.ENDPOINT, row));
    };
    setUp(false);
    const links = [
      attachTcx(object.program("to_pod"), where),
      attachTcx(object.program("from_pod"), where),
      attachNetns(object.program("steer"), `/run/netns/${pod}`),
    ];
    undo.push(() => links.forEach((link) => link.close()));
    await startWaypoint({ rules, cpu, pins, stateDir, node, pod, setUp, undo });
    return { inPod: ["ip", "netns", "exec", pod], inClient: ["ip", "netns", "exec", client], close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startWaypoint({ rules, cpu, pins, stateDir, node, pod, setUp, undo }) {
  let listens;
  const listening = new Promise((resolve) => (listens = resolve));
  const supervisor = new WaypointSupervisor({
    maps: { steered: `${pins}/steered`, proxied: `${pins}/proxied`, listeners: `${pins}/listeners` },
    egressPort: 15_001,
    netns: `/run/netns/${node}`,
    stateDir,
    identityOf: () => IDENTITY,
    changed: (pods) => {
      setUp(pods.size > 0);
      if (pods.size > 0) listens();
    },
    access() {},
    diagnose: ({ message }) => process.stderr.write(`${message}\n`),
  });
  undo.push(async () => {
    await supervisor.stop(0);
    endLeftWaypoint(stateDir);
  });
  supervisor.apply(changeOf(rules));
  supervisor.add({ pod: "bench/pod", id: ENDPOINT, netns: `/run/netns/${pod}`, addresses: [POD] }, policyOf());
  await listening;
  execFileSync("taskset", ["-acp", String(cpu), String(supervisor.state().pid)], { stdio: "pipe" });
}
