/**
 * Which programs may call which helper function: a fact of the kernel, found by loading a call of each helper into a program
 * of each type and telling "program of this type cannot use helper" from every other complaint (Linux 6.18, all
 * capabilities). `test/kernel/helper-programs.test.ts` holds the table against the running kernel.
 *
 * A row tells where its helpers may be called: `on` these places only, or everywhere `except` there. A place is a program
 * type, or an attach type where the kernel looks at that too. That a type may call a helper does not mean that each of its
 * programs can: sleepable helpers need sleepable programs, and some need map or BTF types of their own.
 */
import type { AnyHelperName } from "./helper-names.ts";
import type { AttachType, ProgramType } from "./program-types.ts";

type Place = ProgramType | AttachType;

type Row = { readonly helpers: readonly AnyHelperName[] } & (
  | { readonly on: readonly Place[] }
  | { readonly except: readonly Place[] }
);

/**
 * The program types that the kernel can be asked about one by one: all that load without a target. With one the table knows
 * `tracing` and `struct_ops`; which of those may set and get options of sockets, or use their storage, hangs on the target, too.
 */
// prettier-ignore
export const TABLED_TYPES = [
  "socket_filter", "sched_cls", "sched_act", "xdp", "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "sock_ops",
  "sk_msg", "sk_skb", "sk_lookup", "sk_reuseport", "flow_dissector", "syscall", "raw_tracepoint", "raw_tracepoint_writable",
  "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local", "netfilter", "cgroup_device", "cgroup_sysctl", "kprobe", "tracepoint", "perf_event",
] as const satisfies readonly ProgramType[];

const TC = ["sched_cls", "sched_act"] as const;
const LWT = ["lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"] as const;
/** Programs that see the kernel's own structs. */
const TYPED = ["tracing", "syscall"] as const;
/** Where a program stands at the entry or exit of a kernel function. */
const TRAMPOLINES = ["trace_fentry", "trace_fexit", "modify_return"] as const;
const TRACING = ["raw_tracepoint", "raw_tracepoint_writable", "kprobe", "tracepoint", "perf_event"] as const;

