/**
 * The test bed: a cluster's nodes and pods as network namespaces and cgroups of this machine, and hosts outside of it.
 * `network.ts` draws how they are joined.
 *
 *     /run/netns/ID-underlay, ID-node-N1, ID-pod-NAMESPACE-NAME, ID-outside-A      ID = ebpf-ts-PID-START-N
 *     CGROUP2/ID/N1/host, CGROUP2/ID/N1/NAMESPACE-NAME, CGROUP2/ID/outside/A
 *
 * A node's group holds its pods' and that of its own processes, so that an agent attaches to the node's group what it
 * would attach to the root on a machine of its own. Nothing touches the machine's own namespace: no device of it is used,
 * no packet leaves the bed.
 *
 * The bed does what a CNI plugin does: it makes a pod's veth with the link down, has the pod registered (`Cni`), and then
 * sets the link up. All of it is fast: 1,000 pods are up in four seconds, because namespaces and devices are made in
 * batches, and this thread enters each namespace itself instead of starting a process there.
 *
 * A bed is removed by `close()`, when the process exits for whatever reason that lets it run code, and by the next bed
 * when it was killed (`removal.ts`).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import { DiagnosticError } from "ebpf-ts/diag";
import type { Diagnostic } from "ebpf-ts/diag";
import { canLoad, withNetns } from "ebpf-ts/loader";
import { createCgroup, findCgroup2, removeCgroup } from "./cgroup.ts";
import { bedDiagnostic, bedError } from "./diagnostics.ts";
import { startHand } from "./hand-process.ts";
import type { Hand } from "./hand-process.ts";
import {
  LEAF_DEVICE,
  configureLeaf,
  legDevice,
  makeLeg,
  openLeg,
  reach,
  removeLeg,
  routeByDefault,
  settingsOf,
  unreach,
} from "./network.ts";
import type { Leg, Role } from "./network.ts";
import { checkPlan, podKey } from "./plan.ts";
import type { BedNode, BedPlan, BedPod, OutsideHost } from "./plan.ts";
import type { Place } from "./process.ts";
import { NETNS_FOLDER, filesOf, pinsOf, removeAtExit, removeLeftovers } from "./removal.ts";
import { nextRunId } from "./run-id.ts";
import { TOOLS, findTool, runIp, runTool } from "./tools.ts";
import type { Tool } from "./tools.ts";

/** A delayed acknowledgement comes within 40 ms (TCP_DELACK_MIN): three quiet reads are longer than that. */
const SETTLE_POLL_MS = 20;
const QUIET_READS = 3;
const SETTLE_LIMIT_MS = 2_000;
/** After so many pods others get their turn: signals, agents' answers. */
const BREATH = 50;

export interface Device {
  readonly name: string;
  readonly index: number;
}

export interface NodePlace extends Place {
  readonly node: BedNode;
  /** Its device towards the other nodes and the outside. */
  readonly uplink: Device;
  /** The group of the node and all its pods; `cgroup` is that of the node's own processes. */
  readonly group: string;
  /** A folder of its own for sockets and state. */
  readonly files: string;
  /** A folder of its own in bpffs; who pins makes it. */
  readonly pins: string;
}

export interface PodPlace extends Place {
  readonly pod: BedPod;
  readonly node: NodePlace;
  /** The pod's end of its veth pair, and the node's; null for a host-network pod. */
  readonly device: Device | null;
  readonly nodeDevice: Device | null;
}

export interface OutsidePlace extends Place {
  readonly host: OutsideHost;
}

/** Who sees to it that a pod's policy is in force: asked while its link is still down, and told when it is gone. */
export interface Cni {
  added(pod: PodPlace): Promise<void>;
  deleted(pod: PodPlace): Promise<void>;
}

/** Packets that passed a device. */
export interface PacketCounts {
  readonly received: number;
  readonly sent: number;
}

