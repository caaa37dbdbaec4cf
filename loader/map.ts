/**
 * A map in the kernel, with values as JavaScript sees them.
 *
 * Keys and values go through codecs derived from the map's BTF types (lib/object/codec.ts); the `raw` methods take and
 * give bytes. Operations are synchronous: a map operation is a system call of a microsecond or two.
 *
 * Per-CPU maps: a value is an array with one element for each possible CPU.
 */
import { readFileSync } from "node:fs";
import { MAP_TYPES } from "../lib/kernel/index.ts";
import type { MapType } from "../lib/kernel/index.ts";
import { isPerCpu, mapCodecs } from "../lib/object/index.ts";
import type { Codec, MapCodecs, MapSpec, Value } from "../lib/object/index.ts";
import type { Btf } from "../lib/btf/index.ts";
import { check, loaderError } from "./errors.ts";
import { Handle, openPin } from "./handle.ts";
import { countAll, readAll } from "./iterate.ts";
import { deleteAll, storeAll } from "./batch.ts";
import { buildAttr } from "./sys/attr.ts";
import type { Attr } from "./sys/attr.ts";
import { bpf, getInfo, mustBpf, runAttr } from "./sys/calls.ts";
import { failedWith } from "./sys/errno.ts";

/** Whether `set` may create an entry, replace one, or both. BPF_ANY, BPF_NOEXIST, BPF_EXIST of bpf(2). */
export type SetMode = "any" | "create" | "replace";
const SET_FLAGS: Record<SetMode, bigint> = { any: 0n, create: 1n, replace: 2n };

