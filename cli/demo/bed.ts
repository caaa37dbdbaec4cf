/**
 * The demo's test bed: pods as network namespaces, joined by a node that routes between them.
 *
 *        node namespace (forwards)
 *    pod0 169.254.1.1   pod1 169.254.1.1   …         one veth pair per pod, named after its place in the list
 *      |                  |
 *    eth0 10.244.0.1/32  eth0 10.244.0.2/32          default route via 169.254.1.1
 *    pod namespace       pod namespace
 *
 * Each pod also has a cgroup; its processes run in both. Nothing touches the machine's own namespace: no device of it
 * is used, no packet leaves the bed. Neighbours are permanent entries and IPv6 is off, so that interface counters count
 * what the pods send and nothing else.
 *
 * A bed is removed by `close()`, when the process exits for whatever reason that lets it run code, and by the next bed
 * when it was killed (`removeLeftovers`). Removing is synchronous, so that it works in an exit handler.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EnvironmentError, environmentError } from "../diagnostics.ts";
import { createCgroup, findCgroup2, removeCgroup } from "./cgroup.ts";
import { startPeer } from "./peer-process.ts";
import type { Peer } from "./peer-process.ts";
import { isLeftover, nextRunId, runIdOf } from "./run-id.ts";
import { findTool, runTool, TOOLS } from "./tools.ts";
import type { Tool } from "./tools.ts";

const NETNS_DIRECTORY = "/run/netns";
const GATEWAY = "169.254.1.1";
/** A delayed acknowledgement comes within 40 ms (TCP_DELACK_MIN): three quiet reads are longer than that. */
const SETTLE_POLL_MS = 20;
const QUIET_READS = 3;
const SETTLE_LIMIT_MS = 2_000;

export interface PodOptions {
  /** Lower-case word. */
  readonly name: string;
  /** Dotted IPv4 address. */
  readonly address: string;
}

export interface Pod extends PodOptions {
  /** Path to open for setns, `nsenter --net=` or a netns link. */
  readonly netns: string;
  /** Directory in the cgroup v2 hierarchy. */
  readonly cgroup: string;
  /** The pod's own device, in its namespace. */
  readonly device: { readonly name: string; readonly index: number };
  /** The other end, in the node's namespace. */
  readonly nodeDevice: { readonly name: string; readonly index: number };
}

/** Packets that passed a pod's own device. */
export interface Counters {
  readonly received: number;
  readonly sent: number;
}

export interface Bed {
  readonly id: string;
  /** Path of the node's network namespace. */
  readonly netns: string;
  /** The parent of the pods' cgroups. */
  readonly cgroup: string;
  readonly pods: readonly Pod[];
  /** Throws `RangeError` for a name that is none of the pods'. */
  pod(name: string): Pod;
  /** Starts a process inside a pod that connects and listens as told. It ends with the bed at the latest. */
  start(pod: Pod): Promise<Peer>;
  counters(pod: Pod): Counters;
  /** Waits until no device's counters move: late acknowledgements have come. Gives up after two seconds. */
  settle(): Promise<void>;
  /** Ends the processes and removes namespaces and groups. Doing it again does nothing. */
  close(): void;
  [Symbol.dispose](): void;
}

/** Why this machine cannot carry a bed, as an error to show; null when it can. */
export function whyNoBed(): EnvironmentError | null {
  try {
    for (const tool of Object.keys(TOOLS) as Tool[]) findTool(tool);
    if (process.geteuid?.() !== 0) {
      throw environmentError("M002", "the test bed needs root: it makes network namespaces and cgroups", {
        found: `user id ${process.geteuid?.() ?? "unknown"}`,
      });
    }
    findCgroup2();
    return null;
  } catch (error) {
    if (error instanceof EnvironmentError) return error;
    throw error;
  }
}

/** Makes a bed. Leftovers of killed runs go first; a bed that cannot be finished is removed before the error is thrown. */
export function createBed(options: readonly PodOptions[]): Bed {
  const reason = whyNoBed();
  if (reason !== null) throw reason;
  removeLeftovers();
  const id = nextRunId();
  const remove = removeAtExit(id);
  try {
    return build(id, options, remove);
  } catch (error) {
    remove();
    throw error;
  }
}

function build(id: string, options: readonly PodOptions[], remove: () => void): Bed {
  const node = `${id}-node`;
  const cgroup = createCgroup(join(findCgroup2(), id));
  const names = options.map((pod) => `${id}-${pod.name}`);
  runTool("ip", ["-batch", "-"], [node, ...names].map((name) => `netns add ${name}\n`).join(""));
  for (const name of [node, ...names]) quieten(name);
  allowForwarding(node);
  runTool("ip", ["-n", node, "-batch", "-"], nodeCommands(options, names));
  for (const [i, pod] of options.entries()) runTool("ip", ["-n", names[i] ?? "", "-batch", "-"], podCommands(pod, i));
  const nodeDevices = listDevices(node);
  const pods = options.map((pod, i): Pod => {
    const name = names[i] ?? "";
    return {
      ...pod,
      netns: join(NETNS_DIRECTORY, name),
      cgroup: createCgroup(join(cgroup, pod.name)),
      device: findDevice(listDevices(name), "eth0"),
      nodeDevice: findDevice(nodeDevices, `pod${i}`),
    };
  });
  const pod = (name: string): Pod => {
    const found = pods.find((p) => p.name === name);
    if (found === undefined)
      throw new RangeError(`no pod is called ${name}; there are ${pods.map((p) => p.name).join(", ")}`);
    return found;
  };
  return {
    id,
    netns: join(NETNS_DIRECTORY, node),
    cgroup,
    pods,
    pod,
    start: startPeer,
    counters: (p) => readCounters(`${id}-${p.name}`),
    settle: () => settle(names),
    close: remove,
    [Symbol.dispose]: remove,
  };
}

