/**
 * hash, lru_hash and their per-CPU variants.
 *
 * As in the kernel, replacing a value does not write over the old one: the entry gets another slot, and a program that
 * looked the old value up still sees it, until the next replacement takes that slot (the kernel keeps one spare element
 * per CPU for this). Per-CPU values are written in place. Source: kernel/bpf/hashtab.c (Linux 6.18).
 *
 * LRU: a JavaScript Map keeps its entries in the order of insertion; an entry that is used is taken out and put in again,
 * so the first is the least recently used and the one to be forgotten when the table is full. The kernel approximates
 * this: it evicts in batches, by reference bits and per CPU, so which entry goes may differ, and it may evict early.
 */
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { Slab, roundUp8 } from "../slab.ts";
import type { Slot } from "../slab.ts";
import { hashKey } from "./key.ts";
import type { HashKey } from "./key.ts";
import { VmMap, refusal } from "./map.ts";
import type { MapHost } from "./map.ts";

interface Entry {
  readonly id: HashKey;
  readonly key: Uint8Array;
  /** One, or one for each CPU. */
  slots: Slot[];
}

export class HashMap extends VmMap {
  private readonly table = new Map<HashKey, Entry>();
  private readonly slab: Slab;
  /** The slot that the last replaced value had. */
  private spare: Slot | null = null;
  private readonly lru: boolean;
  private readonly perCpu: boolean;
  private readonly cpus: number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.lru = spec.type === "lru_hash" || spec.type === "lru_percpu_hash";
    this.perCpu = spec.type === "percpu_hash" || spec.type === "lru_percpu_hash";
    this.cpus = this.perCpu ? host.cpus : 1;
    const most = spec.maxEntries * this.cpus + 1;
    this.slab = new Slab(host.memory, `value of map ${spec.name}`, spec.valueSize, most, this.programWrites);
  }

  override lookup(key: Uint8Array, cpu: number): number {
    const entry = this.table.get(hashKey(key));
    if (entry === undefined) return 0;
    this.touch(entry);
    return entry.slots[this.perCpu ? cpu : 0]?.address ?? 0;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, cpu: number): number {
    return this.store(key, flags, (slots) => slots[this.perCpu ? cpu : 0]?.bytes.set(value));
  }

  override remove(key: Uint8Array): number {
    const entry = this.table.get(hashKey(key));
    if (entry === undefined) return -ERRNO.ENOENT;
    this.forget(entry);
    return 0;
  }

  override keys(): Uint8Array[] {
    return [...this.table.values()].map((entry) => entry.key.slice());
  }

  override get valueLength(): number {
    return this.perCpu ? roundUp8(this.spec.valueSize) * this.cpus : this.spec.valueSize;
  }

  // Reading from user space does not count as use (htab_lru_map_lookup_elem_sys).
  protected override read(key: Uint8Array): Uint8Array | null {
    const entry = this.table.get(hashKey(key));
    if (entry === undefined) return null;
    const out = new Uint8Array(this.valueLength);
    entry.slots.forEach((slot, cpu) => out.set(slot.bytes, cpu * roundUp8(this.spec.valueSize)));
    return out;
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    const { valueSize } = this.spec;
    return this.store(key, flags, (slots) => {
      slots.forEach((slot, cpu) => {
        const from = cpu * roundUp8(valueSize);
        slot.bytes.set(value.subarray(from, from + valueSize));
      });
    });
  }

  private store(key: Uint8Array, flags: number, put: (slots: Slot[]) => void): number {
    const id = hashKey(key);
    const entry = this.table.get(id);
    const refused = refusal(flags, entry !== undefined);
    if (refused !== 0) return refused;
    if (entry === undefined) return this.create(id, key, put);
    this.touch(entry);
    if (this.perCpu) put(entry.slots);
    else this.replace(entry, put);
    return 0;
  }

  private create(id: HashKey, key: Uint8Array, put: (slots: Slot[]) => void): number {
    if (this.table.size >= this.spec.maxEntries) {
      const oldest = this.lru ? this.table.values().next().value : undefined;
      if (oldest === undefined) return -ERRNO.E2BIG;
      this.forget(oldest);
    }
    const slots = Array.from({ length: this.cpus }, () => this.slab.take());
    for (const slot of slots) slot.bytes.fill(0);
    put(slots);
    this.table.set(id, { id, key: key.slice(), slots });
    return 0;
  }

  private replace(entry: Entry, put: (slots: Slot[]) => void): void {
    const next = [this.spare ?? this.slab.take()];
    put(next);
    this.spare = entry.slots[0] ?? null;
    entry.slots = next;
  }

  private forget(entry: Entry): void {
    this.table.delete(entry.id);
    for (const slot of entry.slots) this.slab.give(slot);
  }

  private touch(entry: Entry): void {
    if (!this.lru) return;
    this.table.delete(entry.id);
    this.table.set(entry.id, entry);
  }
}
