/**
 * array_of_maps and hash_of_maps: maps by index or key. A program that looks one up gets what stands for the map, to pass
 * on to map helpers. The maps in it must be like the one that it was made for (lib/kernel, `fitsInner`).
 */
import { fitsInner } from "../../kernel/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { vmError } from "../diagnostics.ts";
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import { indexOf, keyOf, nextIndex } from "./array.ts";
import { HashMap } from "./hash.ts";
import { HOST_CPU, SET_FLAGS, VmMap } from "./map.ts";
import type { MapHost, SetMode } from "./map.ts";
import { specialFields } from "./value.ts";
import type { SpecialField } from "./value.ts";

/** The address that stands for a map, as an entry keeps it. */
const HANDLE = 4;

export class ArrayOfMaps extends VmMap {
  private readonly handles: Region;
  private readonly maps = new Map<number, VmMap>();
  private readonly pattern: Pattern;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.pattern = patternOf(spec, host);
    this.handles = host.memory.map(`maps in map ${spec.name}`, spec.maxEntries * HANDLE, {
      opaque: "maps are looked up through helpers",
    });
  }

  /** The map at an index, or null. */
  getInner(key: Uint8Array): VmMap | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.maps.get(indexOf(key)) ?? null;
  }

  /** Puts a map at an index, or nothing. Throws MapError (E2BIG, EINVAL for a map of another shape), V005. */
  setInner(key: Uint8Array, map: VmMap | null): void {
    this.checkLength("key", key, this.spec.keySize);
    const index = indexOf(key);
    this.check("set an entry", index >= this.spec.maxEntries ? -ERRNO.E2BIG : innerError(this.pattern, map));
    this.handles.view.setUint32(index * HANDLE, map?.handle.start ?? 0, true);
    if (map === null) this.maps.delete(index);
    else this.maps.set(index, map);
  }

  override lookup(key: Uint8Array, _cpu: number): number {
    return this.handleAt(indexOf(key));
  }
  override lookupAt(address: number, _cpu: number): number {
    return this.handleAt(this.memory.data.getUint32(address, true));
  }

  override remove(key: Uint8Array): number {
    const index = indexOf(key);
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    if (!this.maps.has(index)) return -ERRNO.ENOENT;
    this.setInner(key, null);
    return 0;
  }

  /** The indices that have a map, though user space's walk visits each index. */
  override keys(): Uint8Array[] {
    return [...this.maps.keys()].sort((a, b) => a - b).map(keyOf);
  }

  /** Maps are read as their numbers. */
  protected override read(key: Uint8Array): Uint8Array | number {
    const map = this.maps.get(indexOf(key));
    return map === undefined ? -ERRNO.ENOENT : keyOf(map.id);
  }
  protected override write(key: Uint8Array, _value: Uint8Array, flags: number): number {
    if (flags !== 0) return -ERRNO.EINVAL;
    return indexOf(key) < this.spec.maxEntries ? -ERRNO.EBADF : -ERRNO.E2BIG;
  }
  protected override next(key: Uint8Array | null): Uint8Array | number {
    return nextIndex(key, this.spec.maxEntries);
  }
  protected override get batches(): { lookup: true; update: true } {
    return { lookup: true, update: true };
  }

  private handleAt(index: number): number {
    return index < this.spec.maxEntries ? this.handles.view.getUint32(index * HANDLE, true) : 0;
  }
}

/** A hash table whose values are the addresses that stand for maps. */
export class HashOfMaps extends HashMap {
  private readonly maps = new Map<number, VmMap>();
  private readonly pattern: Pattern;

  constructor(spec: MapSpec, host: MapHost) {
    super(spec, host);
    this.pattern = patternOf(spec, host);
  }

  /** The map under a key, or null. */
  getInner(key: Uint8Array): VmMap | null {
    this.checkLength("key", key, this.spec.keySize);
    return this.maps.get(this.lookup(key, HOST_CPU)) ?? null;
  }

  /** Puts a map under a key, or nothing. Throws MapError (E2BIG, EEXIST, ENOENT, EINVAL for a map of another shape), V005. */
  setInner(key: Uint8Array, map: VmMap | null, mode: SetMode = "any"): void {
    if (map === null) {
      this.delete(key);
      return;
    }
    this.checkLength("key", key, this.spec.keySize);
    const error = innerError(this.pattern, map);
    const handle = keyOf(map.handle.start);
    this.check("set an entry", error !== 0 ? error : this.update(key, handle, SET_FLAGS[mode], HOST_CPU));
    this.maps.set(map.handle.start, map);
  }

  protected override hit(node: number): number {
    return this.memory.data.getUint32(this.table.valueOf(node, 0), true);
  }

  protected override copy(node: number): Uint8Array {
    return keyOf(this.maps.get(this.hit(node))?.id ?? 0);
  }
  protected override write(_key: Uint8Array, _value: Uint8Array, _flags: number): number {
    return -ERRNO.EBADF;
  }
  protected override extract(): number {
    return -ERRNO.ENOTSUPP;
  }
}

/** What the maps in a map of maps are like. */
interface Pattern {
  readonly spec: MapSpec;
  readonly special: readonly SpecialField[];
}

function patternOf({ name, inner }: MapSpec, { btf }: MapHost): Pattern {
  if (inner === null) throw vmError("V002", `map ${name} does not say what the maps in it look like`);
  return { spec: inner, special: specialFields(btf, inner.valueType) };
}

function innerError({ spec, special }: Pattern, map: VmMap | null): number {
  if (map === null) return 0;
  const alike =
    special.length === map.special.length &&
    special.every(({ field, offset }, i) => map.special[i]?.field === field && map.special[i]?.offset === offset);
  return alike && fitsInner(spec, map.spec) ? 0 : -ERRNO.EINVAL;
}