// ---- network ----

const nodeMac = (i: number): string => `02:00:00:00:01:${(i + 1).toString(16).padStart(2, "0")}`;
const podMac = (i: number): string => `02:00:00:00:02:${(i + 1).toString(16).padStart(2, "0")}`;

function nodeCommands(pods: readonly PodOptions[], namespaces: readonly string[]): string {
  const each = pods.map(({ address }, i) => [
    `link add pod${i} address ${nodeMac(i)} type veth peer name eth0 address ${podMac(i)} netns ${namespaces[i]}`,
    `address add ${GATEWAY}/32 dev pod${i}`,
    `link set pod${i} up`,
    `route add ${address}/32 dev pod${i} scope link`,
    `neighbour add ${address} lladdr ${podMac(i)} dev pod${i} nud permanent`,
  ]);
  return ["link set lo up", ...each.flat(), ""].join("\n");
}

function podCommands({ address }: PodOptions, i: number): string {
  return [
    "link set lo up",
    `address add ${address}/32 dev eth0`,
    "link set eth0 up",
    `route add ${GATEWAY}/32 dev eth0 scope link`,
    `route add default via ${GATEWAY}`,
    `neighbour add ${GATEWAY} lladdr ${nodeMac(i)} dev eth0 nud permanent`,
    "",
  ].join("\n");
}

/** /proc/sys/net shows the namespace of the process that opens it. */
function setSysctl(namespace: string, key: string, value: string): void {
  const script = 'test ! -e "$1" || echo "$2" > "$1"';
  const path = `/proc/sys/net/${key}`;
  runTool("nsenter", [`--net=${join(NETNS_DIRECTORY, namespace)}`, findTool("sh"), "-c", script, "sh", path, value]);
}

function quieten(namespace: string): void {
  setSysctl(namespace, "ipv6/conf/default/disable_ipv6", "1");
}

function allowForwarding(namespace: string): void {
  setSysctl(namespace, "ipv4/ip_forward", "1");
}

/** What `ip -j -s link` prints, as far as we read it. */
interface Link {
  readonly ifname: string;
  readonly ifindex: number;
  readonly stats64?: { readonly rx: { readonly packets: number }; readonly tx: { readonly packets: number } };
}

function listDevices(namespace: string): Link[] {
  return JSON.parse(runTool("ip", ["-n", namespace, "-j", "-s", "link", "show"])) as Link[];
}

function findDevice(links: readonly Link[], name: string): { name: string; index: number } {
  const link = links.find((l) => l.ifname === name);
  if (link === undefined) throw environmentError("M004", `the device ${name} was not made`);
  return { name, index: link.ifindex };
}

function readCounters(namespace: string): Counters {
  const stats = listDevices(namespace).find((l) => l.ifname === "eth0")?.stats64;
  return { received: stats?.rx.packets ?? 0, sent: stats?.tx.packets ?? 0 };
}

async function settle(namespaces: readonly string[]): Promise<void> {
  const read = (): string => JSON.stringify(namespaces.map(readCounters));
  const end = Date.now() + SETTLE_LIMIT_MS;
  let last = read();
  for (let quiet = 0; quiet < QUIET_READS && Date.now() < end;) {
    await sleep(SETTLE_POLL_MS);
    const now = read();
    quiet = now === last ? quiet + 1 : 0;
    last = now;
  }
}

// ---- removal ----

/** Removes the beds of processes that are gone; gives their run ids. */
export function removeLeftovers(): string[] {
  const names = [NETNS_DIRECTORY, findCgroup2()].flatMap((d) => (existsSync(d) ? readdirSync(d) : []));
  const ids = new Set(names.map(runIdOf).filter((id) => id !== null));
  const gone = [...ids].filter(isLeftover);
  for (const id of gone) removeBed(id);
  return gone;
}

function removeBed(id: string): void {
  removeCgroup(join(findCgroup2(), id));
  const names = existsSync(NETNS_DIRECTORY) ? readdirSync(NETNS_DIRECTORY).filter((n) => runIdOf(n) === id) : [];
  if (names.length > 0) runTool("ip", ["-force", "-batch", "-"], names.map((n) => `netns delete ${n}\n`).join(""));
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Sees to it that the bed goes when the process does; gives the function that removes it earlier, once. */
function removeAtExit(id: string): () => void {
  const onSignal = (signal: keyof typeof SIGNALS): void => process.exit(SIGNALS[signal]); // runs the exit handlers
  const signals = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[];
  const remove = (): void => {
    process.off("exit", remove);
    for (const signal of signals) process.off(signal, onSignal);
    removeBed(id);
  };
  process.on("exit", remove);
  for (const signal of signals) process.on(signal, onSignal);
  let open = true;
  return () => {
    if (!open) return;
    open = false;
    remove();
  };
}