export interface Bed {
  readonly id: string;
  /** The group of everything in it. */
  readonly cgroup: string;
  /** A folder for whatever goes with the bed. */
  readonly files: string;
  /** By name. */
  readonly nodes: ReadonlyMap<string, NodePlace>;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, PodPlace>;
  /** By name. */
  readonly outside: ReadonlyMap<string, OutsidePlace>;
  /** These throw `RangeError` for a name that nobody has. */
  node(name: string): NodePlace;
  pod(key: string): PodPlace;
  /** Makes pods and brings them up; `cni` is asked for each in between, and remembered for its removal. */
  addPods(pods: readonly BedPod[], cni?: Cni): Promise<readonly PodPlace[]>;
  /** Ends a pod's processes and removes it. */
  deletePod(key: string): Promise<void>;
  /** Starts a process in a pod, node or outside host that connects and listens as told. It ends with the bed at the latest. */
  start(place: Place): Promise<Hand>;
  /** Of the place's own device. */
  counters(place: Place): PacketCounts;
  /** Waits until no pod's counters move: late acknowledgements have come. Gives up after two seconds. */
  settle(): Promise<void>;
  /** Ends the processes and removes namespaces, groups, pins and files. Doing it again does nothing. */
  close(): void;
  [Symbol.dispose](): void;
}

/** Why this machine cannot carry a bed, as a diagnostic; null when it can. */
export function whyNoBed(): Diagnostic | null {
  try {
    for (const tool of Object.keys(TOOLS) as Tool[]) findTool(tool);
    if (process.geteuid?.() !== 0) {
      return bedDiagnostic("H002", "the test bed needs root: it makes network namespaces and cgroups", {
        found: `user id ${process.geteuid?.() ?? "unknown"}`,
      });
    }
    findCgroup2();
    const loadable = canLoad();
    return loadable.ok ? null : bedDiagnostic("H007", `the loader cannot work here: ${loadable.reason}`);
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics[0] ?? null;
    throw error;
  }
}

/**
 * Makes a bed. Leftovers of killed runs go first; a bed that cannot be finished is removed before the error is thrown.
 * To start agents before there are pods, make it without and add them: `addPods`.
 */
export async function createBed(plan: BedPlan, cni?: Cni): Promise<Bed> {
  checkPlan(plan);
  const reason = whyNoBed();
  if (reason !== null) throw new DiagnosticError([reason]);
  removeLeftovers();
  const id = nextRunId();
  const remove = removeAtExit(id);
  try {
    const bed = new NamespaceBed(id, plan, remove);
    await bed.addPods(plan.pods, cni);
    return bed;
  } catch (error) {
    remove();
    throw error;
  }
}

interface Kept {
  readonly place: PodPlace;
  readonly leg: Leg | null;
  readonly cni: Cni | undefined;
}

class NamespaceBed implements Bed {
  readonly id: string;
  readonly cgroup: string;
  readonly files: string;
  readonly nodes: ReadonlyMap<string, NodePlace>;
  readonly outside: ReadonlyMap<string, OutsidePlace>;
  readonly close: () => void;
  private readonly underlay: string;
  private readonly nodeLegs: ReadonlyMap<string, Leg>;
  private readonly kept = new Map<string, Kept>();
  private legs = 0;
  private ipv6 = false;

  constructor(id: string, plan: Omit<BedPlan, "pods">, remove: () => void) {
    this.id = id;
    this.close = remove;
    this.cgroup = createCgroup(join(findCgroup2(), id));
    this.files = filesOf(id);
    this.underlay = `${id}-underlay`;
    const nodes = plan.nodes.map((node) => ({ node, leg: this.nextLeg(`${id}-node-${node.name}`, node.addresses) }));
    const hosts = plan.outside.map((host) => ({
      host,
      leg: this.nextLeg(`${id}-outside-${host.name}`, host.addresses),
    }));
    const legs = [...nodes, ...hosts].map(({ leg }) => leg);
    runIp([this.underlay, ...legs.map((leg) => leg.namespace)].map((name) => `netns add ${name}`));
    this.nodeLegs = new Map(nodes.map(({ node, leg }) => [node.name, leg]));
    for (const namespace of this.routers()) adjust(namespace, { routes: true, ipv6: false });
    for (const { leg } of hosts) adjust(leg.namespace, leafOf(leg));
    runIpIn(this.underlay, ["link set lo up", ...legs.flatMap(makeLeg)]);
    const ipv6 = this.beginsIpv6(legs);
    for (const leg of legs) runIpIn(leg.namespace, configureLeaf(leg));
    if (ipv6) this.routeIpv6();
    runIpIn(
      this.underlay,
      legs.flatMap((leg) => openLeg(leg, [])),
    );
    const indexes = deviceIndexes(this.underlay);
    this.nodes = new Map(nodes.map(({ node, leg }) => [node.name, this.nodePlace(node, leg, indexes)]));
    this.outside = new Map(hosts.map(({ host, leg }) => [host.name, this.outsidePlace(host, leg)]));
  }

