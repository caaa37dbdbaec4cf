/**
 * The kernel's side of a node: maps, programs and attachments, pinned in a bpffs folder.
 *
 *   open    maps are opened or made, programs loaded against them; nothing that is in force changes
 *   begin   the whole cluster is written; then programs are attached or replaced, one link at a time; then what is left of an
 *           earlier agent is removed
 *   apply, add, remove    changes, from then on
 *   close   gives up this process's hold: everything stays in force
 *
 * Starting, restarting after a crash, and upgrading are the same: `open` and `begin` find what there is. Nothing is detached
 * before its successor is in place.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { DiagnosticError } from "ebpf-ts/diag";
import type { Diagnostic } from "ebpf-ts/diag";
import { readElf } from "ebpf-ts/elf";
import { canLoad, indexOfInterface, KernelError, netnsCookie, RingBuffer } from "ebpf-ts/loader";
import type { BpfMap } from "ebpf-ts/loader";
import type { MapUse } from "../control/view.ts";
import type { EngineChange } from "../policy/types.ts";
import { agentDiagnostic, agentError } from "./diagnostics.ts";
import { purgeFlows } from "./flows.ts";
import { hookOf } from "./hooks.ts";
import { SettingsFlag } from "./layouts.ts";
import { Links } from "./links.ts";
import type { HeldPlace, NodeSite, Site } from "./links.ts";
import { lockFolder } from "./lock.ts";
import type { Lock } from "./lock.ts";
import type { Gauge } from "./maps.ts";
import { defaultObjectPath } from "./object.ts";
import type { ObjectSpec } from "./object.ts";
import { PinnedMaps } from "./pins.ts";
import { Programs, STATE_FILES } from "./programs.ts";
import type { Missing, ProgramSource } from "./programs.ts";
import { checkBpffs, removeAll } from "./uninstall.ts";
import { Writer } from "./writer.ts";
import type { PodPolicy } from "./writer.ts";

export interface DatapathOptions {
  /** A folder of this node's own on a bpf file system; made if it is not there. */
  readonly bpffs: string;
  /** Keeps a copy of the programs, so that the next version knows the layout of what it finds. */
  readonly stateDir: string;
  /** The compiled programs; default: the package's. */
  readonly object?: string;
  /** File of the node's network namespace; default: this process's. */
  readonly netns?: string;
  readonly node?: NodeSite;
}

/** A pod of this node, to be put under policy. */
export interface DatapathEndpoint extends Site {
  /** `namespace/name`. */
  readonly pod: string;
  /** Canonical text: the only ones that it may use. */
  readonly addresses: readonly string[];
  /** What it had before a restart; null: a free one. */
  readonly id: number | null;
}

/** What `begin` and `check` found and did. */
export interface Findings {
  /** What was not as it had been left, and was repaired; layouts that changed; optional programs that could not be attached. */
  readonly diagnostics: readonly Diagnostic[];
  /** Pods whose interface is gone: to be removed. */
  readonly gone: readonly string[];
  /** Programs that could not be attached somewhere, and why. */
  readonly unattached: ReadonlyMap<string, string>;
}

/** As Settings of programs/mesh/tables.ts. */
export interface DatapathSettings {
  readonly flowEvents?: boolean;
  readonly audit?: boolean;
  readonly shortcut?: boolean;
  /** Port of the waypoint's listeners for egress; 0: none. */
  readonly waypointPort?: number;
}

const MAX_ENDPOINTS = 4096;
/** What an earlier agent left of policies goes when no program can still be on its way to it. */
const GRACE_MILLISECONDS = 200;
/** Part of a map that may be filled before somebody is told. */
const NEARLY_FULL = 0.8;

interface Placed extends Site {
  readonly id: number;
  readonly interfaceIndex: number;
}

