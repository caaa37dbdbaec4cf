/**
 * Values that hang on objects: sk_storage, task_storage, inode_storage and cgrp_storage; and the older cgroup_storage, whose
 * values belong to a cgroup and a kind of attachment.
 *
 * An object is whatever stands for a socket, task, inode or cgroup in the machine's world, compared by identity. Its value
 * is made when a program asks for it with BPF_LOCAL_STORAGE_GET_F_CREATE, or by the host, and goes with the object
 * (`dropObject`). User space names the object by a descriptor; here the host passes the object itself.
 * Source: docs.kernel.org/bpf/map_sk_storage.html, map_cgrp_storage.html, map_cgroup_storage.html.
 */
import { MAP_FLAGS, UPDATE_FLAGS } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { ERRNO } from "../errno.ts";
import { Slab, roundUp8 } from "../slab.ts";
import type { Slot } from "../slab.ts";
import { SET_FLAGS, VmMap, locks, refusal, withoutLock } from "./map.ts";
import type { MapHost, SetMode } from "./map.ts";
import { copyValue, readValue } from "./value.ts";

/** What storage belongs to: a socket, task, inode or cgroup. */
export type StorageOwner = object;

/** Slots of one map are not counted in advance. */
const SLOTS = 64;

/** sk_storage, task_storage, inode_storage, cgrp_storage. */
export class OwnedStorage extends VmMap {
  private readonly slots = new Map<StorageOwner, Slot>();
  private readonly slab: Slab;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.slab = new Slab(host.memory, `value of map ${spec.name}`, spec.valueSize, SLOTS, true);
  }

  /**
   * The address of the owner's value, or 0 (sk_storage_get and its like). `create`: make it where there is none, from
   * `initial` or zeros.
   */
  storageOf(owner: StorageOwner, create: boolean, initial: Uint8Array | null = null): number {
    const known = this.slots.get(owner);
    if (known !== undefined) return known.address;
    return create ? this.make(owner, initial).address : 0;
  }

  /** sk_storage_delete and its like: 0 or -ENOENT. */
  removeFrom(owner: StorageOwner): number {
    const slot = this.slots.get(owner);
    if (slot === undefined) return -ERRNO.ENOENT;
    this.slots.delete(owner);
    this.slab.give(slot);
    return 0;
  }

  /** A copy of the owner's value, or null. */
  getFor(owner: StorageOwner): Uint8Array | null {
    const slot = this.slots.get(owner);
    return slot === undefined ? null : readValue(slot.bytes, this.special);
  }

  /** Throws MapError (EEXIST, ENOENT), V005. */
  setFor(owner: StorageOwner, value: Uint8Array, mode: SetMode = "any"): void {
    this.checkLength("value", value, this.spec.valueSize);
    const known = this.slots.has(owner);
    this.check("set an entry", refusal(SET_FLAGS[mode], known));
    // A new value takes another slot: a program that holds the old one's address still sees that.
    const old = this.slots.get(owner);
    this.make(owner, value);
    if (old !== undefined) this.slab.give(old);
  }

  /** Whether there was a value. */
  deleteFor(owner: StorageOwner): boolean {
    return this.removeFrom(owner) === 0;
  }

  /** A socket that a listener accepted gets copies of the listener's values, in maps with BPF_F_CLONE. */
  override cloneTo(from: StorageOwner, to: StorageOwner): void {
    const slot = this.slots.get(from);
    if (slot !== undefined && (this.spec.flags & MAP_FLAGS.clone) !== 0) this.make(to, slot.bytes);
  }

  override dropObject(object: object): void {
    this.removeFrom(object);
  }

  /** Owners cannot be walked; `size` tells how many there are. */
  override keys(): Uint8Array[] {
    return [];
  }
  /** How many owners have a value. */
  get size(): number {
    return this.slots.size;
  }

  override remove(): number {
    return -ERRNO.EBADF;
  }
  protected override next(): number {
    return -ERRNO.ENOTSUPP;
  }
  protected override read(): number {
    return -ERRNO.EBADF;
  }
  protected override write(): number {
    return -ERRNO.EBADF;
  }

  private make(owner: StorageOwner, value: Uint8Array | null): Slot {
    const slot = this.slab.take();
    slot.bytes.fill(0);
    if (value !== null) copyValue(slot.bytes, value, this.special);
    this.slots.set(owner, slot);
    return slot;
  }
}

