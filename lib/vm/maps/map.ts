/**
 * What all maps have in common: an address that stands for the map in programs, and two sides.
 *
 * Programs (through helpers) pass keys and values in simulated memory and get addresses or negative errnos. The host's
 * side is bpf(2): each command (`lookupElem`, `updateElem`, …) gives what the system call gives, a value or a negative
 * errno; `get`, `set`, `delete`, `entries` say the same in the words of JavaScript and throw `MapError`. A map type
 * overrides what it has; the rest refuses as the kernel does.
 *
 * Source: what Linux 6.18 answers, see test/vm/kernel-maps.test.ts.
 */
import { DiagnosticError } from "../../diag/index.ts";
import type { Diagnostic } from "../../diag/index.ts";
import type { Btf } from "../../btf/index.ts";
import { MAP_FLAGS, UPDATE_FLAGS } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { VM_DIAGNOSTICS, vmError } from "../diagnostics.ts";
import { ERRNO, errnoName } from "../errno.ts";
import type { Memory, Region } from "../memory.ts";
import { specialFields } from "./value.ts";
import type { SpecialField } from "./value.ts";

/** Whether `set` may create an entry, replace one, or both: BPF_ANY, BPF_NOEXIST, BPF_EXIST. The loader's words. */
export type SetMode = "any" | "create" | "replace";
export const SET_FLAGS: Readonly<Record<SetMode, number>> = {
  any: 0,
  create: UPDATE_FLAGS.noexist,
  replace: UPDATE_FLAGS.exist,
};

/** The CPU that the host's operations happen on. */
export const HOST_CPU = 0;

/** A map operation of the host that the kernel would refuse; `errno` is positive. */
export class MapError extends DiagnosticError {
  readonly errno: number;
  constructor(map: string, what: string, errno: number) {
    const message = `cannot ${what} in map ${map}: ${errnoName(errno)}`;
    const diagnostic: Diagnostic = {
      code: "V006",
      severity: "error",
      message,
      place: { kind: "none" },
      remedy: VM_DIAGNOSTICS.V006.remedy,
    };
    super([diagnostic]);
    this.name = "MapError";
    this.errno = errno;
  }
}

/** What a map needs to be made. */
export interface MapHost {
  readonly memory: Memory;
  /** CPUs that per-CPU maps have values for. */
  readonly cpus: number;
  /** Types of the object that the map is of; a lock or a timer in a value is known by its type. Default: none. */
  readonly btf?: Btf;
  /** The number by which user space knows a map (the map itself) or a program (its name); the same each time. */
  idOf?(object: object | string): number;
  /** Whether there is such an interface, for maps of devices. Default: there is every one. */
  hasInterface?(ifindex: number): boolean;
}

/** What a batch command gives. `result`: 0, -ENOENT after the last entry, or what stopped it. */
export interface Batch {
  readonly result: number;
  readonly entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  /** For the next call; null when the command did not come to write one. */
  readonly cursor: Uint8Array | null;
}

export abstract class VmMap {
  readonly spec: MapSpec;
  /** Stands for the map in programs; not accessible. */
  readonly handle: Region;
  /** User space's number of the map. */
  readonly id: number;
  /** Locks, timers and the like in a value, which copying leaves alone. */
  readonly special: readonly SpecialField[];
  protected readonly memory: Memory;
  private readonly keyBuffer: Uint8Array;
  private frozen = false;

  constructor(spec: MapSpec, host: MapHost) {
    this.spec = spec;
    this.memory = host.memory;
    this.keyBuffer = new Uint8Array(spec.keySize);
    this.special = specialFields(host.btf, spec.valueType);
    this.handle = host.memory.map(`map ${spec.name}`, 0, {
      opaque: "a map is read and written through helpers",
    });
    this.id = host.idOf?.(this) ?? 0;
  }

  get name(): string {
    return this.spec.name;
  }

  // The program's side. `key` and `value` are only lent.

