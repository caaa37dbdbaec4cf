/** Keys and values of a map as JavaScript sees them, by the map's types in the object's BTF; bytes where it has none. */
import type { Btf } from "../btf/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import { PER_CPU_MAPS } from "../kernel/index.ts";
import type { MapType } from "../kernel/index.ts";
import { bytesCodec, codecOf, repeatCodec } from "./codec.ts";
import type { Codec } from "./codec.ts";
import { objectProblem } from "./diagnostics.ts";
import type { MapSpec } from "./object.ts";

export interface MapCodecs {
  readonly key: Codec;
  /** Of a per-CPU map: an array with one element for each CPU. */
  readonly value: Codec;
}

/** What codecs depend on; `keyType` and `valueType` are 0 where there is no type. */
export type MapTypes = Pick<MapSpec, "name" | "type" | "keySize" | "valueSize" | "keyType" | "valueType">;

export function isPerCpu(type: MapType): boolean {
  return PER_CPU_MAPS.has(type) || type === "percpu_cgroup_storage";
}

/** Types whose key is an index, whatever the object's BTF says. */
// prettier-ignore
const INDEXED: ReadonlySet<MapType> = new Set([
  "array", "percpu_array", "prog_array", "perf_event_array", "cgroup_array", "array_of_maps", "devmap", "cpumap", "xskmap",
  "sockmap", "reuseport_sockarray",
]);
/** Types whose value is a file descriptor or a number like it. */
// prettier-ignore
const OF_DESCRIPTORS: ReadonlySet<MapType> = new Set([
  "prog_array", "perf_event_array", "cgroup_array", "array_of_maps", "hash_of_maps", "devmap", "devmap_hash", "xskmap",
  "sockmap", "sockhash", "reuseport_sockarray",
]);
const U32: Btf = { types: [{ kind: "void" }, { kind: "int", name: "u32", size: 4, encoding: "unsigned" }] };

/**
 * The codecs of a map. `cpus`: how many values a per-CPU map has; each starts at a multiple of 8 bytes.
 * Throws a DiagnosticError (O006) where a type has another size than the map says.
 */
export function mapCodecs(map: MapTypes, btf: Btf, cpus: number): MapCodecs {
  const key = pickCodec(map, "key", btf, INDEXED);
  const value = pickCodec(map, "value", btf, OF_DESCRIPTORS);
  if (!isPerCpu(map.type)) return { key, value };
  return { key, value: repeatCodec(value, cpus, Math.ceil(map.valueSize / 8) * 8) };
}

function pickCodec(map: MapTypes, which: "key" | "value", btf: Btf, plain: ReadonlySet<MapType>): Codec {
  const [size, type] = which === "key" ? [map.keySize, map.keyType] : [map.valueSize, map.valueType];
  // A ring buffer's value type describes its events; the map itself has neither key nor value.
  if (size === 0) return bytesCodec(0, which);
  if (type === 0) return size === 4 && plain.has(map.type) ? codecOf(U32, 1, which) : bytesCodec(size, which);
  const codec = codecOf(btf, type, which);
  if (codec.size === size) return codec;
  const message = `the ${which} of map ${JSON.stringify(map.name)} has ${size} bytes, its type ${codec.size}`;
  const details = { expected: `${size} bytes`, found: `BTF type ${type} of ${codec.size} bytes` };
  throw new DiagnosticError([objectProblem("O006", message, `maps[${map.name}].${which}Type`, details)]);
}
