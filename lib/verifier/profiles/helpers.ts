/**
 * Helper functions by the release that brought them, and the places where a helper that was already there could be called
 * only later. (That a type may call a helper at all: lib/kernel/helper-programs.ts, Linux 6.18.)
 *
 * Sources: docs.ebpf.io (timeline of features) for first releases, which are those of the numbers, since numbers are given out
 * in order; the function tables of Linux 6.1 and 6.12 for the places.
 */
import { helperNumber, mayCall } from "../../kernel/index.ts";
import type { AnyHelperName, AttachType, ProgramType } from "../../kernel/index.ts";

/** The number of the last helper that a release has. */
// prettier-ignore
const LAST: readonly (readonly [since: number, last: number])[] = [
  [5010, 155], [5011, 162], [5012, 163], [5013, 165], [5014, 168], [5015, 175], [5016, 179], [5017, 185], [5018, 193],
  [5019, 203], [6000, 207], [6001, 209], [6002, 211],
];

/** The first release with a helper; 5.10 for all that are older. */
export function helperSince(helper: AnyHelperName): number {
  const number = helperNumber(helper);
  const row = LAST.find(([, last]) => number <= last);
  return row === undefined ? Infinity : row[0];
}

interface Later {
  readonly since: number;
  readonly helpers: readonly AnyHelperName[];
  /** Program or attach types; `except`: everywhere but there. */
  readonly on?: readonly (ProgramType | AttachType)[];
  readonly except?: readonly (ProgramType | AttachType)[];
}

const TRACING = [
  "syscall",
  "kprobe",
  "tracepoint",
  "raw_tracepoint",
  "raw_tracepoint_writable",
  "perf_event",
  "tracing",
  "lsm",
] as const;
const CGROUP = ["cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "cgroup_device", "cgroup_sysctl"] as const;

// prettier-ignore
const LATER: readonly Later[] = [
  { since: 6016, except: TRACING, helpers: [
    "copy_from_user", "copy_from_user_task", "find_vma", "get_branch_snapshot", "get_task_stack", "perf_event_read",
    "perf_event_read_value", "send_signal", "send_signal_thread", "task_storage_get", "task_storage_delete" ] },
  { since: 6016, except: [...TRACING, ...CGROUP], helpers: ["get_current_comm", "current_task_under_cgroup"] },
  { since: 6016, except: [...TRACING, ...CGROUP, "sk_msg"], helpers: ["get_current_uid_gid"] },
  { since: 6016, except: [...CGROUP, "sched_cls", "sched_act", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local", "sk_msg"],
    helpers: ["get_cgroup_classid"] },
  { since: 6016, on: ["lwt_seg6local"], helpers: ["skb_pull_data"] },
  { since: 6012, on: CGROUP, helpers: ["current_task_under_cgroup"] },
  { since: 6013, on: ["sched_cls", "sched_act", "cgroup_skb", "socket_filter"], helpers: ["get_netns_cookie"] },
  { since: 6010, except: TRACING, helpers: ["get_ns_current_pid_tgid"] },
  { since: 6010, except: [...TRACING, ...CGROUP, "sk_msg"], helpers: ["get_current_pid_tgid"] },
  { since: 6010, on: ["raw_tracepoint", "raw_tracepoint_writable"], helpers: ["get_attach_cookie"] },
  { since: 6004, except: [...TRACING, ...CGROUP, "sk_msg"], helpers: ["get_current_cgroup_id", "get_current_ancestor_cgroup_id"] },
  { since: 6001, except: ["cgroup_sysctl"], helpers: ["strtol", "strtoul"] },
  { since: 6001, on: ["cgroup_sockopt", "cgroup_device", "cgroup_sysctl"],
    helpers: ["get_current_comm", "get_current_pid_tgid", "get_cgroup_classid", "get_current_ancestor_cgroup_id"] },
  { since: 5015, on: TRACING, helpers: ["get_current_ancestor_cgroup_id"] },
  { since: 5015, on: ["sock_ops", "sk_msg"], helpers: ["get_netns_cookie"] },
  { since: 5015, on: ["cgroup_setsockopt"], helpers: ["setsockopt", "getsockopt"] },
  { since: 5014, on: ["sk_reuseport"], helpers: ["get_socket_cookie"] },
  { since: 5011, on: ["tracing"], helpers: ["sk_storage_get", "sk_storage_delete"] },
  { since: 5012, on: ["cgroup_sockopt"], helpers: ["get_netns_cookie"] },
  { since: 5012, helpers: ["setsockopt", "getsockopt"], on: [
    "cgroup_inet4_bind", "cgroup_inet6_bind", "cgroup_udp4_sendmsg", "cgroup_udp6_sendmsg", "cgroup_udp4_recvmsg",
    "cgroup_udp6_recvmsg", "cgroup_inet4_getpeername", "cgroup_inet6_getpeername", "cgroup_inet4_getsockname",
    "cgroup_inet6_getsockname" ] },
];

/** The first release where programs of a type, to be attached there, may call a helper; Infinity for none. */
export function helperSinceThere(helper: AnyHelperName, type: ProgramType, attach: AttachType | null): number {
  if (!mayCall(helper, type, attach)) return Infinity;
  let since = helperSince(helper);
  for (const row of LATER) {
    if (row.since > since && row.helpers.includes(helper) && isThere(row, type, attach)) since = row.since;
  }
  return since;
}

function isThere({ on, except }: Later, type: ProgramType, attach: AttachType | null): boolean {
  const listed = (places: readonly string[]): boolean =>
    places.includes(type) || (attach !== null && places.includes(attach));
  return on !== undefined ? listed(on) : !listed(except ?? []);
}
