/**
 * devmap, devmap_hash, cpumap and xskmap: where redirect_map sends XDP frames to.
 *
 * A device is an interface's index, and a program (by name) that is to see each frame before it goes out; a CPU has the
 * length of its queue and such a program. Programs read devices as `struct bpf_devmap_val`, the program as its number.
 */
import { UPDATE_FLAGS } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { Slab } from "../slab.ts";
import type { Slot } from "../slab.ts";
import { indexOf, keyOf, nextIndex } from "./array.ts";
import { IndexedMap } from "./indexed.ts";
import { SET_FLAGS, VmMap } from "./map.ts";
import type { MapHost, SetMode } from "./map.ts";

export interface Device {
  readonly ifindex: number;
  /** An XDP program with attach type xdp_devmap. */
  readonly program: string | null;
}

/** No interface has this index. */
const NOWHERE = -1;

interface DeviceEntry extends Device {
  readonly slot: Slot;
}

/** devmap (by index) and devmap_hash (by number). */
export class DeviceMap extends VmMap {
  private readonly devices = new Map<number, DeviceEntry>();
  private readonly slab: Slab;
  private readonly host: MapHost;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.host = host;
    this.slab = new Slab(host.memory, `value of map ${spec.name}`, spec.valueSize, spec.maxEntries + 1, false);
  }

  /** The device under a number, or null. */
  getDevice(key: number): Device | null {
    return this.devices.get(key) ?? null;
  }

  /**
   * Puts a device under a number, or nothing. Throws MapError: E2BIG, EEXIST, EINVAL for an interface that does not exist, or
   * for a program where values have 4 bytes.
   */
  setDevice(key: number, device: Device | null, mode: SetMode = "any"): void {
    if (device === null) {
      this.delete(keyOf(key));
      return;
    }
    this.check("set an entry", this.store(key, device, SET_FLAGS[mode]));
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.devices.get(indexOf(key))?.slot.address ?? 0;
  }

  // An empty index of an array can be deleted, a key that is not in the hash table cannot.
  override remove(key: Uint8Array): number {
    const index = indexOf(key);
    if (!this.isHash && index >= this.spec.maxEntries) return -ERRNO.EINVAL;
    const there = this.drop(index);
    return there || !this.isHash ? 0 : -ERRNO.ENOENT;
  }

  /** The numbers that have a device. Of a hash table: by bucket, the last one put in first. */
  override keys(): Uint8Array[] {
    const keys = [...this.devices.keys()];
    if (!this.isHash) return keys.sort((a, b) => a - b).map(keyOf);
    const buckets = 2 ** Math.ceil(Math.log2(this.spec.maxEntries));
    return keys
      .reverse()
      .sort((a, b) => (a % buckets) - (b % buckets))
      .map(keyOf);
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    return this.devices.get(indexOf(key))?.slot.bytes.slice() ?? -ERRNO.ENOENT;
  }

  /** `struct bpf_devmap_val`. A program would be a descriptor, of which there are none here. */
  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const descriptor = this.spec.valueSize === 8 ? view.getInt32(4, true) : 0;
    const ifindex = view.getUint32(0, true);
    const unknown = descriptor > 0 && !(this.isHash && ifindex === 0);
    return this.store(indexOf(key), { ifindex: unknown ? NOWHERE : ifindex, program: null }, flags);
  }

  protected override next(key: Uint8Array | null): Uint8Array | number {
    return this.isHash ? super.next(key) : nextIndex(key, this.spec.maxEntries);
  }

  // BPF_EXIST demands nothing. A hash table has no empty entries: index 0 is refused before anything is looked up.
  private store(key: number, { ifindex, program }: Device, flags: number): number {
    if (flags > UPDATE_FLAGS.exist || (this.isHash && ifindex === 0)) return -ERRNO.EINVAL;
    if (!this.reaches(key)) return -ERRNO.E2BIG;
    const old = this.devices.get(key);
    if (flags === UPDATE_FLAGS.noexist && (old !== undefined || !this.isHash)) return -ERRNO.EEXIST;
    if (ifindex === 0 && program === null) {
      this.drop(key);
      return 0;
    }
    if (ifindex <= 0 || !(this.host.hasInterface?.(ifindex) ?? true)) return -ERRNO.EINVAL;
    if (program !== null && this.spec.valueSize !== 8) return -ERRNO.EINVAL;
    if (old === undefined && this.devices.size >= this.spec.maxEntries) return -ERRNO.E2BIG;
    this.drop(key);
    const slot = this.slab.take();
    slot.bytes.set(keyOf(ifindex));
    if (this.spec.valueSize === 8) slot.bytes.set(keyOf(program === null ? 0 : (this.host.idOf?.(program) ?? 0)), 4);
    this.devices.set(key, { ifindex, program, slot });
    return 0;
  }

  private reaches(key: number): boolean {
    return this.isHash || key < this.spec.maxEntries;
  }

  private drop(key: number): boolean {
    const entry = this.devices.get(key);
    if (entry === undefined) return false;
    this.slab.give(entry.slot);
    return this.devices.delete(key);
  }

  private get isHash(): boolean {
    return this.spec.type === "devmap_hash";
  }
}