  /** The address of the value for `cpu`, or 0. */
  lookup(_key: Uint8Array, _cpu: number): number {
    return 0;
  }
  /** As `lookup`, with the key at an address that is known to be readable: hash tables and arrays allocate nothing. */
  lookupAt(address: number, cpu: number): number {
    return this.lookup(this.keyAt(address), cpu);
  }
  /** 0 or a negative errno. */
  update(_key: Uint8Array, _value: Uint8Array, _flags: number, _cpu: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  /** As `update`, with key and value at addresses that are known to be readable. */
  updateAt(key: number, value: number, flags: number, cpu: number): number {
    return this.update(this.keyAt(key), this.bytesAt(value, this.spec.valueSize), flags, cpu);
  }
  remove(_key: Uint8Array, _cpu: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  removeAt(key: number, cpu: number): number {
    return this.remove(this.keyAt(key), cpu);
  }
  /** map_push_elem, map_pop_elem, map_peek_elem of maps without keys; `into` gets the value. */
  push(_value: Uint8Array, _flags: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  pop(_into: Uint8Array): number {
    return -ERRNO.EOPNOTSUPP;
  }
  peek(_into: Uint8Array): number {
    return -ERRNO.EOPNOTSUPP;
  }
  /**
   * for_each_map_elem: calls `visit` with the addresses of a key and its value until it gives false. How many entries it
   * was called for, or a negative errno.
   */
  forEach(_visit: (key: number, value: number) => boolean, _cpu: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  /** The address of byte `offset` of the only value (global data), or null where the map has no such thing. */
  valueAddress(_offset: number): number | null {
    return null;
  }

  /** A socket, cgroup or task is gone, and with it what the map has of it. */
  dropObject(_object: object): void {}

  /** A socket came of another: what of the map's values it inherits. Others than storage: nothing. */
  cloneTo(_from: object, _to: object): void {}

  // The host's side: the commands of bpf(2).

  /** BPF_MAP_LOOKUP_ELEM: a copy of the value, or a negative errno. */
  lookupElem(key: Uint8Array, flags = 0): Uint8Array | number {
    if (withoutLock(flags) !== 0) return -ERRNO.EINVAL;
    if (!this.hostReads) return -ERRNO.EPERM;
    if (this.lacksLock(flags)) return -ERRNO.EINVAL;
    return this.read(key);
  }

  /** BPF_MAP_UPDATE_ELEM: 0 or a negative errno. */
  updateElem(key: Uint8Array, value: Uint8Array, flags = 0): number {
    if (!this.hostWrites) return -ERRNO.EPERM;
    if (this.lacksLock(flags)) return -ERRNO.EINVAL;
    return this.write(key, value, flags);
  }

  /** BPF_MAP_DELETE_ELEM: 0 or a negative errno. */
  deleteElem(key: Uint8Array): number {
    return this.hostWrites ? this.erase(key) : -ERRNO.EPERM;
  }

  /** BPF_MAP_GET_NEXT_KEY: the key after `key` (null, or one that is not there: the first), -ENOENT after the last. */
  nextKey(key: Uint8Array | null): Uint8Array | number {
    return this.hostReads ? this.next(key) : -ERRNO.EPERM;
  }

  /** BPF_MAP_LOOKUP_AND_DELETE_ELEM: the value that was there, or a negative errno. */
  takeElem(key: Uint8Array, flags = 0): Uint8Array | number {
    if (withoutLock(flags) !== 0) return -ERRNO.EINVAL;
    if (!this.hostReads || !this.hostWrites) return -ERRNO.EPERM;
    if (this.lacksLock(flags)) return -ERRNO.EINVAL;
    return this.extract(key, flags);
  }

  /** BPF_MAP_LOOKUP_BATCH: at most `count` entries from `cursor` (null: the beginning) on. */
  lookupBatch(cursor: Uint8Array | null, count: number, flags = 0): Batch {
    return this.hostReads ? this.readBatch(cursor, count, flags, false) : refusedBatch(-ERRNO.EPERM);
  }
  /** BPF_MAP_LOOKUP_AND_DELETE_BATCH: as `lookupBatch`, and deletes them. */
  takeBatch(cursor: Uint8Array | null, count: number, flags = 0): Batch {
    return this.hostReads && this.hostWrites ? this.readBatch(cursor, count, flags, true) : refusedBatch(-ERRNO.EPERM);
  }
  /** BPF_MAP_UPDATE_BATCH: `done` entries were set before `result` stopped it. */
  updateBatch(entries: readonly (readonly [Uint8Array, Uint8Array])[], flags = 0): { result: number; done: number } {
    if (!this.hostWrites) return { result: -ERRNO.EPERM, done: 0 };
    if (!this.batches.update) return { result: -ERRNO.ENOTSUPP, done: 0 };
    if (withoutLock(flags) !== 0 || this.lacksLock(flags)) return { result: -ERRNO.EINVAL, done: 0 };
    return inTurn(entries, ([key, value]) => this.write(key, value, flags));
  }
  /** BPF_MAP_DELETE_BATCH. */
  deleteBatch(keys: readonly Uint8Array[], flags = 0): { result: number; done: number } {
    if (!this.hostWrites) return { result: -ERRNO.EPERM, done: 0 };
    if (!this.batches.delete) return { result: -ERRNO.ENOTSUPP, done: 0 };
    if (withoutLock(flags) !== 0 || this.lacksLock(flags)) return { result: -ERRNO.EINVAL, done: 0 };
    return inTurn(keys, (key) => this.erase(key));
  }

  /** BPF_MAP_FREEZE: refuses the host's writes from now on. */
  freeze(): void {
    this.frozen = true;
  }

  // The host's side in JavaScript's words.

  /** A copy of the value, or null. A per-CPU value is that of each CPU in turn, each rounded up to 8 bytes. */
  get(key: Uint8Array): Uint8Array | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.found("look up an entry", this.lookupElem(key));
  }

  /** Creates or replaces an entry. Throws MapError with the kernel's errno (E2BIG, EEXIST, ENOENT, EPERM when frozen, …). */
  set(key: Uint8Array, value: Uint8Array, mode: SetMode = "any"): void {
    this.checkLength("key", key, this.spec.keySize);
    this.checkLength("value", value, this.valueLength);
    this.check("set an entry", this.updateElem(key, value, SET_FLAGS[mode]));
  }

  /** Whether there was such an entry. */
  delete(key: Uint8Array): boolean {
    this.checkLength("key", key, this.spec.keySize);
    const result = this.deleteElem(key);
    if (result === -ERRNO.ENOENT) return false;
    this.check("delete an entry", result);
    return true;
  }

  /** Removes an entry and gives its value, or null; of a queue or stack (key of no bytes) the next one. */
  take(key: Uint8Array = new Uint8Array(0)): Uint8Array | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.found("take an entry", this.takeElem(key));
  }

  /** Copies of all entries. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array]> {
    for (const key of this.keys()) {
      const value = this.read(key);
      if (typeof value !== "number") yield [key, value];
    }
  }

  /** Copies of all keys, taken before the first is given out, so that deleting while iterating is safe. */
  abstract keys(): Uint8Array[];

  /** Bytes of a value on the host's side. */
  get valueLength(): number {
    return this.spec.valueSize;
  }

  /** May programs write to values? (BPF_F_RDONLY_PROG) */
  get programWrites(): boolean {
    return (this.spec.flags & MAP_FLAGS.rdonly_prog) === 0;
  }

  /** May programs read values? (BPF_F_WRONLY_PROG) */
  get programReads(): boolean {
    return (this.spec.flags & MAP_FLAGS.wronly_prog) === 0;
  }

  // What a type says of itself to the commands above.

  protected abstract read(key: Uint8Array): Uint8Array | number;
  protected abstract write(key: Uint8Array, value: Uint8Array, flags: number): number;
  protected erase(key: Uint8Array): number {
    return this.remove(key, HOST_CPU);
  }
  /** The order of `keys` is the kernel's, or one of those that it could have. */
  protected next(key: Uint8Array | null): Uint8Array | number {
    const keys = this.keys();
    const at = key === null ? -1 : keys.findIndex((one) => same(one, key));
    return keys[at + 1] ?? -ERRNO.ENOENT;
  }
  protected extract(_key: Uint8Array, _flags: number): Uint8Array | number {
    return -ERRNO.ENOTSUPP;
  }
  /** Which batch commands there are. */
  protected get batches(): { readonly lookup?: true; readonly update?: true; readonly delete?: true } {
    return {};
  }

  /** The batch that most types give: keys in order, the cursor is the last of them. */
  protected readBatch(cursor: Uint8Array | null, count: number, flags: number, take: boolean): Batch {
    if (take || this.batches.lookup === undefined) return refusedBatch(-ERRNO.ENOTSUPP);
    if (withoutLock(flags) !== 0 || this.lacksLock(flags)) return refusedBatch(-ERRNO.EINVAL);
    const entries: [Uint8Array, Uint8Array][] = [];
    let last = cursor;
    while (entries.length < count) {
      const key = this.next(last);
      if (typeof key === "number") return { result: key, entries, cursor: entries.length > 0 ? last : null };
      const value = this.read(key);
      if (typeof value !== "number") entries.push([key, value]);
      else if (value !== -ERRNO.ENOENT) return { result: value, entries, cursor: null };
      last = key;
    }
    return { result: 0, entries, cursor: entries.length > 0 ? last : null };
  }

  protected bytesAt(address: number, size: number): Uint8Array {
    return this.memory.bytes.subarray(address, address + size);
  }

  /** A copy in a buffer that is used again and again: making a view costs more than copying a key. */
  private keyAt(address: number): Uint8Array {
    const { bytes } = this.memory;
    const { keyBuffer } = this;
    for (let i = 0; i < keyBuffer.length; i++) keyBuffer[i] = bytes[address + i] ?? 0;
    return keyBuffer;
  }

  /** BPF_F_LOCK is for values that have a lock. */
  protected lacksLock(flags: number): boolean {
    return locks(flags) && !this.special.some(({ field }) => field.kind === "lock");
  }

  protected check(what: string, result: number): void {
    if (result < 0) throw new MapError(this.name, what, -result);
  }

  // prettier-ignore
  protected checkLength(what: "key" | "value", bytes: Uint8Array, length: number): void {
    if (bytes.length === length) return;
    throw vmError("V005", `a ${what} of map ${this.name} is ${length} bytes`, { expected: `${length} bytes`, found: `${bytes.length} bytes` });
  }

  private found(what: string, result: Uint8Array | number): Uint8Array | null {
    if (typeof result !== "number") return result;
    if (result !== -ERRNO.ENOENT) this.check(what, result);
    return null;
  }

  private get hostReads(): boolean {
    return (this.spec.flags & MAP_FLAGS.wronly) === 0;
  }
  private get hostWrites(): boolean {
    return !this.frozen && (this.spec.flags & MAP_FLAGS.rdonly) === 0;
  }
}

export function refusedBatch(result: number): Batch {
  return { result, entries: [], cursor: null };
}

function inTurn<T>(items: readonly T[], act: (item: T) => number): { result: number; done: number } {
  let done = 0;
  for (const item of items) {
    const result = act(item);
    if (result < 0) return { result, done };
    done++;
  }
  return { result: 0, done };
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Is BPF_F_LOCK among the flags? They may be any 64-bit number: no bit operations. */
export function locks(flags: number): boolean {
  return flags >= UPDATE_FLAGS.lock && flags < 2 * UPDATE_FLAGS.lock;
}
export function withoutLock(flags: number): number {
  return locks(flags) ? flags - UPDATE_FLAGS.lock : flags;
}

/** Which update may not be, for an entry that is there or not; 0 when it may. `flags` without BPF_F_LOCK. */
export function refusal(flags: number, exists: boolean): number {
  if (flags > UPDATE_FLAGS.exist) return -ERRNO.EINVAL;
  if (exists && flags === UPDATE_FLAGS.noexist) return -ERRNO.EEXIST;
  if (!exists && flags === UPDATE_FLAGS.exist) return -ERRNO.ENOENT;
  return 0;
}
