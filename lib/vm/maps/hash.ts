/**
 * hash, lru_hash and their per-CPU variants, over a table in simulated memory (table.ts).
 *
 * As in the kernel, replacing a value does not write over the old one: the entry gets another node, and a program that
 * looked the old value up still sees it, until something else takes that node. Which node comes next is the kernel's
 * order: a deleted one is the first to be used again on its CPU; a preallocated map keeps one spare node per CPU for
 * replacements, a map without preallocation takes any. Per-CPU values and, with BPF_F_LOCK, values with a lock are written in place.
 *
 * An LRU map takes a node, and so may forget entries, before it looks whether the update is possible at all (lru.ts).
 */
import { MAP_FLAGS, UPDATE_FLAGS } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { LruLists } from "./lru.ts";
import { HOST_CPU, VmMap, locks, refusal, refusedBatch, withoutLock } from "./map.ts";
import type { Batch, MapHost } from "./map.ts";
import { Table } from "./table.ts";
import type { TableShape } from "./table.ts";
import { copyValue, endFields, readValue } from "./value.ts";

/** Whose value of a per-CPU map is written: a CPU's by its programs, that of all by the host. */
type Target = number | "all";

abstract class TableMap extends VmMap {
  protected readonly table: Table;
  protected readonly perCpu: boolean;
  protected readonly cpus: number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.perCpu = spec.type === "percpu_hash" || spec.type === "lru_percpu_hash";
    this.cpus = host.cpus;
    this.table = new Table(host.memory, {
      name: spec.name,
      keySize: spec.keySize,
      valueSize: spec.valueSize,
      cpus: this.perCpu ? host.cpus : 1,
      maxEntries: spec.maxEntries,
      writable: this.programWrites,
    });
  }

  /** For compiled code that looks keys up by itself. */
  get shape(): TableShape {
    return this.table.shape;
  }

  override lookup(key: Uint8Array, cpu: number): number {
    return this.lookupAt(this.table.putKey(key), cpu);
  }

  override lookupAt(address: number, cpu: number): number {
    const node = this.table.find(address);
    return node === 0 ? 0 : this.hit(node, cpu);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, cpu: number): number {
    return this.updateAt(this.table.putKey(key), this.table.putValue(value), flags, cpu);
  }
  override updateAt(key: number, value: number, flags: number, cpu: number): number {
    return this.store(key, value, flags, cpu, cpu);
  }

  override remove(key: Uint8Array, cpu: number): number {
    return this.removeAt(this.table.putKey(key), cpu);
  }
  override removeAt(key: number, cpu: number): number {
    const node = this.table.find(key);
    if (node === 0) return -ERRNO.ENOENT;
    this.table.remove(node);
    this.release(node, cpu);
    return 0;
  }

  override forEach(visit: (key: number, value: number) => boolean, cpu: number): number {
    let count = 0;
    for (const node of this.table.nodes()) {
      count++;
      if (!visit(node, this.table.valueOf(node, this.perCpu ? cpu : 0))) break;
    }
    return count;
  }

  override keys(): Uint8Array[] {
    return Array.from(this.table.nodes(), (node) => this.table.key(node));
  }

  override get valueLength(): number {
    return this.perCpu ? this.shape.valueStride * this.cpus : this.spec.valueSize;
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    const node = this.table.find(this.table.putKey(key));
    return node === 0 ? -ERRNO.ENOENT : this.copy(node);
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.store(this.table.putKey(key), this.table.putValue(value), flags, HOST_CPU, "all");
  }

  protected override next(key: Uint8Array | null): Uint8Array | number {
    const at = key === null ? 0 : this.table.find(this.table.putKey(key));
    const node = at === 0 ? this.table.firstFrom(0) : this.table.after(at);
    return node === 0 ? -ERRNO.ENOENT : this.table.key(node);
  }

  protected override extract(key: Uint8Array): Uint8Array | number {
    const node = this.table.find(this.table.putKey(key));
    if (node === 0) return -ERRNO.ENOENT;
    const value = this.copy(node);
    this.table.remove(node);
    this.release(node, HOST_CPU);
    return value;
  }

  protected override get batches(): { lookup: true; update: true; delete: true } {
    return { lookup: true, update: true, delete: true };
  }

  /** Whole buckets at a time: the cursor is the number of the next one, -ENOSPC says that `count` is too small for it. */
  protected override readBatch(cursor: Uint8Array | null, count: number, flags: number, take: boolean): Batch {
    if (withoutLock(flags) !== 0 || this.lacksLock(flags)) return refusedBatch(-ERRNO.EINVAL);
    if (count === 0) return refusedBatch(0);
    let bucket = cursor === null ? 0 : viewOf(cursor).getUint32(0, true);
    if (bucket >= this.table.bucketCount) return refusedBatch(-ERRNO.ENOENT);
    const entries: [Uint8Array, Uint8Array][] = [];
    let result = -ERRNO.ENOENT;
    for (; bucket < this.table.bucketCount; bucket++) {
      const nodes = this.table.bucket(bucket);
      if (nodes.length > count - entries.length) {
        result = entries.length === 0 ? -ERRNO.ENOSPC : 0;
        break;
      }
      for (const node of nodes) {
        entries.push([this.table.key(node), this.copy(node)]);
        if (!take) continue;
        this.table.remove(node);
        this.release(node, HOST_CPU);
      }
    }
    const next = new Uint8Array(4);
    viewOf(next).setUint32(0, bucket, true);
    return { result, entries, cursor: next };
  }

  /** Copies the value at an address to where a program on `target` sees it, or those of all CPUs. */
  protected put(node: number, value: number, target: Target): void {
    if (!this.perCpu && this.special.length > 0)
      copyValue(this.table.value(node, 0), this.bytesAt(value, this.spec.valueSize), this.special);
    else if (!this.perCpu) this.table.write(node, 0, value);
    else if (target !== "all") this.table.write(node, target, value);
    else for (let cpu = 0; cpu < this.cpus; cpu++) this.table.write(node, cpu, value + cpu * this.shape.valueStride);
  }

  /** Reading from user space does not count as use. */
  protected copy(node: number): Uint8Array {
    if (!this.perCpu) return readValue(this.table.value(node, 0), this.special);
    const out = new Uint8Array(this.valueLength);
    for (let cpu = 0; cpu < this.cpus; cpu++) out.set(this.table.value(node, cpu), cpu * this.shape.valueStride);
    return out;
  }

  /** Makes the values of a node that was taken for a new entry zero. */
  protected clear(node: number): void {
    if (this.perCpu) for (let cpu = 0; cpu < this.cpus; cpu++) this.table.value(node, cpu).fill(0);
    else for (const { offset, size } of this.special) this.table.value(node, 0).fill(0, offset, offset + size);
  }

  /** Ends what is in the values of a node that is no entry any more. */
  protected end(node: number): void {
    if (this.special.length > 0) endFields(this.table.value(node, 0), this.special);
  }

  /** A program has found a node: the address of its value. */
  protected abstract hit(node: number, cpu: number): number;
  /** 0 or a negative errno. `key`, `value`: addresses. `cpu`: where it happens. */
  protected abstract store(key: number, value: number, flags: number, cpu: number, target: Target): number;
  /** Takes back a node that is in no bucket any more. */
  protected abstract release(node: number, cpu: number): void;
}