// prettier-ignore
const ROWS: readonly Row[] = [
  { except: [],
    helpers: [
      "map_lookup_elem", "map_update_elem", "map_delete_elem", "ktime_get_ns", "trace_printk", "get_prandom_u32",
      "get_smp_processor_id", "tail_call", "get_current_pid_tgid", "get_current_uid_gid", "get_current_comm",
      "get_cgroup_classid", "perf_event_read", "get_current_task", "current_task_under_cgroup",
      "get_numa_node_id", "perf_event_read_value", "get_current_cgroup_id", "map_push_elem", "map_pop_elem",
      "map_peek_elem", "spin_lock", "spin_unlock", "strtol", "strtoul", "send_signal", "probe_read_user",
      "probe_read_kernel", "probe_read_user_str", "probe_read_kernel_str", "send_signal_thread", "jiffies64",
      "get_ns_current_pid_tgid", "get_current_ancestor_cgroup_id", "ktime_get_boot_ns", "ringbuf_output",
      "ringbuf_reserve", "ringbuf_submit", "ringbuf_discard", "ringbuf_query", "get_task_stack", "copy_from_user",
      "snprintf_btf", "per_cpu_ptr", "this_cpu_ptr", "task_storage_get", "task_storage_delete",
      "get_current_task_btf", "for_each_map_elem", "snprintf", "timer_init", "timer_set_callback", "timer_start",
      "timer_cancel", "task_pt_regs", "get_branch_snapshot", "trace_vprintk", "find_vma", "loop", "strncmp",
      "copy_from_user_task", "kptr_xchg", "map_lookup_percpu_elem", "dynptr_from_mem", "ringbuf_reserve_dynptr",
      "ringbuf_submit_dynptr", "ringbuf_discard_dynptr", "dynptr_read", "dynptr_write", "dynptr_data",
      "ktime_get_tai_ns", "user_ringbuf_drain", "cgrp_storage_get", "cgrp_storage_delete",
    ] },
  { on: [...TRACING, ...TYPED],
    helpers: [
      "probe_read", "get_stackid", "probe_read_str", "get_stack", "get_func_ip",
    ] },
  { on: [...TC, "sk_skb", "lwt_xmit"],
    helpers: [
      "skb_store_bytes", "skb_change_tail", "skb_change_head",
    ] },
  { on: [...TC, "lwt_xmit"],
    helpers: [
      "l3_csum_replace", "l4_csum_replace", "clone_redirect", "skb_get_tunnel_key", "skb_set_tunnel_key",
      "skb_get_tunnel_opt", "skb_set_tunnel_opt", "csum_update", "set_hash_invalid", "csum_level",
    ] },
  { on: [...TC],
    helpers: [
      "skb_vlan_push", "skb_vlan_pop", "skb_change_proto", "skb_change_type", "set_hash", "skb_get_xfrm_state",
      "skb_cgroup_classid", "redirect_neigh", "redirect_peer", "skb_set_tstamp",
    ] },
  { on: [...TC, "xdp", "lwt_xmit"],
    helpers: [
      "redirect",
    ] },
  { on: [...TC, ...LWT],
    helpers: [
      "get_route_realm", "skb_under_cgroup", "get_hash_recalc",
    ] },
  { except: ["sk_reuseport", "flow_dissector", "netfilter", "struct_ops"],
    helpers: [
      "perf_event_output",
    ] },
  { on: [...TC, ...LWT, "socket_filter", "cgroup_skb", "sk_skb", "sk_reuseport", "flow_dissector"],
    helpers: [
      "skb_load_bytes",
    ] },
  { on: [...TC, ...LWT, "xdp"],
    helpers: [
      "csum_diff",
    ] },
  { on: [],
    helpers: [
      "probe_write_user", "override_return", "rc_repeat", "rc_keydown", "rc_pointer_rel", "inode_storage_get",
      "inode_storage_delete", "bprm_opts_set", "ima_inode_hash", "ima_file_hash",
    ] },
  { on: ["struct_ops"],
    helpers: [
      "tcp_send_ack",
    ] },
  { on: ["trace_iter"],
    helpers: [
      "seq_printf", "seq_write", "seq_printf_btf",
    ] },
  { on: [...TRAMPOLINES],
    helpers: [
      "get_func_arg", "get_func_ret", "get_func_arg_cnt",
    ] },
  { on: [...TC, ...LWT, "sk_skb"],
    helpers: [
      "skb_pull_data",
    ] },
  { on: ["xdp"],
    helpers: [
      "xdp_adjust_head", "redirect_map", "xdp_adjust_meta", "xdp_adjust_tail", "xdp_load_bytes",
      "xdp_store_bytes",
    ] },
  { on: [...TC, "socket_filter", "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "sock_ops", "sk_skb", "sk_reuseport", ...TYPED],
    helpers: [
      "get_socket_cookie",
    ] },
  { on: [...TC, "socket_filter", "cgroup_skb", "sk_skb"],
    helpers: [
      "get_socket_uid",
    ] },
  { on: ["cgroup_sock_addr", "cgroup_setsockopt", "sock_ops", "trace_iter", "struct_ops"],
    helpers: [
      "setsockopt", "getsockopt",
    ] },
  { on: [...TC, "sk_skb"],
    helpers: [
      "skb_adjust_room",
    ] },
  { on: ["sk_skb"],
    helpers: [
      "sk_redirect_map", "sk_redirect_hash",
    ] },
  { on: ["sock_ops"],
    helpers: [
      "sock_map_update", "sock_ops_cb_flags_set", "sock_hash_update", "load_hdr_opt", "store_hdr_opt",
      "reserve_hdr_opt",
    ] },
  { on: ["perf_event"],
    helpers: [
      "perf_prog_read_value", "read_branch_records",
    ] },
  { on: ["sk_msg"],
    helpers: [
      "msg_redirect_map", "msg_apply_bytes", "msg_cork_bytes", "msg_pull_data", "msg_redirect_hash",
      "msg_push_data", "msg_pop_data",
    ] },
  { on: ["cgroup_inet4_connect", "cgroup_inet6_connect"],
    helpers: [
      "bind",
    ] },
  { on: [...TC, "socket_filter", "cgroup_skb", "sk_reuseport"],
    helpers: [
      "skb_load_bytes_relative",
    ] },
  { on: [...TC, "xdp"],
    helpers: [
      "fib_lookup", "tcp_check_syncookie", "tcp_gen_syncookie", "check_mtu", "tcp_raw_gen_syncookie_ipv4",
      "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv6",
    ] },
  { on: ["lwt_in", "lwt_xmit"],
    helpers: [
      "lwt_push_encap",
    ] },
  { on: ["lwt_seg6local"],
    helpers: [
      "lwt_seg6_store_bytes", "lwt_seg6_adjust_srh", "lwt_seg6_action",
    ] },
  { on: [...TC, "cgroup_skb"],
    helpers: [
      "skb_cgroup_id", "skb_ancestor_cgroup_id", "sk_fullsock", "skb_ecn_set_ce", "get_listener_sock",
    ] },
  { on: ["cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "sock_ops", "cgroup_device", "cgroup_sysctl"],
    helpers: [
      "get_local_storage",
    ] },
  { on: ["sk_reuseport"],
    helpers: [
      "sk_select_reuseport",
    ] },
  { on: [...TC, "xdp", "cgroup_skb", "cgroup_sock_addr", "sk_skb"],
    helpers: [
      "sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp",
    ] },
  { on: [...TC, "xdp", "cgroup_skb", "cgroup_sock_addr", "sk_skb", "sk_lookup"],
    helpers: [
      "sk_release",
    ] },
  { on: [...TC, "cgroup_skb", "cgroup_sockopt", "sock_ops"],
    helpers: [
      "tcp_sock",
    ] },
  { on: ["cgroup_sysctl"],
    helpers: [
      "sysctl_get_name", "sysctl_get_current_value", "sysctl_get_new_value", "sysctl_set_new_value",
    ] },
  { on: [...TC, "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "sock_ops", "sk_msg", ...TYPED, "struct_ops"],
    helpers: [
      "sk_storage_get",
    ] },
  { on: [...TC, "cgroup_skb", "cgroup_sock_addr", "cgroup_sockopt", "sock_ops", "sk_msg", ...TYPED, "struct_ops"],
    helpers: [
      "sk_storage_delete",
    ] },
  { on: [...TYPED],
    helpers: [
      "skb_output", "xdp_output", "d_path", "sock_from_file",
    ] },
  { on: ["syscall"],
    helpers: [
      "sys_bpf", "btf_find_by_name_kind", "sys_close", "kallsyms_lookup_name",
    ] },
  { on: [...TC, "socket_filter", "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "sock_ops", "sk_msg"],
    helpers: [
      "get_netns_cookie",
    ] },
  { on: [...TC, "sk_lookup"],
    helpers: [
      "sk_assign",
    ] },
  { on: ["cgroup_skb"],
    helpers: [
      "sk_cgroup_id", "sk_ancestor_cgroup_id",
    ] },
  { except: [...TRACING, "cgroup_sock", "cgroup_sockopt", "sk_reuseport", "netfilter", "cgroup_device", "cgroup_sysctl", "struct_ops"],
    helpers: [
      "skc_to_tcp6_sock", "skc_to_tcp_sock", "skc_to_tcp_timewait_sock", "skc_to_tcp_request_sock",
      "skc_to_udp6_sock", "skc_to_unix_sock", "skc_to_mptcp_sock",
    ] },
  { except: [...TRACING, ...TYPED, "cgroup_sockopt", "netfilter", "cgroup_device"],
    helpers: [
      "ktime_get_coarse_ns",
    ] },
  { on: [...TRACING, "trace_raw_tp", ...TRAMPOLINES],
    helpers: [
      "get_attach_cookie",
    ] },
  { on: ["cgroup_sock", "cgroup_inet4_bind", "cgroup_inet6_bind", "cgroup_inet4_connect", "cgroup_inet6_connect", "cgroup_udp4_sendmsg", "cgroup_udp6_sendmsg", "cgroup_unix_connect", "cgroup_unix_sendmsg", "cgroup_sockopt", "cgroup_device", "cgroup_sysctl"],
    helpers: [
      "get_retval", "set_retval",
    ] },
  { on: ["xdp", ...TYPED],
    helpers: [
      "xdp_get_buff_len",
    ] },
];

const ROW_OF: ReadonlyMap<string, Row> = new Map(ROWS.flatMap((row) => row.helpers.map((helper) => [helper, row])));

/** Whether programs of a type, to be attached there, may call a helper. */
export function mayCall(helper: AnyHelperName, type: ProgramType, attach: AttachType | null): boolean {
  const row = ROW_OF.get(helper);
  if (row === undefined) return false;
  const listed = (places: readonly Place[]): boolean =>
    places.includes(type) || (attach !== null && places.includes(attach));
  return "on" in row ? listed(row.on) : !listed(row.except);
}