export class Datapath {
  readonly missing: readonly Missing[];
  private readonly options: DatapathOptions;
  private readonly lock: Lock;
  private readonly pins: PinnedMaps;
  private readonly programs: Programs;
  private readonly links: Links;
  private readonly writer: Writer;
  private readonly source: ProgramSource;
  private readonly isUpgrade: boolean;
  private readonly pods = new Map<string, Placed>();
  private timer: NodeJS.Timeout | null = null;

  private constructor(parts: {
    readonly options: DatapathOptions;
    readonly lock: Lock;
    readonly pins: PinnedMaps;
    readonly programs: Programs;
    readonly source: ProgramSource;
    readonly isUpgrade: boolean;
  }) {
    const { options, pins, programs } = parts;
    this.options = options;
    this.lock = parts.lock;
    this.pins = pins;
    this.programs = programs;
    this.source = parts.source;
    this.isUpgrade = parts.isUpgrade;
    this.missing = programs.missing;
    const sockets = parts.source.spec.maps.find(({ type }) => type === "sockhash");
    this.links = new Links({
      bpffs: options.bpffs,
      netns: options.netns,
      node: options.node ?? { devices: [], cgroup: null },
      sockets: sockets === undefined ? null : pins.get(sockets.name),
    });
    this.writer = new Writer({
      settings: pins.get("settings"),
      endpoints: pins.get("endpoints"),
      namespaces: pins.get("namespaces"),
      hosts: pins.get("hosts"),
      prefixes: pins.get("prefixes"),
      judgements: pins.get("judgements"),
      verdicts: pins.get("verdicts"),
      portRanges: pins.get("portRanges"),
      deniedPrefixes: pins.get("deniedPrefixes"),
    });
  }

  /** Throws N001 to N004. Nothing that is in force changes. */
  static async open(options: DatapathOptions): Promise<Datapath> {
    const loadable = canLoad();
    if (!loadable.ok) throw agentError("N001", loadable.reason);
    mkdirSync(options.stateDir, { recursive: true });
    mkdirSync(options.bpffs, { recursive: true });
    checkBpffs(options.bpffs);
    const lock = await lockFolder(options.bpffs);
    try {
      const bytes = readFileSync(options.object ?? defaultObjectPath());
      const before = readIfThere(copyOf(options.stateDir));
      const spec = readElf(bytes);
      const pins = await PinnedMaps.open(options.bpffs, spec, before === null ? null : readOldObject(before));
      const source = { spec, bytes, maps: pins.object.maps };
      const programs = await Programs.open(source, options).catch((failure: unknown) => {
        pins.close();
        throw failure;
      });
      const isUpgrade = before === null || !before.equals(bytes);
      return new Datapath({ options, lock, pins, programs, source, isUpgrade });
    } catch (failure) {
      lock.release();
      throw failure;
    }
  }

  /** A map of the programs, for who fills or reads it: services, flow events, counters. */
  map(name: string): BpfMap {
    return this.pins.get(name);
  }

  /** Where a map is pinned, for processes of their own. */
  pathOf(map: string): string {
    return this.pins.pathOf(map);
  }

  /** Makes a map like those in a map of maps. The caller closes it. */
  makeInner(outer: string, length: number): BpfMap {
    return this.pins.object.makeInner(outer, length);
  }

  /** Flow events as they come, until the signal. `take` gets the bytes in place: the kernel has them back when it returns. */
  events<E>(signal: AbortSignal, take: (bytes: Uint8Array) => E): AsyncIterable<E> {
    return new RingBuffer(this.pins.get("events") as never, take, { signal });
  }

  /** What is in force for a pod of this node. */
  knownOf(pod: string): PodPolicy | undefined {
    return this.writer.knownOf(pod);
  }

  /** The interface and number of each pod. */
  placeOf(pod: string): { readonly id: number; readonly interfaceIndex: number } | undefined {
    return this.pods.get(pod);
  }

  /** The pods whose policy does not fit: everything to and from them is denied. */
  lockedDown(): readonly string[] {
    return this.writer.lockedDown();
  }

  /** The programs' specification. */
  get object(): ObjectSpec {
    return this.source.spec;
  }

