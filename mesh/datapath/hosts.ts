/**
 * Which identity an address has, as entries of `hosts` (single addresses) and `prefixes`.
 *
 * When there are more than the maps hold, what is left out must not pass for something weaker: a pod without an entry would be
 * taken for the world, or for the CIDR around it, and rules for those would let it in. So the entry that such an address
 * would fall back on, the longest prefix in the map that holds it, becomes `Identity.Unfit`, which every policy denies; where
 * there is none, the prefix of everything. Addresses of the node itself and of its own pods come first.
 */
import type { HostEntry } from "../policy/types.ts";
import { ADDRESS_BITS, maskTo, mapPrefix } from "./addresses.ts";
import type { MappedPrefix } from "./addresses.ts";
import { ADDRESS, encodeAll, HOST, PREFIX, readHost, readU32 } from "./layouts.ts";
import type { HostRow } from "./layouts.ts";
import type { Gauge, RawMap } from "./maps.ts";
import { UNFIT_IDENTITY } from "./policy-tables.ts";

export interface HostMaps {
  readonly hosts: RawMap;
  readonly prefixes: RawMap;
}

export interface Capacity {
  readonly hosts: number;
  readonly prefixes: number;
}

/** An entry of one of the two maps. */
export interface Placed {
  readonly prefix: MappedPrefix;
  readonly row: HostRow;
}

/** By `keyOf`. */
export type Rows = ReadonlyMap<string, Placed>;

const EVERYTHING: MappedPrefix = { bytes: new Uint8Array(16), bits: 0 };
const UNFIT: HostRow = { identity: UNFIT_IDENTITY, endpoint: 0, local: false };
/** Identity.Init: a pod of this node that the cluster does not know yet. */
const INIT_IDENTITY = 5;

/** The same for the same prefix. */
export const keyOf = ({ bytes, bits }: MappedPrefix): string => `${Buffer.from(bytes).toString("latin1")}/${bits}`;

const isSingle = ({ prefix }: Placed): boolean => prefix.bits === ADDRESS_BITS;

/** What goes into the maps of all that is wanted, and how many had no room. */
export function place(wanted: Rows, capacity: Capacity): { readonly rows: Rows; readonly unfit: number } {
  const ranked = [...wanted].toSorted(([, a], [, b]) => rankOf(b.row) - rankOf(a.row));
  const singles = ranked.filter(([, placed]) => isSingle(placed));
  const prefixes = ranked.filter(([, placed]) => !isSingle(placed));
  // One place stays free for the prefix of everything.
  const left = [...singles.slice(capacity.hosts), ...prefixes.slice(capacity.prefixes - 1)];
  const rows = new Map([...singles.slice(0, capacity.hosts), ...prefixes.slice(0, capacity.prefixes - 1)]);
  for (const [, { prefix }] of left) {
    const fallback = longestAround(prefix, rows) ?? EVERYTHING;
    rows.set(keyOf(fallback), { prefix: fallback, row: UNFIT });
  }
  return { rows, unfit: left.length };
}

/** The node's own addresses before its pods' before all others. */
function rankOf({ local, endpoint }: HostRow): number {
  return local ? 2 : endpoint === 0 ? 0 : 1;
}

/** The longest prefix of the rows that holds this one and is shorter. */
function longestAround(prefix: MappedPrefix, rows: Rows): MappedPrefix | undefined {
  for (let bits = prefix.bits - 1; bits >= 0; bits--) {
    const around = maskTo(prefix, bits);
    if (rows.has(keyOf(around))) return around;
  }
  return undefined;
}

/** What the engine or a registration says of a prefix. */
interface Wish {
  readonly prefix: MappedPrefix;
  readonly entry: HostEntry | null;
  readonly endpoint: { readonly id: number; readonly pod: string } | null;
}

export class HostTable {
  private readonly maps: HostMaps;
  private readonly capacity: Capacity;
  private readonly wishes = new Map<string, Wish>();
  private readonly wanted = new Map<string, Placed>();
  private readonly wantedCount = { hosts: 0, prefixes: 0 };
  /** What is in the maps where that is not what is wanted: what an earlier agent left, or what had room. */
  private partly: Rows | null;
  private unfitCount = 0;
  /** Before the cluster has been told once, what an earlier agent wrote stays as it is. */
  private told = false;

  /** Reads what an earlier agent left in the maps. */
  constructor(maps: HostMaps) {
    this.maps = maps;
    this.partly = new Map([...readRows(maps.hosts, readSingle), ...readRows(maps.prefixes, readPrefix)]);
    this.capacity = { hosts: maps.hosts.shape.maxEntries, prefixes: maps.prefixes.shape.maxEntries };
  }

  /** How many addresses and prefixes had no room, and are denied. */
  get unfit(): number {
    return this.unfitCount;
  }

  /** True: some address has another identity than before. The first change is the whole cluster. */
  apply({ set, deleted }: { readonly set: readonly HostEntry[]; readonly deleted: readonly string[] }): boolean {
    const touched = new Map<string, Placed | undefined>();
    for (const text of deleted) this.wish(mapPrefix(text), { entry: null }, touched);
    for (const entry of set) this.wish(mapPrefix(entry.prefix), { entry }, touched);
    this.told = true;
    return this.write(touched);
  }

  /** Addresses of an endpoint of this node; `endpoint` null: no more. */
  assign(addresses: readonly Uint8Array[], endpoint: Wish["endpoint"]): boolean {
    const touched = new Map<string, Placed | undefined>();
    for (const bytes of addresses) this.wish({ bytes, bits: ADDRESS_BITS }, { endpoint }, touched);
    return this.write(touched);
  }