/** Sizes as the system call sees them; `valueBytes` counts all CPUs of a per-CPU value. */
export interface MapShape {
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export class BpfMap<K = Value, V = Value> extends Handle {
  readonly shape: MapShape;
  readonly keyCodec: Codec;
  readonly valueCodec: Codec;
  // One buffer and attribute per operation, used again by each call: nothing here waits, so nothing interleaves.
  private readonly keyBytes: Uint8Array;
  private readonly valueBytes: Uint8Array;
  private readonly lookup: Attr;
  private readonly update: Attr;

  /** Takes over `fd`. The codecs' sizes must be those of the map. */
  constructor(fd: number, shape: MapShape, codecs: MapCodecs) {
    super(fd, `map ${JSON.stringify(shape.name)}`);
    this.shape = shape;
    this.keyCodec = codecs.key;
    this.valueCodec = codecs.value;
    this.keyBytes = new Uint8Array(shape.keySize);
    this.valueBytes = new Uint8Array(valueBytes(shape));
    const elem = { map_fd: fd, ...this.keyField(this.keyBytes), value: this.valueBytes };
    this.lookup = buildAttr("map_lookup_elem", elem);
    this.update = buildAttr("map_update_elem", elem);
  }

  get name(): string {
    return this.shape.name;
  }

  /** The value, or undefined when there is no such entry. */
  get(key: K): V | undefined {
    this.keyCodec.encodeInto(key as Value, this.keyBytes, 0);
    return this.look() ? (this.valueCodec.decode(this.valueBytes) as V) : undefined;
  }

  /** Creates or replaces an entry. For maps of sockets and programs the value is a file descriptor. */
  set(key: K, value: V, mode: SetMode = "any"): void {
    this.keyCodec.encodeInto(key as Value, this.keyBytes, 0);
    this.valueCodec.encodeInto(value as Value, this.valueBytes, 0);
    this.store(mode);
  }

  /** Whether there was such an entry. */
  delete(key: K): boolean {
    return this.deleteRaw(this.keyCodec.encode(key as Value));
  }

  has(key: K): boolean {
    this.keyCodec.encodeInto(key as Value, this.keyBytes, 0);
    return this.look();
  }

  /** Removes an entry and returns its value; a queue or stack (no key) gives its next value. Undefined: nothing there. */
  take(key?: K): V | undefined {
    if (key !== undefined) this.keyCodec.encodeInto(key as Value, this.keyBytes, 0);
    const result = bpf("map_lookup_and_delete_elem", {
      map_fd: this.fd,
      ...this.keyField(this.keyBytes),
      value: this.valueBytes,
    });
    return this.found(result, "take an entry") ? (this.valueCodec.decode(this.valueBytes) as V) : undefined;
  }

  /** Whether a bloom filter may hold the value; false: certainly not. */
  mayHave(value: V): boolean {
    this.valueCodec.encodeInto(value as Value, this.valueBytes, 0);
    return this.look();
  }

  /** Appends to a queue or stack, adds to a bloom filter: maps without keys. */
  push(value: V): void {
    this.valueCodec.encodeInto(value as Value, this.valueBytes, 0);
    this.store("any");
  }

  /**
   * All entries, read in batches where the kernel can. While others write, an entry may be missed or be stale, but none
   * comes twice. Deleting entries inside the loop is safe.
   */
  *entries(): Generator<[K, V]> {
    for (const [key, value] of this.entriesRaw()) {
      yield [this.keyCodec.decode(key) as K, this.valueCodec.decode(value) as V];
    }
  }

  *keys(): Generator<K> {
    for (const [key] of this.entriesRaw()) yield this.keyCodec.decode(key) as K;
  }

  [Symbol.iterator](): Generator<[K, V]> {
    return this.entries();
  }

  /** Deletes every entry. */
  clear(): void {
    for (const [key] of this.entriesRaw()) this.deleteRaw(key);
  }

  /** As `get`, in bytes; the result is a copy. */
  getRaw(key: Uint8Array): Uint8Array | undefined {
    this.putRaw(key, this.keyBytes, "key");
    return this.look() ? this.valueBytes.slice() : undefined;
  }

  /** As `getRaw` into a buffer of the caller: nothing is allocated. False: no such entry. */
  getInto(key: Uint8Array, into: Uint8Array): boolean {
    if (into.length < this.valueBytes.length) {
      throw loaderError(
        "L004",
        `a value of ${this.what} takes ${this.valueBytes.length} bytes, the buffer has ${into.length}`,
      );
    }
    this.putRaw(key, this.keyBytes, "key");
    if (!this.look()) return false;
    into.set(this.valueBytes);
    return true;
  }

  /** As `set`, in bytes. */
  setRaw(key: Uint8Array, value: Uint8Array, mode: SetMode = "any"): void {
    this.putRaw(key, this.keyBytes, "key");
    this.putRaw(value, this.valueBytes, "value");
    this.store(mode);
  }

  /** As `delete`, in bytes. */
  deleteRaw(key: Uint8Array): boolean {
    this.putRaw(key, this.keyBytes, "key");
    const result = bpf("map_delete_elem", { map_fd: this.fd, ...this.keyField(this.keyBytes) });
    return this.found(result, "delete an entry");
  }

  /**
   * Creates or replaces many entries, keys and values one behind the other, in as few system calls as the kernel allows.
   * When one is refused (a full map: E2BIG), those before it are in the map.
   */
  setAllRaw(keys: Uint8Array, values: Uint8Array): void {
    const count = this.countOf(keys);
    if (values.length !== count * this.valueBytes.length) {
      throw loaderError(
        "L004",
        `${count} entries of ${this.what} need ${count * this.valueBytes.length} bytes of values`,
      );
    }
    storeAll(this.fd, this.what, { keys, values, count });
  }

  /** Deletes many entries, keys one behind the other; keys that are not there are passed over. */
  deleteAllRaw(keys: Uint8Array): void {
    deleteAll(this.fd, this.what, { keys, keySize: this.shape.keySize, count: this.countOf(keys) });
  }

  /** Bytes of kernel memory, as the map's fdinfo has it; null before Linux 4.10, and where nothing is told. */
  get memory(): number | null {
    const [, bytes] = /^memlock:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${this.fd}`, "utf8")) ?? [];
    return bytes === undefined ? null : Number(bytes);
  }

  /** The kernel's id, as `bpftool map` shows it. Field `id` of struct bpf_map_info. */
  get id(): number {
    return getInfo(this.fd, 8).getUint32(4, true);
  }

  /** As `entries`, in bytes; keys and values are copies. */
  entriesRaw(): Generator<[Uint8Array, Uint8Array]> {
    return readAll(this.fd, this.what, { ...this.shape, valueBytes: this.valueBytes.length });
  }

  /** How many entries there are; while others write, about. No entry is decoded or copied. */
  countEntries(): number {
    return countAll(this.fd, this.what, { ...this.shape, valueBytes: this.valueBytes.length });
  }

  /** No writes from user space any more. */
  freeze(): void {
    mustBpf(`freeze ${this.what}`, "map_freeze", { map_fd: this.fd });
  }

  // Queues, stacks and bloom filters have no key: its pointer stays null.
  private keyField(key: Uint8Array): { key?: Uint8Array } {
    return this.shape.keySize === 0 ? {} : { key };
  }

  private countOf(keys: Uint8Array): number {
    const count = keys.length / this.shape.keySize;
    if (Number.isInteger(count)) return count;
    throw loaderError(
      "L004",
      `keys of ${this.what} have ${this.shape.keySize} bytes each, ${keys.length} is no multiple`,
    );
  }

  private putRaw(from: Uint8Array, into: Uint8Array, which: string): void {
    if (from.length !== into.length) {
      throw loaderError("L004", `a ${which} of ${this.what} has ${into.length} bytes, not ${from.length}`);
    }
    into.set(from);
  }

  private look(): boolean {
    this.lookup.view.setUint32(0, this.fd, true); // throws when closed
    return this.found(runAttr(this.lookup), "look up an entry");
  }

  private store(mode: SetMode): void {
    this.update.view.setUint32(0, this.fd, true);
    this.update.view.setBigUint64(24, SET_FLAGS[mode], true);
    check(runAttr(this.update), `set an entry of ${this.what}`);
  }

  private found(result: number, doing: string): boolean {
    if (failedWith(result, "ENOENT")) return false;
    check(result, `${doing} of ${this.what}`);
    return true;
  }
}

// ---- shapes

/** Bytes of a value as user space reads and writes it: bpf_map_value_size(), kernel/bpf/syscall.c. */
export function valueBytes(shape: MapShape): number {
  return isPerCpu(shape.type) ? Math.ceil(shape.valueSize / 8) * 8 * possibleCpus() : shape.valueSize;
}

let cpus: number | undefined;

/** CPUs that this machine could ever have online; the kernel keeps a per-CPU value for each. */
export function possibleCpus(): number {
  return (cpus ??= countCpus(readFileSync("/sys/devices/system/cpu/possible", "utf8")));
}

/** Length of a CPU list such as `0-3,8`. Source: Documentation/admin-guide/cputopology.rst. */
export function countCpus(list: string): number {
  const ranges = list
    .trim()
    .split(",")
    .map((range) => range.split("-").map(Number));
  return ranges.reduce((sum, [first = 0, last = first]) => sum + last - first + 1, 0);
}

const NAME_OF_TYPE = new Map<number, MapType>(
  Object.entries(MAP_TYPES).map(([name, number]) => [number, name as MapType]),
);

/**
 * Opens a pinned map. With `spec` and its object's BTF it is typed, and differences between the two are an error (L005);
 * without, keys and values are bytes.
 */
export function openMap<K = Value, V = Value>(path: string, spec?: MapSpec, btf: Btf = { types: [] }): BpfMap<K, V> {
  const fd = openPin(path);
  const handle = new Handle(fd, `the object pinned at ${path}`);
  try {
    const shape = shapeOf(fd, spec?.name ?? path);
    if (spec !== undefined) compare(shape, spec, path);
    const types = { keyType: spec?.keyType ?? 0, valueType: spec?.valueType ?? 0 };
    return new BpfMap<K, V>(fd, shape, mapCodecs({ ...shape, ...types }, btf, possibleCpus()));
  } catch (failure) {
    handle.close();
    throw failure;
  }
}

/** struct bpf_map_info, include/uapi/linux/bpf.h. */
function shapeOf(fd: number, name: string): MapShape {
  const info = getInfo(fd, 80);
  const type = NAME_OF_TYPE.get(info.getUint32(0, true));
  if (type === undefined) throw loaderError("L005", `${name} is of a map type that the loader does not know`);
  const [keySize, valueSize, maxEntries, flags] = [8, 12, 16, 20].map((at) => info.getUint32(at, true));
  return {
    name,
    type,
    keySize: keySize ?? 0,
    valueSize: valueSize ?? 0,
    maxEntries: maxEntries ?? 0,
    flags: flags ?? 0,
  };
}

/** A map that lives longer than the program must still be the map that the program expects. */
export function compare(found: MapShape, wanted: MapSpec, where: string): void {
  const differences = (["type", "keySize", "valueSize", "maxEntries"] as const).filter((p) => found[p] !== wanted[p]);
  if (differences.length === 0) return;
  throw loaderError("L005", `${where} is not the map that ${JSON.stringify(wanted.name)} describes`, {
    expected: differences.map((p) => `${p} ${wanted[p]}`).join(", "),
    found: differences.map((p) => `${p} ${found[p]}`).join(", "),
    remedy: "remove the old map (its contents go with it), or keep its shape",
  });
}
