/**
 * A hash table inside simulated memory: what hash maps keep their entries in.
 *
 *   buckets   u32 each: address of the first node, 0 for none; a power of two of them, as in the kernel
 *   node      key (padded with zeros to 8 bytes) | next u32 | value u32 | index u32 | used u32
 *   values    one for each node, or one for each node and CPU, `valueStride` apart
 *
 * All of it can be read by compiled code, which may look keys up by itself: `TableShape` tells where things are, `hash`
 * how a key finds its bucket. Programs may read keys (callbacks of for_each_map_elem get their addresses) and values,
 * nothing else. Nodes are made when they are first needed and never given back; who uses which is the map's affair.
 *
 * Hash and order of entries are those of a kernel map with BPF_F_ZERO_SEED. Without that flag the kernel's hash starts from a
 * random number, so the order differs from map to map there; here it is always the same.
 */
import type { Memory, Region } from "../memory.ts";
import { roundUp8 } from "../slab.ts";

/** Offsets in a node (`next`, `value`, `index`, `used`) and what else is needed to find a key. */
export interface TableShape {
  /** Address of the first bucket. */
  readonly buckets: number;
  /** Number of buckets less one. */
  readonly mask: number;
  readonly keySize: number;
  readonly next: number;
  readonly value: number;
  readonly index: number;
  /** Not 0 once a program has looked the entry up; counts for LRU maps only. */
  readonly used: number;
  /** From one CPU's value to the next one's. */
  readonly valueStride: number;
}

export interface TableOptions {
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  /** Values of a node. */
  readonly cpus: number;
  readonly maxEntries: number;
  readonly writable: boolean;
}

/** Bytes of values or nodes made at a time. */
const CHUNK = 1 << 16;
const META = 16;

export class Table {
  readonly shape: TableShape;
  private readonly memory: Memory;
  private readonly options: TableOptions;
  private readonly nodeStride: number;
  private readonly buckets: Region;
  /** Where the host's keys and values are put. */
  private readonly keyScratch: number;
  private readonly valueScratch: number;
  private fresh: number[] = [];
  private made = 0;

  constructor(memory: Memory, options: TableOptions) {
    this.memory = memory;
    this.options = options;
    const { keySize, valueSize, maxEntries } = options;
    const count = 2 ** Math.ceil(Math.log2(maxEntries));
    const next = roundUp8(keySize);
    this.nodeStride = next + META;
    const valueStride = roundUp8(valueSize);
    this.buckets = memory.map(`table of map ${options.name}`, roundUp8(count * 4) + next + valueStride * options.cpus, {
      opaque: "a map is read and written through helpers",
    });
    this.keyScratch = this.buckets.start + roundUp8(count * 4);
    this.valueScratch = this.keyScratch + next;
    this.shape = {
      buckets: this.buckets.start,
      mask: count - 1,
      keySize,
      next,
      value: next + 4,
      index: next + 8,
      used: next + 12,
      valueStride,
    };
  }

  /** Puts a key of the host where `find` and `insert` can read it: the address. Good until the next one. */
  putKey(key: Uint8Array): number {
    this.memory.bytes.set(key, this.keyScratch);
    return this.keyScratch;
  }
  /** As `putKey`, for a value or those of all CPUs. */
  putValue(value: Uint8Array): number {
    this.memory.bytes.set(value, this.valueScratch);
    return this.valueScratch;
  }

  /** The node whose key equals the bytes at `key`, or 0. */
  find(key: number): number {
    const { data } = this.memory;
    let node = data.getUint32(this.bucketOf(key), true);
    while (node !== 0 && !this.equal(node, key)) node = data.getUint32(node + this.shape.next, true);
    return node;
  }

  /** A node that was never used and is in no bucket; `index` is the map's number for it. */
  make(index = 0): number {
    if (this.fresh.length === 0) this.grow();
    const node = this.fresh.pop();
    if (node === undefined) throw new Error("a table that grew has no new node");
    this.memory.data.setUint32(node + this.shape.index, index, true);
    return node;
  }

  /** Makes `node` the first of the bucket that the key at `key` belongs to. */
  insert(node: number, key: number): void {
    const { data } = this.memory;
    this.memory.bytes.copyWithin(node, key, key + this.shape.keySize);
    const bucket = this.bucketOf(node);
    data.setUint32(node + this.shape.next, data.getUint32(bucket, true), true);
    data.setUint32(bucket, node, true);
  }

  /** Takes `node` out of its bucket. */
  remove(node: number): void {
    const { data } = this.memory;
    const { next } = this.shape;
    let link = this.bucketOf(node);
    while (data.getUint32(link, true) !== node) link = data.getUint32(link, true) + next;
    data.setUint32(link, data.getUint32(node + next, true), true);
  }

  /** Whether `node` itself is in its bucket. */
  has(node: number): boolean {
    const { data } = this.memory;
    let at = data.getUint32(this.bucketOf(node), true);
    while (at !== 0 && at !== node) at = data.getUint32(at + this.shape.next, true);
    return at === node;
  }

  /** Nodes of one bucket, from the first on. */
  bucket(number: number): number[] {
    const { data } = this.memory;
    const nodes: number[] = [];
    let node = data.getUint32(this.shape.buckets + number * 4, true);
    for (; node !== 0; node = data.getUint32(node + this.shape.next, true)) nodes.push(node);
    return nodes;
  }

