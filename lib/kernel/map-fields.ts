/**
 * Fields of map values that the kernel itself keeps, by the name of their C structure: locks, timers, work queues, counts,
 * lists and trees. Updates leave them alone, user space reads them as zeros. Each is allowed in some types of maps only,
 * in others BPF_MAP_CREATE fails with EOPNOTSUPP. Source: Linux 6.18, held by test/kernel/map-rules.test.ts.
 */
import type { MapType } from "./map-types.ts";

export interface MapField {
  /** The structure's name. */
  readonly type: string;
  readonly kind: "lock" | "timer" | "work" | "count" | "list" | "tree";
  /** Types of maps whose values may have it. */
  readonly maps: readonly MapType[];
}

const OWNED = ["sk_storage", "inode_storage", "task_storage", "cgrp_storage"] as const;
const LOCKS = ["hash", "array", "cgroup_storage", ...OWNED] as const;
const ASYNC = ["hash", "lru_hash", "array"] as const;
const COUNTS = ["hash", "percpu_hash", "lru_hash", "lru_percpu_hash", "array", "percpu_array", ...OWNED] as const;

// prettier-ignore
export const MAP_FIELDS: readonly MapField[] = [
  { type: "bpf_spin_lock",     kind: "lock",  maps: LOCKS },
  { type: "bpf_res_spin_lock", kind: "lock",  maps: LOCKS },
  { type: "bpf_timer",         kind: "timer", maps: ASYNC },
  { type: "bpf_wq",            kind: "work",  maps: ASYNC },
  { type: "bpf_task_work",     kind: "work",  maps: ASYNC },
  { type: "bpf_refcount",      kind: "count", maps: COUNTS },
  { type: "bpf_list_head",     kind: "list",  maps: ASYNC },
  { type: "bpf_rb_root",       kind: "tree",  maps: ASYNC },
];