export interface CpuQueue {
  /** Frames that may wait, at most 16384. */
  readonly size: number;
  /** An XDP program with attach type xdp_cpumap. */
  readonly program: string | null;
}

const MOST_FRAMES = 16_384;

/** cpumap */
export class CpuMap extends IndexedMap<CpuQueue> {
  private readonly host: MapHost;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.host = host;
  }

  /** Gives a CPU a queue, or takes it away. Throws MapError: E2BIG, EEXIST, ENODEV for a CPU that there is not, EOVERFLOW. */
  setCpu(cpu: number, queue: CpuQueue | null, mode: SetMode = "any"): void {
    this.check("set an entry", this.store(cpu, queue ?? { size: 0, program: null }, SET_FLAGS[mode]));
  }

  override remove(key: Uint8Array): number {
    const cpu = indexOf(key);
    if (cpu >= this.spec.maxEntries) return -ERRNO.EINVAL;
    this.put(cpu, null);
    return 0;
  }

  protected override read(key: Uint8Array): Uint8Array | number {
    const queue = this.at(indexOf(key));
    if (queue === null) return -ERRNO.ENOENT;
    const value = new Uint8Array(this.spec.valueSize);
    value.set(keyOf(queue.size));
    if (value.length === 8) value.set(keyOf(queue.program === null ? 0 : (this.host.idOf?.(queue.program) ?? 0)), 4);
    return value;
  }

  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    return this.store(indexOf(key), { size: indexOf(value), program: null }, flags);
  }

  // Every CPU counts as being there, so BPF_NOEXIST always fails and BPF_EXIST demands nothing.
  private store(cpu: number, queue: CpuQueue, flags: number): number {
    if (flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    if (cpu >= this.spec.maxEntries) return -ERRNO.E2BIG;
    if (flags === UPDATE_FLAGS.noexist) return -ERRNO.EEXIST;
    if (queue.size > MOST_FRAMES) return -ERRNO.EOVERFLOW;
    if (cpu >= this.host.cpus) return -ERRNO.ENODEV;
    this.put(cpu, queue.size === 0 ? null : queue);
    return 0;
  }
}

/** xskmap: there are no AF_XDP sockets here, so it stays empty, and frames go where the flags of redirect_map say. */
export class XskMap extends IndexedMap<never> {
  override remove(key: Uint8Array): number {
    return indexOf(key) < this.spec.maxEntries ? 0 : -ERRNO.EINVAL;
  }
  protected override read(): number {
    return -ERRNO.EOPNOTSUPP;
  }
  protected override write(key: Uint8Array, _value: Uint8Array, flags: number): number {
    if (flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    return indexOf(key) < this.spec.maxEntries ? -ERRNO.EBADF : -ERRNO.E2BIG;
  }
}
