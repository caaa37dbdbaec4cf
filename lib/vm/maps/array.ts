/**
 * array and percpu_array: all entries exist from the start, as zero. One region holds the values one after the other (each
 * rounded up to 8 bytes, as in the kernel), for a per-CPU array one region for each CPU.
 */
import type { MapSpec } from "../../object/index.ts";
import { vmError } from "../diagnostics.ts";
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import { roundUp8 } from "../slab.ts";
import { UPDATE, VmMap } from "./map.ts";
import type { MapHost } from "./map.ts";

// Of 4 GiB that all maps share.
const MOST_BYTES = 2 ** 30;

export class ArrayMap extends VmMap {
  private readonly perCpu: Region[];
  private readonly stride: number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.stride = roundUp8(spec.valueSize);
    const bytes = this.stride * spec.maxEntries;
    if (bytes > MOST_BYTES)
      throw vmError("V010", `map ${spec.name} would take ${bytes} bytes`, { expected: `at most ${MOST_BYTES} bytes` });
    const name = spec.initial === null ? `value of map ${spec.name}` : spec.name;
    const options = { elements: { stride: this.stride, size: spec.valueSize }, writable: this.programWrites };
    const cpus = spec.type === "percpu_array" ? host.cpus : 1;
    this.perCpu = Array.from({ length: cpus }, () => host.memory.map(name, bytes, options));
    if (spec.initial !== null) this.perCpu[0]?.bytes.set(spec.initial);
  }

  override lookup(key: Uint8Array, cpu: number): number {
    const index = indexOf(key);
    const region = this.regionOf(cpu);
    return index < this.spec.maxEntries && region !== undefined ? region.start + index * this.stride : 0;
  }

  override update(key: Uint8Array, value: Uint8Array, flags: number, cpu: number): number {
    const region = this.regionOf(cpu);
    return this.store(indexOf(key), flags, (at) => region?.bytes.set(value.subarray(0, this.spec.valueSize), at));
  }

  override remove(_key: Uint8Array): number {
    return -ERRNO.EINVAL;
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

  protected override read(key: Uint8Array): Uint8Array | null {
    const index = indexOf(key);
    if (index >= this.spec.maxEntries) return null;
    const at = index * this.stride;
    const out = new Uint8Array(this.valueLength);
    this.perCpu.forEach((region, cpu) =>
      out.set(region.bytes.subarray(at, at + this.spec.valueSize), cpu * this.stride),
    );
    return out;
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.store(indexOf(key), flags, (at) => {
      this.perCpu.forEach((region, cpu) => {
        const from = cpu * this.stride;
        region.bytes.set(value.subarray(from, from + this.spec.valueSize), at);
      });
    });
  }

  private store(index: number, flags: number, put: (at: number) => void): number {
    if (flags > UPDATE.exist) return -ERRNO.EINVAL;
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    if (flags === UPDATE.noexist) return -ERRNO.EEXIST;
    put(index * this.stride);
    return 0;
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
