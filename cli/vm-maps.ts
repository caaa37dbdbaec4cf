/**
 * The interpreter's maps with JavaScript values for keys and values, by the object's BTF: what the loader's maps are for
 * the kernel's. Without BTF they are bytes. A per-CPU value is an array with one element for each CPU.
 */
import { PER_CPU_MAPS } from "../lib/kernel/index.ts";
import { bytesCodec, codecOf, repeatCodec } from "../lib/object/index.ts";
import type { Codec, MapSpec, ObjectSpec, Value } from "../lib/object/index.ts";
import type { Machine, VmMap } from "../lib/vm/index.ts";

/** What the maps of both engines can do. */
export interface MapView<K, V> {
  /** Undefined when there is no such entry. */
  get(key: K): V | undefined;
  set(key: K, value: V): void;
  entries(): Iterable<[K, V]>;
}

export interface Codecs {
  readonly key: Codec;
  readonly value: Codec;
}

/** Throws V003 when the object has no such map. */
export function viewMap<K = Value, V = Value>(machine: Machine, name: string): MapView<K, V> {
  const map = machine.map(name);
  const { key, value } = codecsOf(machine.object, map);
  return {
    get: (k) => {
      const found = map.get(key.encode(k as Value));
      return found === null ? undefined : (value.decode(found) as V);
    },
    set: (k, v) => map.set(key.encode(k as Value), value.encode(v as Value)),
    *entries() {
      for (const [k, v] of map.entries()) yield [key.decode(k) as K, value.decode(v) as V];
    },
  };
}

export function codecsOf(object: ObjectSpec, map: VmMap): Codecs {
  const { spec } = map;
  const value = codecFor(object, spec, "value");
  const stride = Math.ceil(spec.valueSize / 8) * 8;
  const perCpu = PER_CPU_MAPS.has(spec.type);
  return {
    key: codecFor(object, spec, "key"),
    value: perCpu ? repeatCodec(value, map.valueLength / stride, stride, "value") : value,
  };
}

/** The events of a ring buffer since the last call. */
export function drainEvents<E = Value>(machine: Machine, name: string): E[] {
  const type = machine.map(name).spec.valueType;
  const bytes = machine.ringbuf(name).drain();
  if (type === 0) return bytes as E[];
  const codec = codecOf(machine.object.btf, type, name);
  // ringbuf_output may write less than the type has, or more.
  return bytes.map((event) => (event.length >= codec.size ? codec.decode(event) : event) as E);
}

function codecFor(object: ObjectSpec, spec: MapSpec, which: "key" | "value"): Codec {
  const [type, size] = which === "key" ? [spec.keyType, spec.keySize] : [spec.valueType, spec.valueSize];
  return type === 0 ? bytesCodec(size, which) : codecOf(object.btf, type, which);
}
