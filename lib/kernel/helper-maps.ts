/**
 * Which helper takes which type of map: a fact of the kernel's verifier, which refuses every other pair when a program is
 * loaded. `test/kernel/helper-maps.test.ts` holds the table against the running kernel (Linux 6.18).
 */
import type { AnyHelperName } from "./helper-names.ts";
import type { MapType } from "./map-types.ts";
import type { AttachType, ProgramType } from "./program-types.ts";

const HASHES = ["hash", "percpu_hash", "lru_hash", "lru_percpu_hash"] as const;
const ARRAYS = ["array", "percpu_array"] as const;
const TABLES = [...HASHES, ...ARRAYS, "lpm_trie"] as const;
const SOCKETS = ["sockmap", "sockhash"] as const;
const QUEUES = ["queue", "stack"] as const;
const DEVICES = ["devmap", "devmap_hash"] as const;

// prettier-ignore
const TAKES = {
  map_lookup_elem:           [...TABLES, "array_of_maps", "hash_of_maps", ...DEVICES, "xskmap", ...SOCKETS],
  map_update_elem:           [...TABLES, ...SOCKETS],
  map_delete_elem:           [...TABLES, ...SOCKETS],
  map_lookup_percpu_elem:    ["percpu_array", "percpu_hash", "lru_percpu_hash"],
  for_each_map_elem:         [...HASHES, ...ARRAYS],
  map_push_elem:             [...QUEUES, "bloom_filter"],
  map_pop_elem:              QUEUES,
  map_peek_elem:             [...QUEUES, "bloom_filter"],
  tail_call:                 ["prog_array"],
  perf_event_read:           ["perf_event_array"],
  perf_event_read_value:     ["perf_event_array"],
  perf_event_output:         ["perf_event_array"],
  skb_output:                ["perf_event_array"],
  xdp_output:                ["perf_event_array"],
  get_stackid:               ["stack_trace"],
  skb_under_cgroup:          ["cgroup_array"],
  current_task_under_cgroup: ["cgroup_array"],
  redirect_map:              [...DEVICES, "cpumap", "xskmap"],
  sk_redirect_map:           ["sockmap"],
  msg_redirect_map:          ["sockmap"],
  sock_map_update:           ["sockmap"],
  sk_redirect_hash:          ["sockhash"],
  msg_redirect_hash:         ["sockhash"],
  sock_hash_update:          ["sockhash"],
  sk_select_reuseport:       ["reuseport_sockarray", ...SOCKETS],
  get_local_storage:         ["cgroup_storage", "percpu_cgroup_storage"],
  sk_storage_get:            ["sk_storage"],
  sk_storage_delete:         ["sk_storage"],
  inode_storage_get:         ["inode_storage"],
  inode_storage_delete:      ["inode_storage"],
  task_storage_get:          ["task_storage"],
  task_storage_delete:       ["task_storage"],
  cgrp_storage_get:          ["cgrp_storage"],
  cgrp_storage_delete:       ["cgrp_storage"],
  ringbuf_output:            ["ringbuf"],
  ringbuf_reserve:           ["ringbuf"],
  ringbuf_reserve_dynptr:    ["ringbuf"],
  ringbuf_query:             ["ringbuf"],
  user_ringbuf_drain:        ["user_ringbuf"],
} as const satisfies Partial<Record<AnyHelperName, readonly MapType[]>>;

/** The helpers that take a map. */
export type MapHelperName = keyof typeof TAKES;
export const MAP_HELPERS = Object.keys(TAKES) as readonly MapHelperName[];

const SETS: ReadonlyMap<MapHelperName, ReadonlySet<MapType>> = new Map(
  MAP_HELPERS.map((helper) => [helper, new Set<MapType>(TAKES[helper])]),
);

/**
 * May a program of this type, to be attached there, call the helper with a map of that type? Whether it may call the helper at
 * all: `mayCall`.
 */
export function takesMap(
  helper: MapHelperName,
  map: MapType,
  program: ProgramType,
  attach: AttachType | null = null,
): boolean {
  return SETS.get(helper)?.has(map) === true && mayTouchSockets(helper, map, program, attach);
}

/** Where programs hold no lock of a socket, so that they may change any socket's place in a map. */
// prettier-ignore
const UNLOCKED: ReadonlySet<ProgramType | AttachType | null> = new Set([
  "socket_filter", "sched_cls", "sched_act", "xdp", "sk_reuseport", "flow_dissector", "sk_lookup", "trace_iter",
]);

/** Programs of sock_ops put sockets in with sock_map_update and sock_hash_update only, but may take any out. */
function mayTouchSockets(
  helper: MapHelperName,
  map: MapType,
  program: ProgramType,
  attach: AttachType | null,
): boolean {
  if (map !== "sockmap" && map !== "sockhash") return true;
  const unlocked = UNLOCKED.has(program) || UNLOCKED.has(attach);
  if (helper === "map_update_elem") return unlocked;
  return helper !== "map_delete_elem" || unlocked || program === "sock_ops";
}