  get pods(): ReadonlyMap<string, PodPlace> {
    return new Map([...this.kept].map(([key, { place }]) => [key, place]));
  }

  node(name: string): NodePlace {
    return found(this.nodes, name, "node");
  }

  pod(key: string): PodPlace {
    return found(this.kept, key, "pod").place;
  }

  async addPods(pods: readonly BedPod[], cni?: Cni): Promise<readonly PodPlace[]> {
    const all = pods.map((pod) => ({
      pod,
      leg: pod.hostNetwork ? null : this.nextLeg(this.namespaceOf(pod), pod.addresses),
    }));
    const legsOn = (node: string): Leg[] => all.flatMap(({ pod, leg }) => (pod.node === node && leg ? [leg] : []));
    const byNode = [...this.nodes.values()].map((node) => ({ node, legs: legsOn(node.name) }));
    const legs = byNode.flatMap((one) => one.legs);
    if (this.beginsIpv6(legs)) this.routeIpv6();
    runIp(legs.map((leg) => `netns add ${leg.namespace}`));
    for (const leg of legs) adjust(leg.namespace, leafOf(leg));
    for (const one of byNode) runIpIn(namespaceName(one.node), one.legs.flatMap(makeLeg));
    for (const [i, leg] of legs.entries()) {
      runIpIn(leg.namespace, configureLeaf(leg));
      if (i % BREATH === 0) await breathe();
    }
    const indexes = new Map(byNode.map(({ node }) => [node.name, deviceIndexes(namespaceName(node))]));
    const places = all.map(({ pod, leg }) => {
      const place = this.podPlace(pod, leg, indexes.get(pod.node) ?? new Map());
      this.kept.set(podKey(pod), { place, leg, cni });
      return place;
    });
    if (cni !== undefined) await Promise.all(places.map((place) => cni.added(place)));
    for (const one of byNode) this.open(one.node, one.legs);
    return places;
  }

  async deletePod(key: string): Promise<void> {
    const { place, leg, cni } = found(this.kept, key, "pod");
    this.kept.delete(key);
    removeCgroup(place.cgroup);
    if (leg !== null) {
      const toNode = found(this.nodeLegs, place.node.name, "node");
      runIpIn(
        this.underlay,
        leg.addresses.flatMap((address) => unreach(toNode, address)),
      );
      runIpIn(namespaceName(place.node), removeLeg(leg));
      runIp([`netns delete ${leg.namespace}`]);
    }
    await cni?.deleted(place);
  }

  start(place: Place): Promise<Hand> {
    return startHand(place);
  }

  counters(place: Place): PacketCounts {
    const stats = listDevices(place.netns).find((link) => link.ifname === LEAF_DEVICE)?.stats64;
    return { received: stats?.rx.packets ?? 0, sent: stats?.tx.packets ?? 0 };
  }

