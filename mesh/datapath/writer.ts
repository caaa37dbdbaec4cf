/**
 * What the engine says, written into the maps in the order that leaves no moment weaker than before or after:
 *
 *   1  port tables and policies, whole, under numbers that nothing names yet
 *   2  endpoints: one entry each names the new policy and raises the generation, so that open flows are judged again
 *   3  addresses: the policies know their identities by now; then Settings.identities, if some address is another one's
 *   4  prefixes that the node's device drops
 *   5  later, when no program can still be on its way from `endpoints` to `judgements`: policies that nothing names
 *
 * What does not fit is denied: an endpoint whose policy has no room is locked down.
 */
import type { EndpointPolicy, EngineChange, PrefilterEntry } from "../policy/types.ts";
import { mapAddress, mapPrefix } from "./addresses.ts";
import { HostTable } from "./hosts.ts";
import {
  ENDPOINT,
  EndpointFlag,
  encodeAll,
  encodeOne,
  PREFIX,
  readEndpoint,
  readSettings,
  SETTINGS,
  U32,
  U64,
} from "./layouts.ts";
import type { EndpointRow, SettingsRow } from "./layouts.ts";
import type { Gauge, RawMap } from "./maps.ts";
import { PolicyTables } from "./policy-tables.ts";

/** The maps that the writer writes, by their names in programs/mesh/tables.ts. */
export interface WriterMaps {
  readonly settings: RawMap;
  readonly endpoints: RawMap;
  readonly namespaces: RawMap;
  readonly hosts: RawMap;
  readonly prefixes: RawMap;
  readonly judgements: RawMap;
  readonly verdicts: RawMap;
  readonly portRanges: RawMap;
  readonly deniedPrefixes: RawMap;
}

/** A pod of this node as the maps know it. */
export interface LocalEndpoint {
  readonly id: number;
  /** `namespace/name`. */
  readonly pod: string;
  readonly interfaceIndex: number;
  /** Cookie of its network namespace. */
  readonly namespace: bigint;
  /** Canonical text. */
  readonly addresses: readonly string[];
}

/** What the engine says of a pod: its own policy, or that of identity `init` until the cluster knows it. */
export interface PodPolicy {
  readonly identity: number;
  readonly policy: EndpointPolicy;
}

/** A program that has read the number of a policy has long found its entry. */
const GRACE_MILLISECONDS = 200;

interface State extends LocalEndpoint {
  readonly known: PodPolicy;
  readonly row: EndpointRow;
}

export class Writer {
  private readonly maps: WriterMaps;
  private readonly policies: PolicyTables;
  private readonly addresses: HostTable;
  private readonly states = new Map<string, State>();
  /** By interface: what an earlier agent left. */
  private readonly found: Map<number, ReturnType<typeof readEndpoint>>;
  private settings: SettingsRow;
  private retired: EndpointPolicy[] = [];
  private timer: NodeJS.Timeout | null = null;
  private denied: ReadonlySet<string> | null = null;
  private shortcut: ReadonlySet<string> = new Set();

  /** Reads what an earlier agent left; writes nothing. */
  constructor(maps: WriterMaps) {
    this.maps = maps;
    this.policies = new PolicyTables(maps);
    this.addresses = new HostTable(maps);
    this.found = new Map([...maps.endpoints.entriesRaw()].map(([key, row]) => [readKey(key), readEndpoint(row)]));
    const [settings] = maps.settings.entriesRaw();
    this.settings = settings === undefined ? { identities: 0, flags: 0, waypointPort: 0 } : readSettings(settings[1]);
  }

  /** The pods whose policy does not fit: everything to and from them is denied. */
  lockedDown(): readonly string[] {
    return [...this.states.values()].filter(isLockedDown).map(({ pod }) => pod);
  }

  /** How many addresses had no room, and are denied. */
  get unfitAddresses(): number {
    return this.addresses.unfit;
  }

  gauges(): readonly Gauge[] {
    const { endpoints, deniedPrefixes } = this.maps;
    return [
      gaugeOf(endpoints, this.states.size),
      ...this.addresses.gauges(),
      ...this.policies.gauges(),
      gaugeOf(deniedPrefixes, this.denied?.size ?? 0),
    ];
  }

  /** The interfaces of which an earlier agent's entries are there and this one knows no endpoint. */
  strangers(): readonly number[] {
    const known = new Set([...this.states.values()].map(({ interfaceIndex }) => interfaceIndex));
    return [...this.found.keys()].filter((index) => !known.has(index));
  }