interface CgroupEntry {
  readonly key: Uint8Array;
  readonly owner: StorageOwner;
  /** One, or one for each CPU. */
  readonly slots: readonly Slot[];
}

/** `struct bpf_cgroup_storage_key`: u64 inode number of the cgroup, u32 attach type; maps with keys of 8 bytes have only the number. */
const ID_BYTES = 8;

/** cgroup_storage and percpu_cgroup_storage. */
export class CgroupStorage extends VmMap {
  private readonly entriesByKey = new Map<string, CgroupEntry>();
  private readonly slab: Slab;
  private readonly cpus: number;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.cpus = spec.type === "percpu_cgroup_storage" ? host.cpus : 1;
    this.slab = new Slab(host.memory, `value of map ${spec.name}`, spec.valueSize, SLOTS, this.programWrites);
  }

  /**
   * get_local_storage: the address of the value of a cgroup, made when a program was attached there, or else now.
   * `attach`: the number of the attach type.
   */
  storageOf(cgroup: { readonly id: bigint }, attach: number, cpu: number): number {
    const entry = this.entryOf(cgroup, attach);
    return entry.slots[this.cpus === 1 ? 0 : cpu]?.address ?? 0;
  }

  override dropObject(object: object): void {
    for (const [id, { owner, slots }] of this.entriesByKey) {
      if (owner !== object) continue;
      this.entriesByKey.delete(id);
      for (const slot of slots) this.slab.give(slot);
    }
  }

  override keys(): Uint8Array[] {
    return Array.from(this.entriesByKey.values(), ({ key }) => key.slice());
  }
  override get valueLength(): number {
    return this.cpus === 1 ? this.spec.valueSize : roundUp8(this.spec.valueSize) * this.cpus;
  }

  override remove(): number {
    return -ERRNO.EINVAL;
  }
  protected override read(key: Uint8Array): Uint8Array | number {
    const entry = this.entriesByKey.get(key.join());
    if (entry === undefined) return -ERRNO.ENOENT;
    const out = new Uint8Array(this.valueLength);
    entry.slots.forEach((slot, cpu) => out.set(readValue(slot.bytes, this.special), cpu * roundUp8(slot.bytes.length)));
    return out;
  }
  /** Values are made by attaching programs only. */
  protected override write(key: Uint8Array, value: Uint8Array, flags: number): number {
    if (withoutLock(flags) !== UPDATE_FLAGS.any && withoutLock(flags) !== UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
    if (locks(flags) && this.lacksLock(flags)) return -ERRNO.EINVAL;
    const entry = this.entriesByKey.get(key.join());
    if (entry === undefined) return -ERRNO.ENOENT;
    entry.slots.forEach((slot, cpu) => {
      const from = cpu * roundUp8(slot.bytes.length);
      copyValue(slot.bytes, value.subarray(from, from + slot.bytes.length), this.special);
    });
    return 0;
  }

  private entryOf(cgroup: { readonly id: bigint }, attach: number): CgroupEntry {
    const key = new Uint8Array(this.spec.keySize);
    const view = new DataView(key.buffer);
    view.setBigUint64(0, cgroup.id, true);
    if (key.length > ID_BYTES) view.setUint32(ID_BYTES, attach, true);
    const known = this.entriesByKey.get(key.join());
    if (known !== undefined) return known;
    const slots = Array.from({ length: this.cpus }, () => this.slab.take());
    for (const slot of slots) slot.bytes.fill(0);
    const entry = { key, owner: cgroup, slots };
    this.entriesByKey.set(key.join(), entry);
    return entry;
  }
}
