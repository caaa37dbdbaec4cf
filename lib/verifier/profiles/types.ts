/**
 * Map, program and attach types by the release that brought them; what is older than 5.10 is left out.
 * Source: docs.ebpf.io (timeline of features; pages of the types).
 */
import type { AttachType, MapType, ProgramType } from "../../kernel/index.ts";
import { byName } from "./releases.ts";

const MAP_TYPES = byName<MapType>([
  [5011, "task_storage"],
  [5016, "bloom_filter"],
  [6001, "user_ringbuf"],
  [6002, "cgrp_storage"],
  [6009, "arena"],
]);

const PROGRAM_TYPES = byName<ProgramType>([
  [5014, "syscall"],
  [6004, "netfilter"],
]);

const ATTACH_TYPES = byName<AttachType>([
  [5013, "sk_skb_verdict"],
  [5014, "sk_reuseport_select_or_migrate"],
  [5018, "trace_kprobe_multi"],
  [6000, "lsm_cgroup"],
  [6004, "netfilter", "struct_ops"],
  [6006, "tcx_ingress", "tcx_egress"],
  [
    6007,
    "cgroup_unix_connect",
    "cgroup_unix_sendmsg",
    "cgroup_unix_recvmsg",
    "cgroup_unix_getpeername",
    "cgroup_unix_getsockname",
  ],
]);

/** The first release with a map type. */
export function mapTypeSince(type: MapType): number {
  return MAP_TYPES.get(type) ?? 5010;
}

/** The first release with a program type. */
export function programTypeSince(type: ProgramType): number {
  return PROGRAM_TYPES.get(type) ?? 5010;
}

/**
 * The first release where programs of a type are loaded for an attach type and can be attached. Older kernels ignore what types
 * with only one way to attach ask for: a program for tcx loads where it can be attached with a qdisc only, one that selects a
 * reuseport socket where there is no migration. One for `sk_skb_verdict` loads on 5.10, too, but nothing there takes it.
 */
export function attachTypeSince(type: ProgramType, attach: AttachType): number {
  return type === "sched_cls" ? 5010 : (ATTACH_TYPES.get(attach) ?? 5010);
}
