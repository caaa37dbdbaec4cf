/**
 * array and percpu_array: all entries exist from the start, as zero. One region holds the values one after the other (each
 * rounded up to 8 bytes, as in the kernel), for a per-CPU array one region for each CPU.
 */
import { UPDATE_FLAGS } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { vmError } from "../diagnostics.ts";
import type { ArrayLayout } from "../engine.ts";
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import { roundUp8 } from "../slab.ts";
import { VmMap, withoutLock } from "./map.ts";
import type { MapHost } from "./map.ts";
import { copyValue, endFields, readValue } from "./value.ts";

// Of 4 GiB that all maps share.
const MOST_BYTES = 2 ** 30;

export class ArrayMap extends VmMap {
  /** From one value to the next. */
  readonly stride: number;
  private readonly perCpu: Region[];
  /** The key that callbacks of for_each_map_elem see. */
  private readonly visited: Region;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.stride = roundUp8(spec.valueSize);
    const bytes = this.stride * spec.maxEntries;
    if (bytes > MOST_BYTES)
      throw vmError("V010", `map ${spec.name} would take ${bytes} bytes`, { expected: `at most ${MOST_BYTES} bytes` });
    const name = spec.initial === null ? `value of map ${spec.name}` : spec.name;
    const writable = this.programWrites;
    // A region of one value has no elements: compiled code may access it without asking.
    const options =
      spec.maxEntries === 1 ? { writable } : { elements: { stride: this.stride, size: spec.valueSize }, writable };
    const length = spec.maxEntries === 1 ? spec.valueSize : bytes;
    const cpus = spec.type === "percpu_array" ? host.cpus : 1;
    this.perCpu = Array.from({ length: cpus }, () => host.memory.map(name, length, options));
    this.visited = host.memory.map(`key of map ${spec.name}`, 4, { writable: false });
    if (spec.initial !== null) this.perCpu[0]?.bytes.set(spec.initial);
  }

  /** The address of the first value of a CPU. */
  valuesOf(cpu: number): number {
    return this.regionOf(cpu)?.start ?? 0;
  }

  /** Where values are, when they are the same for every CPU; else null. */
  layout(): ArrayLayout | null {
    if (this.perCpu.length !== 1) return null;
    const { maxEntries: entries, valueSize: size } = this.spec;
    return { start: this.valuesOf(0), entries, size, stride: this.stride, writable: this.programWrites };
  }

  override lookup(key: Uint8Array, cpu: number): number {
    return this.addressOf(indexOf(key), cpu);
  }

  override lookupAt(address: number, cpu: number): number {
    return this.addressOf(this.memory.data.getUint32(address, true), cpu);
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, cpu: number): number {
    return this.store(indexOf(key), flags, (at) => this.put(this.regionOf(cpu), at, value));
  }

  override updateAt(key: number, value: number, flags: number, cpu: number): number {
    if (this.special.length > 0) return super.updateAt(key, value, flags, cpu);
    const index = this.memory.data.getUint32(key, true);
    const refused = this.refusalOf(index, flags);
    if (refused === 0) this.memory.bytes.copyWithin(this.addressOf(index, cpu), value, value + this.spec.valueSize);
    return refused;
  }

  override remove(_key: Uint8Array): number {
    return -ERRNO.EINVAL;
  }

  override forEach(visit: (key: number, value: number) => boolean, cpu: number): number {
    let index = 0;
    while (index < this.spec.maxEntries) {
      this.visited.view.setUint32(0, index, true);
      const value = this.addressOf(index++, cpu);
      if (!visit(this.visited.start, value)) break;
    }
    return index;
  }

  override valueAddress(offset: number): number | null {
    const [region] = this.perCpu;
    const direct = this.spec.type === "array" && this.spec.maxEntries === 1 && region !== undefined;
    return direct ? region.start + offset : null;
  }

  override keys(): Uint8Array[] {
    return Array.from({ length: this.spec.maxEntries }, (_, index) => keyOf(index));
  }

  override get valueLength(): number {
    return this.spec.type === "percpu_array" ? this.stride * this.perCpu.length : this.spec.valueSize;
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    const index = indexOf(key);
    if (index >= this.spec.maxEntries) return -ERRNO.ENOENT;
    const at = index * this.stride;
    const out = new Uint8Array(this.valueLength);
    this.perCpu.forEach((region, cpu) =>
      out.set(readValue(region.bytes.subarray(at, at + this.spec.valueSize), this.special), cpu * this.stride),
    );
    return out;
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (this.spec.type === "percpu_array" && flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    return this.store(indexOf(key), flags, (at) => {
      this.perCpu.forEach((region, cpu) => this.put(region, at, value.subarray(cpu * this.stride)));
    });
  }

  protected override next(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.spec.maxEntries);
  }

  protected override get batches(): { lookup: true; update: true } {
    return { lookup: true, update: true };
  }

  private store(index: number, flags: number, put: (at: number) => void): number {
    const refused = this.refusalOf(index, flags);
    if (refused === 0) put(index * this.stride);
    return refused;
  }

  private refusalOf(index: number, flags: number): number {
    if (withoutLock(flags) > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    if (withoutLock(flags) === UPDATE_FLAGS.noexist) return -ERRNO.EEXIST;
    return this.lacksLock(flags) ? -ERRNO.EINVAL : 0;
  }

  private put(region: Region | undefined, at: number, value: Uint8Array): void {
    if (region === undefined) return;
    const { valueSize } = this.spec;
    const target = region.bytes.subarray(at, at + valueSize);
    copyValue(target, value.subarray(0, valueSize), this.special);
    endFields(target, this.special);
  }

  private addressOf(index: number, cpu: number): number {
    const region = this.regionOf(cpu);
    return index < this.spec.maxEntries && region !== undefined ? region.start + index * this.stride : 0;
  }

  private regionOf(cpu: number): Region | undefined {
    return this.perCpu[this.spec.type === "percpu_array" ? cpu : 0];
  }
}

/** The index that a 4-byte key holds. */
export function indexOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset, key.byteLength).getUint32(0, true);
}

export function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, true);
  return key;
}

/** The index after that of `key`, the first for null or one that is too high, -ENOENT after the last. */
export function nextIndex(key: Uint8Array | null, maxEntries: number): Uint8Array | number {
  const index = key === null ? maxEntries : indexOf(key);
  if (index === maxEntries - 1) return -ERRNO.ENOENT;
  return keyOf(index >= maxEntries ? 0 : index + 1);
}
