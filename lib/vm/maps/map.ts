/**
 * What all maps have in common: an address that stands for the map in programs, and two sides.
 *
 * Programs (through helpers) pass keys and values as bytes in simulated memory and get addresses or negative errnos. The
 * host's side is what bpf(2) offers user space: bytes in, copies out, errors thrown as `MapError`. A map type overrides
 * what it has; the rest refuses as the kernel does.
 */
import { DiagnosticError } from "../../diag/index.ts";
import type { Diagnostic } from "../../diag/index.ts";
import { MAP_FLAGS } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { VM_DIAGNOSTICS, vmError } from "../diagnostics.ts";
import { ERRNO, errnoName } from "../errno.ts";
import type { Memory, Region } from "../memory.ts";

/** Flags of update operations. Source: include/uapi/linux/bpf.h. */
export const UPDATE = { any: 0, noexist: 1, exist: 2 } as const;

/** Whether `set` may create an entry, replace one, or both: BPF_ANY, BPF_NOEXIST, BPF_EXIST. The loader's words. */
export type SetMode = "any" | "create" | "replace";
// prettier-ignore
export const SET_FLAGS: Readonly<Record<SetMode, number>> = { any: UPDATE.any, create: UPDATE.noexist, replace: UPDATE.exist };

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
}

export abstract class VmMap {
  readonly spec: MapSpec;
  /** Stands for the map in programs; not accessible. */
  readonly handle: Region;
  protected readonly memory: Memory;
  /** `.rodata` after its initial value was written. */
  private frozen = false;

  constructor(spec: MapSpec, host: MapHost) {
    this.spec = spec;
    this.memory = host.memory;
    this.handle = host.memory.map(`map ${spec.name}`, 0, {
      opaque: "a map is read and written through helpers",
    });
  }

  get name(): string {
    return this.spec.name;
  }

  // The program's side.

  /** The address of the value for `cpu`, or 0. */
  lookup(_key: Uint8Array, _cpu: number): number {
    return 0;
  }
  /** 0 or a negative errno. `key` and `value` are only lent. */
  update(_key: Uint8Array, _value: Uint8Array, _flags: number, _cpu: number): number {
    return -ERRNO.EOPNOTSUPP;
  }
  remove(_key: Uint8Array): number {
    return -ERRNO.EOPNOTSUPP;
  }
  /** The address of byte `offset` of the only value (global data), or null where the map has no such thing. */
  valueAddress(_offset: number): number | null {
    return null;
  }

  // The host's side.

  /** A copy of the value, or null. A per-CPU value is that of each CPU in turn, each rounded up to 8 bytes. */
  get(key: Uint8Array): Uint8Array | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.read(key);
  }

  /** Creates or replaces an entry. Throws MapError with the kernel's errno (E2BIG, EEXIST, ENOENT, EPERM when frozen, …). */
  set(key: Uint8Array, value: Uint8Array, mode: SetMode = "any"): void {
    this.checkLength("key", key, this.spec.keySize);
    this.checkLength("value", value, this.valueLength);
    this.check("set an entry", this.frozen ? -ERRNO.EPERM : this.write(key, value, SET_FLAGS[mode]));
  }

  /** Whether there was such an entry. */
  delete(key: Uint8Array): boolean {
    this.checkLength("key", key, this.spec.keySize);
    const result = this.frozen ? -ERRNO.EPERM : this.remove(key);
    if (result === -ERRNO.ENOENT) return false;
    this.check("delete an entry", result);
    return true;
  }

  /** Copies of all entries. */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array]> {
    for (const key of this.keys()) {
      const value = this.read(key);
      if (value !== null) yield [key, value];
    }
  }

  /** Refuses the host's writes from now on. */
  freeze(): void {
    this.frozen = true;
  }

  /** Bytes of a value on the host's side. */
  get valueLength(): number {
    return this.spec.valueSize;
  }

  /** Copies of all keys, taken before the first is given out, so that deleting while iterating is safe. */
  abstract keys(): Uint8Array[];
  protected abstract read(key: Uint8Array): Uint8Array | null;
  /** 0 or a negative errno. */
  protected abstract write(key: Uint8Array, value: Uint8Array, flags: number): number;

  /** May programs write to values? (BPF_F_RDONLY_PROG) */
  get programWrites(): boolean {
    return (this.spec.flags & MAP_FLAGS.rdonly_prog) === 0;
  }

  protected check(what: string, result: number): void {
    if (result < 0) throw new MapError(this.name, what, -result);
  }

  // prettier-ignore
  protected checkLength(what: "key" | "value", bytes: Uint8Array, length: number): void {
    if (bytes.length === length) return;
    throw vmError("V005", `a ${what} of map ${this.name} is ${length} bytes`, { expected: `${length} bytes`, found: `${bytes.length} bytes` });
  }
}

/** Which update may not be, for an entry that is there or not; 0 when it may. */
export function refusal(flags: number, exists: boolean): number {
  if (flags > UPDATE.exist) return -ERRNO.EINVAL;
  if (exists && flags === UPDATE.noexist) return -ERRNO.EEXIST;
  if (!exists && flags === UPDATE.exist) return -ERRNO.ENOENT;
  return 0;
}