/** hash and percpu_hash. */
export class HashMap extends TableMap {
  private size = 0;
  /** By CPU: nodes given back, the last is the next to be used. */
  private readonly free: number[][];
  /** By CPU: what the next replacement takes. Null: a node that was never used. */
  private readonly spare: (number | null)[];
  private readonly preallocated: boolean;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.preallocated = (spec.flags & MAP_FLAGS.no_prealloc) === 0;
    this.free = Array.from({ length: host.cpus }, () => []);
    this.spare = Array.from({ length: host.cpus }, () => null);
  }

  protected override hit(node: number, cpu: number): number {
    return this.table.valueOf(node, this.perCpu ? cpu : 0);
  }

  protected override store(key: number, value: number, flags: number, cpu: number, target: Target): number {
    if (this.lacksLock(flags) || (this.perCpu && flags > UPDATE_FLAGS.exist)) return -ERRNO.EINVAL;
    const old = this.table.find(key);
    const refused = refusal(withoutLock(flags), old !== 0);
    if (refused !== 0) return refused;
    const inPlace = this.perCpu || locks(flags);
    if (old !== 0 && inPlace) {
      this.put(old, value, target);
      return 0;
    }
    if (old === 0 && this.size >= this.spec.maxEntries) return -ERRNO.E2BIG;
    const node = this.takeNode(cpu, old !== 0);
    this.clear(node);
    this.put(node, value, target);
    this.table.insert(node, key);
    if (old === 0) this.size++;
    else this.retire(old, cpu);
    return 0;
  }

  private takeNode(cpu: number, replaces: boolean): number {
    const known = replaces && this.preallocated ? this.spare[cpu] : this.free[cpu]?.pop();
    return known ?? this.table.make();
  }

  /** Takes out a node that another has replaced. */
  private retire(old: number, cpu: number): void {
    this.table.remove(old);
    this.end(old);
    if (this.preallocated) this.spare[cpu] = old;
    else this.free[cpu]?.push(old);
  }

  protected override release(node: number, cpu: number): void {
    this.size--;
    this.end(node);
    this.free[cpu]?.push(node);
  }
}