  /** Of all maps. Those of which the writer does not keep count are counted now, which takes some milliseconds. */
  async uses(): Promise<readonly MapUse[]> {
    const counted = new Map(this.gauges().map(({ map, entries }) => [map, entries]));
    const uses: MapUse[] = [];
    for (const [name, map] of this.pins.object.maps) {
      uses.push({
        name,
        entries: counted.get(name) ?? countEntries(map),
        capacity: map.shape.maxEntries,
        fixed: FIXED_MAPS.has(map.shape.type),
        memory: map.memory,
      });
      await breathe();
    }
    return uses;
  }

  /**
   * Writes the whole cluster and brings the programs to where they belong.
   * @param endpoints - those that were registered with an earlier agent, and what the engine says of them.
   */
  begin(change: EngineChange, endpoints: readonly (readonly [DatapathEndpoint, PodPolicy])[]): Findings {
    const gone = endpoints.filter(([endpoint, known]) => !this.place(endpoint, known)).map(([{ pod }]) => pod);
    this.writer.apply(change);
    const places = this.holdAll();
    this.writer.forgetStrangers();
    const kept = new Set([...this.pods.values()].map(({ id }) => String(id)));
    for (const owner of this.links.owners()) if (!kept.has(owner)) this.links.release(owner);
    this.pins.removeOld();
    this.timer = setTimeout(() => this.writer.forgetFound(), GRACE_MILLISECONDS).unref();
    this.programs.pin(this.source, this.options);
    this.keepCopy();
    const diagnostics = [...this.describeOrigins(), ...describePlaces(places, this.isUpgrade)];
    return { diagnostics, gone, unattached: unattachedOf(places) };
  }

  /** Writes a change of the cluster. */
  apply(change: EngineChange): void {
    this.writer.apply(change);
  }

  /** Puts policy in force for a pod; returns its number. Throws N005, N006, N012, and leaves nothing behind. */
  add(endpoint: DatapathEndpoint, known: PodPolicy): { readonly id: number; readonly interfaceIndex: number } {
    if (!this.place(endpoint, known)) {
      throw agentError("N012", `there is no interface ${JSON.stringify(endpoint.interface)} for pod ${endpoint.pod}`);
    }
    const placed = this.pods.get(endpoint.pod) as Placed;
    const sites = new Map([[String(placed.id), placed]]);
    for (const program of this.programs.all) {
      const failed = this.links.hold(program, sites).find(({ failure }) => failure !== null);
      if (failed === undefined || hookOf(program.type)?.needed !== true) continue;
      this.remove(endpoint.pod);
      throw agentError("N012", `pod ${endpoint.pod} cannot be attached to: ${messageOf(failed.failure)}`);
    }
    return { id: placed.id, interfaceIndex: placed.interfaceIndex };
  }

  /** Takes a pod's entries, flows and programs away. Its interface, if it is still there, carries nothing any more. */
  remove(pod: string): boolean {
    const placed = this.pods.get(pod);
    if (placed === undefined) return false;
    this.pods.delete(pod);
    this.writer.remove(pod);
    for (const map of ["flows", "halfOpen"]) purgeFlows(this.pins.get(map), placed.id);
    this.links.release(String(placed.id));
    return true;
  }

  /** The pods in whose namespaces the waypoint listens, and those that stay as they were. */
  setWaypoint(up: ReadonlySet<string>, pending: ReadonlySet<string> = new Set()): void {
    this.writer.setWaypoint(up, pending);
  }

  /** The pods whose connections may take the shortcut while `DatapathSettings.shortcut` is on. Default: none. */
  setShortcut(pods: ReadonlySet<string>): void {
    this.writer.setShortcut(pods);
  }

