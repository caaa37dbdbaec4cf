/** Makes a map from its definition: which class serves which type. What the kernel demands of one: lib/kernel/map-rules.ts. */
import { mapProblem } from "../../kernel/index.ts";
import type { MapType } from "../../kernel/index.ts";
import { sizeForCpus } from "../../object/index.ts";
import type { MapSpec } from "../../object/index.ts";
import { vmError } from "../diagnostics.ts";
import { ArrayMap } from "./array.ts";
import { BloomFilter } from "./bloom.ts";
import { CgroupArray } from "./cgroup-array.ts";
import { CpuMap, DeviceMap, XskMap } from "./devices.ts";
import { HashMap, LruHashMap } from "./hash.ts";
import { LpmTrie } from "./lpm.ts";
import type { MapHost, VmMap } from "./map.ts";
import { ArrayOfMaps, HashOfMaps } from "./maps-of-maps.ts";
import { PerfEventArray } from "./perf-events.ts";
import { ProgArray } from "./prog-array.ts";
import { QueueMap } from "./queue.ts";
import { RingbufMap, UserRingbuf } from "./ringbuf.ts";
import { ReuseportArray, SocketMap } from "./sockets.ts";
import { StackTraceMap } from "./stack-trace.ts";
import { CgroupStorage, OwnedStorage } from "./storage.ts";

// Not here: arena, whose pointers programs follow through instructions of their own, and struct_ops.
// prettier-ignore
const CLASSES = {
  array: ArrayMap, percpu_array: ArrayMap,
  hash: HashMap, percpu_hash: HashMap, lru_hash: LruHashMap, lru_percpu_hash: LruHashMap,
  lpm_trie: LpmTrie, queue: QueueMap, stack: QueueMap, bloom_filter: BloomFilter,
  array_of_maps: ArrayOfMaps, hash_of_maps: HashOfMaps, prog_array: ProgArray, cgroup_array: CgroupArray,
  ringbuf: RingbufMap, user_ringbuf: UserRingbuf, perf_event_array: PerfEventArray, stack_trace: StackTraceMap,
  sockmap: SocketMap, sockhash: SocketMap, reuseport_sockarray: ReuseportArray,
  devmap: DeviceMap, devmap_hash: DeviceMap, cpumap: CpuMap, xskmap: XskMap,
  sk_storage: OwnedStorage, task_storage: OwnedStorage, inode_storage: OwnedStorage, cgrp_storage: OwnedStorage,
  cgroup_storage: CgroupStorage, percpu_cgroup_storage: CgroupStorage,
} as const satisfies Partial<Record<MapType, new (spec: MapSpec, host: MapHost) => VmMap>>;

/** Throws V001 for a type that is not simulated, V002 for a definition that the kernel refuses, V010 when memory is used up. */
export function createMap(given: MapSpec, host: MapHost): VmMap {
  const spec = sizeForCpus(given, host.cpus);
  const make: (new (spec: MapSpec, host: MapHost) => VmMap) | undefined = CLASSES[spec.type as keyof typeof CLASSES];
  // prettier-ignore
  if (make === undefined) {
    throw vmError("V001", `map ${spec.name} has the type ${spec.type}, which is not simulated`, { expected: Object.keys(CLASSES).join(", "), found: spec.type });
  }
  const problem = mapProblem(spec);
  if (problem !== null) throw vmError("V002", `map ${spec.name} (${spec.type}) ${problem.message}: ${problem.error}`);
  const map = new make(spec, host);
  const misplaced = map.special.find(({ field }) => !field.maps.includes(spec.type));
  if (misplaced !== undefined)
    throw vmError(
      "V002",
      `map ${spec.name} (${spec.type}) must not have a ${misplaced.field.type} in its values: EOPNOTSUPP`,
    );
  if (spec.frozen) map.freeze();
  return map;
}

// prettier-ignore
export {
  ArrayMap, ArrayOfMaps, BloomFilter, CgroupArray, CgroupStorage, CpuMap, DeviceMap, HashMap, HashOfMaps, LpmTrie, LruHashMap,
  OwnedStorage, PerfEventArray, ProgArray, QueueMap, ReuseportArray, RingbufMap, SocketMap, StackTraceMap, UserRingbuf, XskMap,
};
export type { CpuQueue, Device } from "./devices.ts";
export { MapError, VmMap } from "./map.ts";
export type { Batch, MapHost, SetMode } from "./map.ts";
export type { SocketMapGuard } from "./sockets.ts";
export type { StorageOwner } from "./storage.ts";
export { hash } from "./table.ts";
export type { TableShape } from "./table.ts";
export type { SpecialField } from "./value.ts";