  /** Deletes what an earlier agent left of endpoints that are no more: their packets are dropped from here on. */
  forgetStrangers(): void {
    const strangers = this.strangers();
    this.maps.endpoints.deleteAllRaw(encodeAll(U32, strangers));
    for (const index of strangers) this.found.delete(index);
    const known = new Set([...this.states.values()].map(({ namespace }) => namespace));
    const cookies = [...this.maps.namespaces.entriesRaw()].map(([key]) => readCookie(key));
    this.maps.namespaces.deleteAllRaw(
      encodeAll(
        U64,
        cookies.filter((cookie) => !known.has(cookie)),
      ),
    );
  }

  /** The first change is the whole cluster. */
  apply(change: EngineChange): void {
    if (change.first !== null) this.apply(change.first);
    const touched = [...this.states.values()].flatMap((state): State[] => {
      const policy = change.endpoints.get(state.pod);
      const identity = change.identities.get(state.pod);
      if (policy === undefined && identity === undefined) return [];
      const known = { policy: policy ?? state.known.policy, identity: identity ?? state.known.identity };
      return [this.renew(state, known)];
    });
    this.store(touched);
    this.raiseIf(this.addresses.apply(change.hosts));
    if (change.prefilter !== null) this.writePrefilter(change.prefilter);
  }

  /** Puts policy in force for a pod; the same pod again replaces it. */
  add(endpoint: LocalEndpoint, known: PodPolicy): void {
    const before = this.states.get(endpoint.pod);
    const addresses = endpoint.addresses.map(mapAddress);
    const number = this.acquire(known.policy);
    // A waypoint outlives the agent: until somebody says otherwise, it listens as it did.
    const kept = (before?.row.flags ?? this.found.get(endpoint.interfaceIndex)?.flags ?? 0) & EndpointFlag.waypointUp;
    const flags = this.shortcut.has(endpoint.pod) ? kept : kept | EndpointFlag.noShortcut;
    const state: State = {
      ...endpoint,
      known,
      row: {
        ipv4: addresses.find(isMappedIpv4) ?? null,
        ipv6: addresses.find((address) => !isMappedIpv4(address)) ?? null,
        id: endpoint.id,
        identity: known.identity,
        generation: this.generationAfter(before, endpoint.interfaceIndex),
        flags: number === null ? flags | EndpointFlag.lockedDown : flags,
        policy: number ?? 0,
      },
    };
    this.store([state]);
    this.maps.namespaces.setAllRaw(encodeOne(U64, endpoint.namespace), encodeOne(U32, endpoint.interfaceIndex));
    if (before !== undefined) this.dropReplaced(before, state);
    this.raiseIf(this.addresses.assign(addresses, { id: endpoint.id, pod: endpoint.pod }));
  }

  /** Takes a pod out of the maps: whatever its interface still carries is dropped. */
  remove(pod: string): void {
    const state = this.states.get(pod);
    if (state === undefined) return;
    this.states.delete(pod);
    this.maps.endpoints.deleteAllRaw(encodeOne(U32, state.interfaceIndex));
    this.maps.namespaces.deleteAllRaw(encodeOne(U64, state.namespace));
    if (!isLockedDown(state)) this.retire(state.known.policy);
    this.raiseIf(this.addresses.assign(state.addresses.map(mapAddress), null));
  }

  /** Whether the waypoint listens in the pods' namespaces: flows that need it are denied where it does not. `pending`: as before. */
  setWaypoint(up: ReadonlySet<string>, pending: ReadonlySet<string> = new Set()): void {
    this.setFlag(EndpointFlag.waypointUp, (pod, before) => up.has(pod) || (before && pending.has(pod)));
  }

  /** The pods whose connections may take the shortcut, present and future ones; those that have it already keep it. */
  setShortcut(pods: ReadonlySet<string>): void {
    this.shortcut = pods;
    this.setFlag(EndpointFlag.noShortcut, (pod) => !pods.has(pod));
  }

  private setFlag(flag: number, has: (pod: string, before: boolean) => boolean): void {
    const touched = [...this.states.values()].flatMap((state): State[] => {
      const { row } = state;
      const flags = has(state.pod, (row.flags & flag) !== 0) ? row.flags | flag : row.flags & ~flag;
      return flags === row.flags ? [] : [{ ...state, row: { ...row, flags } }];
    });
    this.store(touched);
  }

  /** `identities` is the writer's own. */
  setSettings(more: Partial<Omit<SettingsRow, "identities">>): void {
    this.settings = { ...this.settings, ...more };
    this.maps.settings.setAllRaw(encodeOne(U32, 0), encodeOne(SETTINGS, this.settings));
  }

  /** What is in force for a pod. */
  knownOf(pod: string): PodPolicy | undefined {
    return this.states.get(pod)?.known;
  }

  get flags(): number {
    return this.settings.flags;
  }