  setSettings({ flowEvents, audit, shortcut, waypointPort }: DatapathSettings): void {
    const { flags } = this.writer;
    const bit = (value: boolean | undefined, mask: number): number =>
      value === undefined ? flags & mask : value ? mask : 0;
    this.writer.setSettings({
      flags:
        bit(flowEvents, SettingsFlag.flowEvents) |
        bit(audit, SettingsFlag.audit) |
        bit(shortcut, SettingsFlag.shortcut),
      ...(waypointPort === undefined ? {} : { waypointPort }),
    });
  }

  /** Compares the kernel with what should be there, repairs it, and tells what was found. */
  check(): Findings {
    const pins = this.pins.repair().map((map) => drift(`the pin of map ${map} was gone or another map's`));
    const entries = this.writer.repair().map((pod) => drift(`the entry of endpoint ${pod} was gone or changed`));
    const gone = [...this.pods].filter(([, placed]) => !this.isThere(placed)).map(([pod]) => pod);
    const places = this.holdAll().filter(({ owner }) => !gone.some((pod) => String(this.pods.get(pod)?.id) === owner));
    for (const owner of this.links.owners()) {
      if (![...this.pods.values()].some(({ id }) => String(id) === owner)) this.links.release(owner);
    }
    const diagnostics = [...pins, ...entries, ...describePlaces(places, false)];
    return { diagnostics, gone, unattached: unattachedOf(places) };
  }

  gauges(): readonly Gauge[] {
    return this.writer.gauges();
  }

  /** What does not fit, or soon will not. */
  alarms(): readonly Diagnostic[] {
    const { unfitAddresses } = this.writer;
    return [
      ...this.writer
        .lockedDown()
        .map((pod) => agentDiagnostic("N007", `the policy of ${pod} does not fit into the maps`)),
      ...(unfitAddresses === 0
        ? []
        : [agentDiagnostic("N008", `${unfitAddresses} addresses do not fit into the maps`)]),
      ...this.gauges()
        .filter(({ entries, capacity }) => entries > capacity * NEARLY_FULL)
        .map(({ map, entries, capacity }) =>
          agentDiagnostic("N009", `map ${map} has ${entries} of ${capacity} entries`, { severity: "warning" }),
        ),
    ];
  }

  /** Gives up this process's hold. All that is in force stays. */
  close(): void {
    if (this.timer !== null) {
      clearTimeout(this.timer);
      this.writer.forgetFound();
    }
    this.writer.close();
    this.programs.close();
    this.pins.close();
    this.lock.release();
  }

  /** Takes everything out of the kernel. Pods keep their traffic, without policy. */
  uninstall(): void {
    removeAll(this.options.bpffs);
    this.close();
  }

  /** False: its interface is gone. */
  private place(endpoint: DatapathEndpoint, known: PodPolicy): boolean {
    const interfaceIndex = this.indexOf(endpoint.interface);
    if (interfaceIndex === null) return false;
    const id = endpoint.id ?? this.pods.get(endpoint.pod)?.id ?? this.freeId(endpoint.pod, interfaceIndex);
    const { pod, addresses, netns, cgroup } = endpoint;
    this.writer.add({ id, pod, interfaceIndex, addresses, namespace: netnsCookie(netns) }, known);
    this.pods.set(pod, { id, interfaceIndex, interface: endpoint.interface, netns, cgroup });
    return true;
  }

  /** A number that nobody has, or that of whoever had the interface before, whose programs are still there. */
  private freeId(pod: string, interfaceIndex: number): number {
    const placed = new Set([...this.pods.values()].map(({ id }) => id));
    const left = this.links.owners().filter((owner) => !placed.has(Number(owner)));
    const before = left.find((owner) => this.links.interfaceOf(owner) === interfaceIndex);
    if (before !== undefined) return Number(before);
    const taken = new Set([...placed, ...left.map(Number)]);
    for (let id = 1; id < MAX_ENDPOINTS; id++) if (!taken.has(id)) return id;
    throw agentError("N005", `there is no number left for pod ${pod}`);
  }

  private indexOf(name: string): number | null {
    try {
      return indexOfInterface({
        interface: name,
        ...(this.options.netns === undefined ? {} : { netns: this.options.netns }),
      });
    } catch (failure) {
      if (failure instanceof KernelError && failure.errnoName === "ENODEV") return null;
      throw failure;
    }
  }