  gauges(): readonly Gauge[] {
    const { hosts, prefixes } = this.maps;
    return [
      { map: hosts.name, entries: this.wantedCount.hosts, capacity: this.capacity.hosts },
      { map: prefixes.name, entries: this.wantedCount.prefixes, capacity: this.capacity.prefixes },
    ];
  }

  /** Notes a wish, and in `touched` what was wanted of its prefix before all of them. */
  private wish(prefix: MappedPrefix, part: Partial<Wish>, touched: Map<string, Placed | undefined>): void {
    const key = keyOf(prefix);
    const wish: Wish = { entry: null, endpoint: null, ...this.wishes.get(key), ...part, prefix };
    const row = rowOf(wish);
    if (!touched.has(key)) touched.set(key, this.wanted.get(key));
    this.count(this.wanted.get(key), -1);
    if (row === null) {
      this.wishes.delete(key);
      this.wanted.delete(key);
      return;
    }
    this.wishes.set(key, wish);
    this.wanted.set(key, { prefix, row });
    this.count(this.wanted.get(key), 1);
  }

  private count(placed: Placed | undefined, more: number): void {
    if (placed !== undefined) this.wantedCount[isSingle(placed) ? "hosts" : "prefixes"] += more;
  }

  private write(touched: ReadonlyMap<string, Placed | undefined>): boolean {
    if (!this.told) return false;
    const fits = this.wantedCount.hosts <= this.capacity.hosts && this.wantedCount.prefixes < this.capacity.prefixes;
    if (fits && this.partly === null) return this.writeTouched(touched);
    const before = this.partly ?? withBefore(this.wanted, touched);
    const { rows, unfit } = fits ? { rows: new Map(this.wanted), unfit: 0 } : place(this.wanted, this.capacity);
    this.partly = fits ? null : rows;
    this.unfitCount = unfit;
    return this.writeDifference(before, rows);
  }

  private writeTouched(touched: ReadonlyMap<string, Placed | undefined>): boolean {
    const after = new Map<string, Placed>();
    const before = new Map<string, Placed>();
    for (const [key, old] of touched) {
      const now = this.wanted.get(key);
      if (now !== undefined) after.set(key, now);
      if (old !== undefined) before.set(key, old);
    }
    return this.writeDifference(before, after);
  }

  // What needs no room comes first, the denying fallbacks among it; then room is made; then what is new.
  private writeDifference(before: Rows, after: Rows): boolean {
    const changed = [...after].filter(([key, { row }]) => !sameRow(before.get(key)?.row, row));
    const isUrgent = ([key]: [string, Placed]): boolean => before.has(key) || key === keyOf(EVERYTHING);
    const gone = [...before].filter(([key]) => !after.has(key));
    this.store(changed.filter(isUrgent));
    this.remove(gone);
    this.store(changed.filter((entry) => !isUrgent(entry)));
    const another = changed.some(([key, { row }]) => before.get(key)?.row.identity !== row.identity);
    return another || gone.length > 0;
  }

  private store(entries: readonly (readonly [string, Placed])[]): void {
    const all = entries.map(([, placed]) => placed);
    const [singles, prefixes] = [all.filter(isSingle), all.filter((placed) => !isSingle(placed))];
    const rows = (some: readonly Placed[]): Uint8Array =>
      encodeAll(
        HOST,
        some.map(({ row }) => row),
      );
    this.maps.hosts.setAllRaw(keysOfSingles(singles), rows(singles));
    this.maps.prefixes.setAllRaw(keysOfPrefixes(prefixes), rows(prefixes));
  }

  private remove(entries: readonly (readonly [string, Placed])[]): void {
    const all = entries.map(([, placed]) => placed);
    this.maps.hosts.deleteAllRaw(keysOfSingles(all.filter(isSingle)));
    this.maps.prefixes.deleteAllRaw(keysOfPrefixes(all.filter((placed) => !isSingle(placed))));
  }
}

/**
 * An address that a pod of this node has registered is that pod's; while the cluster says another's, or nothing, it is
 * `Init`: addresses are used again, and must not bring along who had them before.
 */
function rowOf({ entry, endpoint }: Wish): HostRow | null {
  if (endpoint !== null && entry?.pod !== endpoint.pod) {
    return { identity: INIT_IDENTITY, endpoint: endpoint.id, local: false };
  }
  return entry === null ? null : { identity: entry.identity, endpoint: endpoint?.id ?? 0, local: entry.local };
}

function withBefore(wanted: Rows, touched: ReadonlyMap<string, Placed | undefined>): Rows {
  const before = new Map(wanted);
  for (const [key, placed] of touched) {
    if (placed === undefined) before.delete(key);
    else before.set(key, placed);
  }
  return before;
}

function sameRow(a: HostRow | undefined, b: HostRow): boolean {
  return a !== undefined && a.identity === b.identity && a.endpoint === b.endpoint && a.local === b.local;
}

const keysOfSingles = (some: readonly Placed[]): Uint8Array =>
  encodeAll(
    ADDRESS,
    some.map(({ prefix }) => prefix.bytes),
  );
const keysOfPrefixes = (some: readonly Placed[]): Uint8Array =>
  encodeAll(
    PREFIX,
    some.map(({ prefix }) => prefix),
  );

function* readRows(map: RawMap, prefixOf: (key: Uint8Array) => MappedPrefix): Generator<[string, Placed]> {
  for (const [key, value] of map.entriesRaw()) {
    const prefix = prefixOf(key);
    yield [keyOf(prefix), { prefix, row: readHost(value) }];
  }
}

function readSingle(key: Uint8Array): MappedPrefix {
  return { bits: ADDRESS_BITS, bytes: key };
}

function readPrefix(key: Uint8Array): MappedPrefix {
  return { bits: readU32(key, { at: 0, bigEndian: false }), bytes: key.slice(4) };
}
