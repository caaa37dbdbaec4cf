/**
 * A machine's maps with JavaScript values for keys and values, by the object's BTF: what the loader's `BpfMap` is for the
 * kernel's. Without BTF they are bytes. A per-CPU value is an array with one element for each CPU.
 */
import { codecOf, isPerCpu, mapCodecs } from "../object/index.ts";
import type { MapCodecs, Value } from "../object/index.ts";
import type { Machine } from "./machine.ts";
import type { SetMode, VmMap } from "./maps/index.ts";

/** What the maps of both, machine and kernel, can do. */
export interface MapView<K = Value, V = Value> {
  /** Undefined when there is no such entry. */
  get(key: K): V | undefined;
  /** Creates or replaces an entry; `mode` says which it may. Default: both. */
  set(key: K, value: V, mode?: SetMode): void;
  has(key: K): boolean;
  /** Whether there was such an entry. */
  delete(key: K): boolean;
  entries(): Iterable<[K, V]>;
}

/** Throws V003 when the object has no such map. The caller knows the types that K and V stand for. */
export function viewMap<K = Value, V = Value>(machine: Machine, name: string): MapView<K, V> {
  const map = machine.map(name);
  const { key, value } = codecsOf(machine, map);
  const encodeKey = (k: K): Uint8Array => key.encode(k as Value);
  return {
    get: (k) => {
      const found = map.get(encodeKey(k));
      return found === null ? undefined : (value.decode(found) as V);
    },
    set: (k, v, mode) => map.set(encodeKey(k), value.encode(v as Value), mode),
    has: (k) => map.get(encodeKey(k)) !== null,
    delete: (k) => map.delete(encodeKey(k)),
    *entries() {
      for (const [k, v] of map.entries()) yield [key.decode(k) as K, value.decode(v) as V];
    },
  };
}

export function codecsOf({ object }: Machine, { spec, valueLength }: VmMap): MapCodecs {
  const cpus = isPerCpu(spec.type) ? valueLength / (Math.ceil(spec.valueSize / 8) * 8) : 1;
  return mapCodecs(spec, object.btf, cpus);
}

/** The events of a ring buffer since the last call; bytes where its map has no value type. */
export function drainEvents<E = Value>(machine: Machine, name: string): E[] {
  const type = machine.map(name).spec.valueType;
  const bytes = machine.ringbuf(name).drain();
  if (type === 0) return bytes as E[];
  const codec = codecOf(machine.object.btf, type, name);
  // ringbuf_output may write less than the type has, or more.
  return bytes.map((event) => (event.length >= codec.size ? codec.decode(event) : event) as E);
}