  /** All nodes in the table, in the order of the buckets. The one that comes and the one after it may be taken out. */
  *nodes(): Generator<number> {
    const { buckets, mask, next } = this.shape;
    for (let number = 0; number <= mask; number++) {
      let node = this.memory.data.getUint32(buckets + number * 4, true);
      while (node !== 0) {
        const after = this.memory.data.getUint32(node + next, true);
        yield node;
        node = after;
      }
    }
  }

  get bucketCount(): number {
    return this.shape.mask + 1;
  }

  /** The node after `node` in the order of `nodes`, or 0. */
  after(node: number): number {
    const { data } = this.memory;
    const next = data.getUint32(node + this.shape.next, true);
    return next !== 0 ? next : this.firstFrom((this.bucketOf(node) - this.shape.buckets) / 4 + 1);
  }
  /** The first node of bucket `number` or a later one, or 0. */
  firstFrom(number: number): number {
    const { data } = this.memory;
    for (let at = number; at <= this.shape.mask; at++) {
      const node = data.getUint32(this.shape.buckets + at * 4, true);
      if (node !== 0) return node;
    }
    return 0;
  }

  key(node: number): Uint8Array {
    return this.bytes(node, this.shape.keySize).slice();
  }
  /** The address of a node's value for a CPU. */
  valueOf(node: number, cpu: number): number {
    return this.memory.data.getUint32(node + this.shape.value, true) + cpu * this.shape.valueStride;
  }
  /** The value in place. */
  value(node: number, cpu: number): Uint8Array {
    return this.bytes(this.valueOf(node, cpu), this.options.valueSize);
  }
  /** Copies the value at an address. */
  write(node: number, cpu: number, from: number): void {
    this.memory.bytes.copyWithin(this.valueOf(node, cpu), from, from + this.options.valueSize);
  }
  indexOf(node: number): number {
    return this.memory.data.getUint32(node + this.shape.index, true);
  }
  isUsed(node: number): boolean {
    return this.memory.data.getUint32(node + this.shape.used, true) !== 0;
  }
  setUsed(node: number, used: boolean): void {
    this.memory.data.setUint32(node + this.shape.used, used ? 1 : 0, true);
  }

  private bytes(at: number, size: number): Uint8Array {
    return this.memory.bytes.subarray(at, at + size);
  }

  private bucketOf(key: number): number {
    return this.shape.buckets + (hash(this.memory.data, key, this.shape.keySize) & this.shape.mask) * 4;
  }

  private equal(a: number, b: number): boolean {
    const { data } = this.memory;
    const { keySize } = this.shape;
    let at = 0;
    for (; at + 4 <= keySize; at += 4) if (data.getUint32(a + at, true) !== data.getUint32(b + at, true)) return false;
    for (; at < keySize; at++) if (data.getUint8(a + at) !== data.getUint8(b + at)) return false;
    return true;
  }

  private grow(): void {
    const { name, keySize, valueSize, cpus, writable } = this.options;
    const { valueStride } = this.shape;
    const room = Math.floor(CHUNK / Math.max(this.nodeStride, valueStride * cpus));
    const count = Math.max(1, Math.min(room, this.options.maxEntries + cpus - this.made));
    const nodes = this.memory.map(`key of map ${name}`, count * this.nodeStride, {
      elements: { stride: this.nodeStride, size: keySize },
      writable: false,
    });
    const values = this.memory.map(`value of map ${name}`, count * cpus * valueStride, {
      elements: { stride: valueStride, size: valueSize },
      writable,
    });
    for (let i = 0; i < count; i++) {
      const node = nodes.start + i * this.nodeStride;
      this.memory.data.setUint32(node + this.shape.value, values.start + i * cpus * valueStride, true);
      this.fresh.push(node);
    }
    this.made += count;
    // Given out in ascending order.
    this.fresh.reverse();
  }
}

/**
 * The hash of `size` bytes at an address: Bob Jenkins' lookup3 (hashlittle, 2006, in the public domain) started from 0,
 * which is what the kernel uses with BPF_F_ZERO_SEED. `seed`: what the hash is started from.
 */
export function hash(data: DataView, address: number, size: number, seed = 0): number {
  let a = (0xdead_beef + size + seed) | 0;
  let b = a;
  let c = a;
  let at = address;
  let left = size;
  for (; left > 12; left -= 12, at += 12) {
    a = (a + data.getInt32(at, true)) | 0;
    b = (b + data.getInt32(at + 4, true)) | 0;
    c = (c + data.getInt32(at + 8, true)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (left === 0) return c >>> 0;
  a = (a + word(data, at, left)) | 0;
  b = (b + word(data, at + 4, left - 4)) | 0;
  c = (c + word(data, at + 8, left - 8)) | 0;
  c = (c ^ b) - rotate(b, 14);
  a = (a ^ c) - rotate(c, 11);
  b = (b ^ a) - rotate(a, 25);
  c = (c ^ b) - rotate(b, 16);
  a = (a ^ c) - rotate(c, 4);
  b = (b ^ a) - rotate(a, 14);
  c = (c ^ b) - rotate(b, 24);
  return c >>> 0;
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** The little-endian word at an address of which only `left` bytes count. */
function word(data: DataView, at: number, left: number): number {
  if (left >= 4) return data.getInt32(at, true);
  let value = 0;
  for (let i = 0; i < left; i++) value |= data.getUint8(at + i) << (8 * i);
  return value;
}
