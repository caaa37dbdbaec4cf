/** Map types by the kernel's lower-case name. Source: enum bpf_map_type of include/uapi/linux/bpf.h (Linux 6.18). */
// prettier-ignore
export const MAP_TYPES = {
  unspec: 0, hash: 1, array: 2, prog_array: 3, perf_event_array: 4, percpu_hash: 5, percpu_array: 6, stack_trace: 7,
  cgroup_array: 8, lru_hash: 9, lru_percpu_hash: 10, lpm_trie: 11, array_of_maps: 12, hash_of_maps: 13, devmap: 14,
  sockmap: 15, cpumap: 16, xskmap: 17, sockhash: 18, cgroup_storage: 19, reuseport_sockarray: 20,
  percpu_cgroup_storage: 21, queue: 22, stack: 23, sk_storage: 24, devmap_hash: 25, struct_ops: 26, ringbuf: 27,
  inode_storage: 28, task_storage: 29, bloom_filter: 30, user_ringbuf: 31, cgrp_storage: 32, arena: 33,
} as const;
export type MapType = keyof typeof MAP_TYPES;

/** Flags of BPF_MAP_CREATE. Source: include/uapi/linux/bpf.h. */
export const MAP_FLAGS = {
  no_prealloc: 1 << 0,
  no_common_lru: 1 << 1,
  numa_node: 1 << 2,
  rdonly: 1 << 3,
  wronly: 1 << 4,
  stack_build_id: 1 << 5,
  zero_seed: 1 << 6,
  rdonly_prog: 1 << 7,
  wronly_prog: 1 << 8,
  clone: 1 << 9,
  mmapable: 1 << 10,
  preserve_elems: 1 << 11,
  inner_map: 1 << 12,
  link: 1 << 13,
  segv_on_fault: 1 << 17,
  no_user_conv: 1 << 18,
} as const;

/** Flags of update and look-up operations. Source: include/uapi/linux/bpf.h. */
export const UPDATE_FLAGS = { any: 0, noexist: 1, exist: 2, lock: 4 } as const;

/** Map types without keys. */
export const KEYLESS_MAPS: ReadonlySet<MapType> = new Set([
  "ringbuf",
  "user_ringbuf",
  "queue",
  "stack",
  "bloom_filter",
]);

/** Map types that hang their values on a kernel object: they grow with what there is, and `max_entries` must be 0. */
// prettier-ignore
export const STORAGE_MAPS: ReadonlySet<MapType> = new Set([
  "sk_storage", "task_storage", "cgrp_storage", "inode_storage", "cgroup_storage", "percpu_cgroup_storage",
]);

/** Map types whose values are maps: a value is an inner map's descriptor to user space and the map itself to a program. */
export const MAPS_OF_MAPS: ReadonlySet<MapType> = new Set(["array_of_maps", "hash_of_maps"]);

/** Map types whose values user space sees once for each possible CPU, each rounded up to 8 bytes. */
export const PER_CPU_MAPS: ReadonlySet<MapType> = new Set(["percpu_hash", "percpu_array", "lru_percpu_hash"]);

/** Map types for which a loader gives no types of keys and values: some kernels refuse them (EINVAL, ENOTSUPP). */
// prettier-ignore
export const UNTYPED_MAPS: ReadonlySet<MapType> = new Set([
  "perf_event_array", "cgroup_array", "stack_trace", "array_of_maps", "hash_of_maps", "devmap", "devmap_hash", "cpumap",
  "xskmap", "sockmap", "sockhash", "queue", "stack", "ringbuf", "user_ringbuf", "bloom_filter", "prog_array", "arena",
  "reuseport_sockarray",
]);
