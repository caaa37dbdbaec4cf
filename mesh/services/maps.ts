/** Writing service tables into the kernel's maps, and reading them back after a restart. */
import type { BpfMap } from "ebpf-ts/loader";
import { formatAddress, parseAddress } from "ebpf-ts/packet";
import type { Slot } from "./alias.ts";
import { seedOf } from "./backends.ts";
import { frontendKey } from "./compile.ts";
import type { ServiceWrite } from "./diff.ts";
import type { Backend, Frontend, ServiceTables, SlotTable } from "./types.ts";

/** Sixteen bytes in network order as two words, as programs read them. */
interface Words {
  readonly hi: bigint;
  readonly lo: bigint;
}

type ServiceKey = Words & { port: number; protocol: number; reserved: number; reserved2: number };
// prettier-ignore
type ServiceValue = {
  id: number; table: number; slots: number; affinity: number; algorithm: number; reserved: number; reserved2: number;
};
type BackendValue = Words & { service: number; port: number; state: number; reserved: number };

/** The maps of `programs/mesh/services.ts`. */
export interface ServiceMaps {
  readonly services: BpfMap<ServiceKey, ServiceValue>;
  readonly slots: BpfMap<number, Slot & { reserved: number }>;
  /** Descriptors in, map ids out. */
  readonly maglevs: BpfMap<number, number>;
  readonly backends: BpfMap<number, BackendValue>;
  /** `object.makeInner("maglevs", length)`; closed here, once `maglevs` holds it. */
  makeMaglev(length: number): BpfMap<number, { value: number }>;
}

const PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132 } as const;
const PROTOCOL_NAMES = ["TCP", "UDP", "SCTP"] as const;
const ALGORITHMS = ["random", "maglev"] as const;
const STATES = ["active", "terminating"] as const;
const NOBODY: BackendValue = { hi: 0n, lo: 0n, service: 0, port: 0, state: 0, reserved: 0 };

/** Carries out what `diffServices` found, in its order. Throws the loader's errors; what was written by then stays. */
export function applyServices(maps: ServiceMaps, writes: readonly ServiceWrite[]): void {
  for (const write of writes) apply(maps, write);
}

function apply(maps: ServiceMaps, write: ServiceWrite): void {
  switch (write.kind) {
    case "set backend":
      return maps.backends.set(write.backend.number, backendValue(write.backend, write.service));
    case "set table":
      return setTable(maps, write.table);
    case "set service":
      return maps.services.set(serviceKey(write.frontend), serviceValue(write.frontend));
    case "delete service":
      return void maps.services.delete(serviceKey(write.frontend));
    case "delete table":
      return deleteTable(maps, write.table);
    case "delete backend":
      return maps.backends.set(write.backend.number, NOBODY);
  }
}

function setTable(maps: ServiceMaps, table: SlotTable): void {
  if (table.algorithm === "random") {
    for (const [i, slot] of table.slots.entries()) maps.slots.set(table.number + i, { ...slot, reserved: 0 });
    return;
  }
  const inner = maps.makeMaglev(table.slots.length);
  try {
    for (const [slot, value] of table.slots.entries()) inner.set(slot, { value });
    maps.maglevs.set(table.number, inner.fd);
  } finally {
    inner.close();
  }
}

/** Slots that no service names are free: nothing has to be written for that. */
function deleteTable(maps: ServiceMaps, table: SlotTable): void {
  if (table.algorithm === "maglev") maps.maglevs.delete(table.number);
}

/** What a killed agent left half done: deleting it is all that there is to do about it. */
export interface StoredServices {
  /** To be the `previous` of the first compilation after a restart: numbers stay. Weights and nodes are not in the kernel. */
  readonly tables: ServiceTables;
  /** Maglev tables and backends that no service names. */
  readonly orphans: readonly ServiceWrite[];
}