  private isThere({ interface: name, interfaceIndex }: Placed): boolean {
    return this.indexOf(name) === interfaceIndex;
  }

  /** All programs to all their places, the authority first. The shortcut passes by the authority: it rests meanwhile. */
  private holdAll(): readonly HeldPlace[] {
    const sites = new Map([...this.pods.values()].map((placed) => [String(placed.id), placed]));
    const shortcut = (this.writer.flags & SettingsFlag.shortcut) !== 0;
    if (shortcut) this.setSettings({ shortcut: false });
    try {
      return this.programs.all.flatMap((program) => this.links.hold(program, sites));
    } finally {
      if (shortcut) this.setSettings({ shortcut: true });
    }
  }

  /** The copy is of the programs whose maps are pinned: written when they are, by renaming. */
  private keepCopy(): void {
    const path = copyOf(this.options.stateDir);
    writeFileSync(`${path}.new`, this.source.bytes);
    renameSync(`${path}.new`, path);
  }

  private describeOrigins(): readonly Diagnostic[] {
    return this.pins.origins.flatMap(({ map, origin }) => {
      if (origin === "opened" || origin === "made") return [];
      const what = origin === "moved" ? "its entries were carried over" : "it starts afresh";
      return [agentDiagnostic("N011", `map ${map} has another layout than before: ${what}`, { severity: "warning" })];
    });
  }
}

/** Maps that cannot run full: all entries are there from the start, or belong to sockets. */
const FIXED_MAPS: ReadonlySet<string> = new Set(["array", "percpu_array", "sk_storage"]);

const copyOf = (stateDir: string): string => join(stateDir, STATE_FILES.object);

function readIfThere(path: string): Buffer | null {
  return existsSync(path) ? readFileSync(path) : null;
}

/** Null: it is damaged, and nothing is known of the layouts before. */
function readOldObject(bytes: Uint8Array): ObjectSpec | null {
  try {
    return readElf(bytes);
  } catch (failure) {
    if (failure instanceof DiagnosticError) return null;
    throw failure;
  }
}

const COUNTABLE = /^(lru_|percpu_|lru_percpu_)?hash$|^lpm_trie$|^hash_of_maps$/;

/** Arrays are full; of storages, rings and sockets there is no count. */
function countEntries(map: BpfMap): number {
  if (map.shape.type.endsWith("array")) return map.shape.maxEntries;
  if (!COUNTABLE.test(map.shape.type)) return 0;
  return map.countEntries();
}

function drift(message: string): Diagnostic {
  return agentDiagnostic("N010", message, { severity: "warning" });
}

function unattachedOf(places: readonly HeldPlace[]): ReadonlyMap<string, string> {
  const failed = places.filter(({ held }) => held === null);
  return new Map(failed.map(({ program, failure }) => [program, messageOf(failure)]));
}

/** @param isUpgrade - the programs are others than those of the agent before, so that replacing them is no repair. */
function describePlaces(places: readonly HeldPlace[], isUpgrade: boolean): readonly Diagnostic[] {
  return places.flatMap(({ owner, program, held, failure }) => {
    const where = owner === "node" ? `program ${program} of the node` : `program ${program} of endpoint ${owner}`;
    switch (held) {
      case null:
        return [agentDiagnostic("N002", `${where} cannot be attached: ${messageOf(failure)}`, { severity: "warning" })];
      case "attached":
        return isUpgrade ? [] : [drift(`${where} was not attached`)];
      case "reattached":
        return [drift(`${where} was attached to something that is gone`)];
      case "changed":
        return isUpgrade ? [] : [drift(`${where} had been replaced by another program`)];
      default:
        return [];
    }
  });
}

function messageOf(failure: unknown): string {
  if (failure instanceof DiagnosticError) return failure.diagnostics[0]?.message ?? failure.message;
  return String(failure);
}