/** lru_hash and lru_percpu_hash. */
export class LruHashMap extends TableMap {
  private readonly lists: LruLists;
  /** By the lists' number; 0 until the node is first taken. */
  private readonly nodes: Uint32Array;

  constructor(spec: MapSpec, host: MapHost) {
    const common = (spec.flags & MAP_FLAGS.no_common_lru) === 0;
    // Each CPU has as many as the next.
    const maxEntries = common ? spec.maxEntries : Math.ceil(spec.maxEntries / host.cpus) * host.cpus;
    super({ ...spec, maxEntries }, host);
    this.nodes = new Uint32Array(maxEntries);
    this.lists = new LruLists(maxEntries, host.cpus, common, {
      isUsed: (index) => this.isHeld(index) && this.table.isUsed(this.node(index)),
      clearUsed: (index) => {
        if (this.isHeld(index)) this.table.setUsed(this.node(index), false);
      },
      forget: (index) => this.forget(index),
    });
  }

  protected override hit(node: number, cpu: number): number {
    this.table.setUsed(node, true);
    return this.table.valueOf(node, this.perCpu ? cpu : 0);
  }

  protected override store(key: number, value: number, flags: number, cpu: number, target: Target): number {
    if (flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    // A per-CPU value is replaced in place, yet the kernel takes a node first: it cannot under the bucket's lock.
    const needed = !this.perCpu || flags !== UPDATE_FLAGS.exist;
    const taken = needed ? this.takeNode(cpu) : 0;
    if (needed && taken === 0) return -ERRNO.ENOMEM;
    const old = this.table.find(key);
    const refused = refusal(flags, old !== 0);
    const node = refused !== 0 ? 0 : this.perCpu && old !== 0 ? old : taken;
    if (node === taken && node !== 0) {
      this.clear(node);
      this.table.insert(node, key);
    }
    if (node !== 0) this.put(node, value, target);
    if (node !== 0 && old !== 0) this.table.setUsed(node, true);
    const superfluous = node !== taken ? taken : old;
    if (superfluous === old && old !== 0) this.table.remove(old);
    if (superfluous !== 0) this.release(superfluous);
    return refused;
  }

  protected override release(node: number): void {
    this.end(node);
    this.lists.give(this.table.indexOf(node));
  }

  private takeNode(cpu: number): number {
    const index = this.lists.take(cpu);
    return index === null ? 0 : this.node(index);
  }

  private node(index: number): number {
    const known = this.nodes[index] ?? 0;
    if (known !== 0) return known;
    const made = this.table.make(index);
    this.nodes[index] = made;
    return made;
  }

  private isHeld(index: number): boolean {
    return this.nodes[index] !== 0;
  }

  private forget(index: number): boolean {
    const node = this.nodes[index] ?? 0;
    if (node === 0 || !this.table.has(node)) return false;
    this.table.remove(node);
    this.end(node);
    return true;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