/** Whatever moment the agent before was killed at, the difference to what this gives repairs the maps. */
export function readServices(maps: ServiceMaps): StoredServices {
  const backends = readBackends(maps);
  const maglevs = new Set(maps.maglevs.keys());
  const next = { service: 1 + max(backends.keys()), maglev: 1 + max(maglevs) };
  const frontends = new Map<string, Frontend>();
  for (const [key, value] of maps.services) {
    const behind = (backends.get(value.id) ?? []).toSorted(byAddress);
    const frontend = { ...readFrontend(maps, key, value), backends: behind };
    frontends.set(frontend.key, frontend);
    next.service = Math.max(next.service, value.id + 1);
    backends.delete(value.id);
    if (frontend.table?.algorithm === "maglev") maglevs.delete(value.table);
  }
  const orphans: ServiceWrite[] = [
    ...[...maglevs].map((number) => ({ kind: "delete table" as const, table: maglevTable(number, 0) })),
    ...[...backends.values()].flat().map((backend) => ({ kind: "delete backend" as const, backend })),
  ];
  return { tables: { frontends, next, problems: [] }, orphans };
}

function readBackends(maps: ServiceMaps): Map<number, Backend[]> {
  const backends = new Map<number, Backend[]>();
  for (const [number, value] of maps.backends) {
    if (value.service === 0) continue;
    const state = STATES[value.state] ?? "terminating";
    const backend: Backend = { number, address: textOf(value), port: value.port, state, weight: 1, node: null };
    backends.set(value.service, [...(backends.get(value.service) ?? []), backend]);
  }
  return backends;
}

function readFrontend(maps: ServiceMaps, key: ServiceKey, value: ServiceValue): Omit<Frontend, "backends"> {
  const address = textOf(key);
  const protocol = PROTOCOL_NAMES.find((name) => PROTOCOLS[name] === key.protocol) ?? "TCP";
  const algorithm = ALGORITHMS[value.algorithm] ?? "random";
  // A Maglev table's content cannot be read by its id here; its length is what the next one has to keep.
  const table =
    algorithm === "maglev" ? maglevTable(value.table, value.slots) : randomTable(value.table, readSlots(maps, value));
  return {
    key: frontendKey(address, key.port, protocol),
    id: value.id,
    address,
    port: key.port,
    protocol,
    affinity: value.affinity,
    algorithm,
    table: value.slots === 0 ? null : table,
    sources: null,
  };
}

function readSlots({ slots }: ServiceMaps, { table, slots: length }: ServiceValue): Slot[] {
  return Array.from({ length }, (_, i) => {
    const { backend = 0, other = 0, threshold = 0 } = slots.get(table + i) ?? {};
    return { backend, other, threshold };
  });
}

function randomTable(number: number, slots: readonly Slot[]): SlotTable {
  return { algorithm: "random", number, slots };
}

function maglevTable(number: number, length: number): SlotTable {
  return { algorithm: "maglev", number, slots: Array.from({ length }, () => 0) };
}

function serviceKey({ address, port, protocol }: Frontend): ServiceKey {
  return { ...wordsOf(address), port, protocol: PROTOCOLS[protocol], reserved: 0, reserved2: 0 };
}

function serviceValue({ id, table, affinity, algorithm }: Frontend): ServiceValue {
  return {
    id,
    table: table?.number ?? 0,
    slots: table?.slots.length ?? 0,
    affinity,
    algorithm: ALGORITHMS.indexOf(algorithm),
    reserved: 0,
    reserved2: 0,
  };
}

function backendValue({ address, port, state }: Backend, service: number): BackendValue {
  return { ...wordsOf(address), service, port, state: STATES.indexOf(state), reserved: 0 };
}

const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

function wordsOf(address: string): Words {
  const ipv4 = parseAddress(address, "ipv4");
  const bytes = ipv4 === null ? parseAddress(address, "ipv6") : Uint8Array.of(...MAPPED, ...ipv4);
  if (bytes === null) throw new TypeError(`not an address: ${address}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { hi: view.getBigUint64(0, true), lo: view.getBigUint64(8, true) };
}

function textOf({ hi, lo }: Words): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, hi, true);
  view.setBigUint64(8, lo, true);
  return formatAddress(MAPPED.every((byte, i) => bytes[i] === byte) ? bytes.subarray(12) : bytes);
}

function byAddress(a: Backend, b: Backend): number {
  return seedOf(a) < seedOf(b) ? -1 : 1;
}

function max(numbers: Iterable<number>): number {
  return [...numbers].reduce((most, number) => Math.max(most, number), 0);
}