  /** Writes again the endpoints whose entries are gone or others; returns their pods. */
  repair(): readonly string[] {
    const rows = new Map([...this.maps.endpoints.entriesRaw()].map(([key, row]) => [readKey(key), row]));
    const lost = [...this.states.values()].filter(({ interfaceIndex, row }) => {
      const found = rows.get(interfaceIndex);
      return found === undefined || !Buffer.from(found).equals(encodeOne(ENDPOINT, row));
    });
    this.store(lost);
    return lost.map(({ pod }) => pod);
  }

  /** Deletes what an earlier agent left of policies, once every endpoint has been added. */
  forgetFound(): void {
    this.policies.forgetFound();
  }

  /** Deletes now what waits to be deleted. */
  close(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.releaseRetired();
  }

  private renew(state: State, known: PodPolicy): State {
    const generation = state.row.generation + 1;
    const base = { ...state.row, generation, identity: known.identity };
    if (known.policy === state.known.policy && !isLockedDown(state)) return { ...state, known, row: base };
    const number = this.acquire(known.policy);
    if (!isLockedDown(state)) this.retire(state.known.policy);
    const flags = base.flags & ~EndpointFlag.lockedDown;
    if (number === null)
      return { ...state, known, row: { ...base, policy: 0, flags: flags | EndpointFlag.lockedDown } };
    return { ...state, known, row: { ...base, policy: number, flags } };
  }

  private acquire(policy: EndpointPolicy): number | null {
    const number = this.policies.acquire(policy);
    if (number !== null || this.retired.length === 0) return number;
    this.releaseRetired();
    return this.policies.acquire(policy);
  }

  private store(states: readonly State[]): void {
    const keys = states.map(({ interfaceIndex }) => interfaceIndex);
    this.maps.endpoints.setAllRaw(
      encodeAll(U32, keys),
      encodeAll(
        ENDPOINT,
        states.map(({ row }) => row),
      ),
    );
    for (const state of states) this.states.set(state.pod, state);
  }

  private dropReplaced(before: State, now: State): void {
    if (!isLockedDown(before)) this.retire(before.known.policy);
    if (before.interfaceIndex !== now.interfaceIndex)
      this.maps.endpoints.deleteAllRaw(encodeOne(U32, before.interfaceIndex));
    if (before.namespace !== now.namespace) this.maps.namespaces.deleteAllRaw(encodeOne(U64, before.namespace));
    const lost = before.addresses.filter((address) => !now.addresses.includes(address));
    this.raiseIf(this.addresses.assign(lost.map(mapAddress), null));
  }

  private generationAfter(before: State | undefined, interfaceIndex: number): number {
    return Math.max(before?.row.generation ?? 0, this.found.get(interfaceIndex)?.generation ?? 0) + 1;
  }

  private raiseIf(changed: boolean): void {
    if (!changed) return;
    this.settings = { ...this.settings, identities: this.settings.identities + 1 };
    this.setSettings({});
  }

  /** What has no room is dropped at the pods, whose policies deny it too. */
  private writePrefilter(entries: readonly PrefilterEntry[]): void {
    const map = this.maps.deniedPrefixes;
    const rows = entries.slice(0, map.shape.maxEntries).map(({ prefix, rule }) => {
      const key = encodeOne(PREFIX, mapPrefix(prefix));
      return { key, id: Buffer.from(key).toString("latin1"), rule };
    });
    const wanted = new Set(rows.map(({ id }) => id));
    const stale = [...map.entriesRaw()].flatMap(([key]) =>
      wanted.has(Buffer.from(key).toString("latin1")) ? [] : [key],
    );
    map.deleteAllRaw(Buffer.concat(stale));
    map.setAllRaw(
      Buffer.concat(rows.map(({ key }) => key)),
      encodeAll(
        U32,
        rows.map(({ rule }) => rule),
      ),
    );
    this.denied = wanted;
  }

  private retire(policy: EndpointPolicy): void {
    this.retired.push(policy);
    this.timer ??= setTimeout(() => this.releaseRetired(), GRACE_MILLISECONDS).unref();
  }

  private releaseRetired(): void {
    this.timer = null;
    for (const policy of this.retired.splice(0)) this.policies.release(policy);
  }
}

const isLockedDown = ({ row }: State): boolean => (row.flags & EndpointFlag.lockedDown) !== 0;

/** ::ffff:0:0/96. */
function isMappedIpv4(address: Uint8Array): boolean {
  return address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff;
}

function readKey(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(0, true);
}

function readCookie(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset).getBigUint64(0, true);
}

function gaugeOf({ name, shape }: RawMap, entries: number): Gauge {
  return { map: name, entries, capacity: shape.maxEntries };
}