  async settle(): Promise<void> {
    const read = (): string => JSON.stringify([...this.pods.values()].map((pod) => this.counters(pod)));
    const end = Date.now() + SETTLE_LIMIT_MS;
    let last = read();
    for (let quiet = 0; quiet < QUIET_READS && Date.now() < end;) {
      await sleep(SETTLE_POLL_MS);
      const now = read();
      quiet = now === last ? quiet + 1 : 0;
      last = now;
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether these are the first that need IPv6: before, it is off, so that nothing but what processes send is seen. */
  private beginsIpv6(legs: readonly Leg[]): boolean {
    if (this.ipv6 || !legs.some((leg) => leafOf(leg).ipv6)) return false;
    this.ipv6 = true;
    for (const namespace of this.routers()) adjust(namespace, { routes: true, ipv6: true });
    return true;
  }

  /** Pods may have IPv6 where their nodes have no address of it; the nodes route it nevertheless. */
  private routeIpv6(): void {
    for (const leg of this.nodeLegs.values()) {
      if (!leafOf(leg).ipv6) runIpIn(leg.namespace, routeByDefault(leg, true));
    }
  }

  private routers(): string[] {
    return [this.underlay, ...[...this.nodeLegs.values()].map((leg) => leg.namespace)];
  }

  /** Brings pods' links up, and lets the underlay know where they are. */
  private open(node: NodePlace, legs: readonly Leg[]): void {
    const own = legs.flatMap((leg) => openLeg(leg, node.node.addresses));
    runIpIn(namespaceName(node), own);
    const toNode = found(this.nodeLegs, node.name, "node");
    const beyond = legs.flatMap((leg) => leg.addresses.flatMap((address) => reach(toNode, address)));
    runIpIn(this.underlay, beyond);
  }

  private nextLeg(namespace: string, addresses: readonly string[]): Leg {
    return { number: this.legs++, namespace, addresses };
  }

  private namespaceOf(pod: BedPod): string {
    return `${this.id}-pod-${pod.namespace}-${pod.name}`;
  }

  private nodePlace(node: BedNode, leg: Leg, indexes: DeviceIndexes): NodePlace {
    const group = createCgroup(join(this.cgroup, node.name));
    const files = join(this.files, node.name);
    mkdirSync(files, { recursive: true, mode: 0o700 });
    return {
      name: node.name,
      node,
      netns: pathOf(leg.namespace),
      uplink: { name: LEAF_DEVICE, index: indexes.get(legDevice(leg))?.peer ?? 0 },
      group,
      cgroup: createCgroup(join(group, "host")),
      files,
      pins: join(pinsOf(this.id), node.name),
    };
  }

  private outsidePlace(host: OutsideHost, leg: Leg): OutsidePlace {
    const cgroup = createCgroup(join(this.cgroup, "outside", host.name));
    return { name: host.name, netns: pathOf(leg.namespace), cgroup, host };
  }

  private podPlace(pod: BedPod, leg: Leg | null, indexes: DeviceIndexes): PodPlace {
    const node = this.node(pod.node);
    const pair = leg === null ? undefined : indexes.get(legDevice(leg));
    return {
      name: podKey(pod),
      pod,
      node,
      netns: leg === null ? node.netns : pathOf(leg.namespace),
      cgroup: createCgroup(join(node.group, `${pod.namespace}-${pod.name}`)),
      device: pair === undefined ? null : { name: LEAF_DEVICE, index: pair.peer },
      nodeDevice: leg === null || pair === undefined ? null : { name: legDevice(leg), index: pair.own },
    };
  }
}

function found<T>(all: ReadonlyMap<string, T>, name: string, what: string): T {
  const one = all.get(name);
  if (one === undefined) throw new RangeError(`no ${what} is called ${name}; there are ${[...all.keys()].join(", ")}`);
  return one;
}

const pathOf = (namespace: string): string => join(NETNS_FOLDER, namespace);
const namespaceName = (place: Place): string => place.netns.slice(NETNS_FOLDER.length + 1);

/** Runs commands of `ip` inside a namespace. The process starts there, because this thread is there when it does. */
function runIpIn(namespace: string, commands: readonly string[]): void {
  withNetns(pathOf(namespace), () => runIp(commands));
}

const leafOf = (leg: Leg): Role => ({ routes: false, ipv6: leg.addresses.some(isIPv6) });

/** Before there is a device, which begins with the settings that are there. */
function adjust(namespace: string, role: Role): void {
  // /proc/sys/net shows the namespace of the thread that opens it.
  withNetns(pathOf(namespace), () => {
    for (const [key, value] of settingsOf(role)) {
      try {
        writeFileSync(`/proc/sys/net/${key}`, value);
      } catch (error) {
        // A kernel without IPv6 has none of its settings.
        if (!key.startsWith("ipv6/") || role.ipv6)
          throw bedError("H004", `cannot set ${key}`, { found: String(error) });
      }
    }
  });
}

/** What `ip -j -s link` prints, as far as we read it. */
interface Link {
  readonly ifname: string;
  readonly ifindex: number;
  /** Of the other end of the pair, in its namespace. */
  readonly link_index?: number;
  readonly stats64?: { readonly rx: { readonly packets: number }; readonly tx: { readonly packets: number } };
}

type DeviceIndexes = ReadonlyMap<string, { readonly own: number; readonly peer: number }>;

function listDevices(netns: string): Link[] {
  return JSON.parse(withNetns(netns, () => runTool("ip", ["-j", "-s", "link", "show"]))) as Link[];
}

function deviceIndexes(namespace: string): DeviceIndexes {
  return new Map(
    listDevices(pathOf(namespace)).map((link) => [link.ifname, { own: link.ifindex, peer: link.link_index ?? 0 }]),
  );
}
