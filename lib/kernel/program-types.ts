/**
 * Linux program types, their attach types and ELF section names.
 * Source: enum bpf_prog_type and bpf_attach_type of include/uapi/linux/bpf.h (Linux 6.18); section names as libbpf
 * documents them (docs.kernel.org/bpf/libbpf/program_types.html).
 */

/** Program type numbers by the kernel's lower-case name. */
// prettier-ignore
export const PROGRAM_TYPES = {
  unspec: 0, socket_filter: 1, kprobe: 2, sched_cls: 3, sched_act: 4, tracepoint: 5, xdp: 6, perf_event: 7,
  cgroup_skb: 8, cgroup_sock: 9, lwt_in: 10, lwt_out: 11, lwt_xmit: 12, sock_ops: 13, sk_skb: 14, cgroup_device: 15,
  sk_msg: 16, raw_tracepoint: 17, cgroup_sock_addr: 18, lwt_seg6local: 19, lirc_mode2: 20, sk_reuseport: 21,
  flow_dissector: 22, cgroup_sysctl: 23, raw_tracepoint_writable: 24, cgroup_sockopt: 25, tracing: 26,
  struct_ops: 27, ext: 28, lsm: 29, sk_lookup: 30, syscall: 31, netfilter: 32,
} as const;
export type ProgramType = keyof typeof PROGRAM_TYPES;

/**
 * Types whose programs see a packet from its network (IP) header on, where those of other packet types see the Ethernet
 * header first. Observed with BPF_PROG_TEST_RUN on Linux 6.18.
 */
export const NETWORK_LAYER_TYPES: ReadonlySet<ProgramType> = new Set(["cgroup_skb", "socket_filter"]);

/** Attach type numbers by the kernel's lower-case name without `BPF_`. */
// prettier-ignore
export const ATTACH_TYPES = {
  cgroup_inet_ingress: 0, cgroup_inet_egress: 1, cgroup_inet_sock_create: 2, cgroup_sock_ops: 3,
  sk_skb_stream_parser: 4, sk_skb_stream_verdict: 5, cgroup_device: 6, sk_msg_verdict: 7, cgroup_inet4_bind: 8,
  cgroup_inet6_bind: 9, cgroup_inet4_connect: 10, cgroup_inet6_connect: 11, cgroup_inet4_post_bind: 12,
  cgroup_inet6_post_bind: 13, cgroup_udp4_sendmsg: 14, cgroup_udp6_sendmsg: 15, lirc_mode2: 16, flow_dissector: 17,
  cgroup_sysctl: 18, cgroup_udp4_recvmsg: 19, cgroup_udp6_recvmsg: 20, cgroup_getsockopt: 21, cgroup_setsockopt: 22,
  trace_raw_tp: 23, trace_fentry: 24, trace_fexit: 25, modify_return: 26, lsm_mac: 27, trace_iter: 28,
  cgroup_inet4_getpeername: 29, cgroup_inet6_getpeername: 30, cgroup_inet4_getsockname: 31,
  cgroup_inet6_getsockname: 32, xdp_devmap: 33, cgroup_inet_sock_release: 34, xdp_cpumap: 35, sk_lookup: 36, xdp: 37,
  sk_skb_verdict: 38, sk_reuseport_select: 39, sk_reuseport_select_or_migrate: 40, perf_event: 41,
  trace_kprobe_multi: 42, lsm_cgroup: 43, struct_ops: 44, netfilter: 45, tcx_ingress: 46, tcx_egress: 47,
  trace_uprobe_multi: 48, cgroup_unix_connect: 49, cgroup_unix_sendmsg: 50, cgroup_unix_recvmsg: 51,
  cgroup_unix_getpeername: 52, cgroup_unix_getsockname: 53, netkit_primary: 54, netkit_peer: 55,
  trace_kprobe_session: 56, trace_uprobe_session: 57,
} as const;
export type AttachType = keyof typeof ATTACH_TYPES;

/** Names the layout of the context that a program's r1 points to (`contexts.ts`). */
// prettier-ignore
export type ContextKind =
  | "xdp_md" | "__sk_buff" | "bpf_sock_addr" | "bpf_sock_ops" | "sk_msg_md" | "bpf_sk_lookup" | "bpf_sock" | "bpf_sockopt"
  | "sk_reuseport_md";

export interface Hook {
  /** ELF section name, libbpf's spelling. */
  readonly section: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  readonly context: ContextKind;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
  /**
   * The return value that refuses: what the program returns when it traps (a failed array bound, `unreachable`).
   * Fail closed: a broken program must not let traffic through.
   */
  readonly refuse: number;
}

/** Flags of BPF_PROG_LOAD that a section's name can ask for. Source: include/uapi/linux/bpf.h. */
export const PROGRAM_FLAGS = { strict_alignment: 1 << 0, sleepable: 1 << 4, xdp_has_frags: 1 << 5 } as const;

const FRAGS = PROGRAM_FLAGS.xdp_has_frags;

/** The hooks that programs can be written for, by the name the standard library gives them. */
// prettier-ignore
export const HOOKS = {
  xdp:                   { section: "xdp",                   type: "xdp",              attach: "xdp",                           context: "xdp_md",          flags: 0,     refuse: 0 },
  xdp_frags:             { section: "xdp.frags",             type: "xdp",              attach: "xdp",                           context: "xdp_md",          flags: FRAGS, refuse: 0 },
  xdp_devmap:            { section: "xdp/devmap",            type: "xdp",              attach: "xdp_devmap",                    context: "xdp_md",          flags: 0,     refuse: 0 },
  xdp_cpumap:            { section: "xdp/cpumap",            type: "xdp",              attach: "xdp_cpumap",                    context: "xdp_md",          flags: 0,     refuse: 0 },
  tcx_ingress:           { section: "tcx/ingress",           type: "sched_cls",        attach: "tcx_ingress",                   context: "__sk_buff",       flags: 0,     refuse: 2 },
  tcx_egress:            { section: "tcx/egress",            type: "sched_cls",        attach: "tcx_egress",                    context: "__sk_buff",       flags: 0,     refuse: 2 },
  tc:                    { section: "tc",                    type: "sched_cls",        attach: null,                            context: "__sk_buff",       flags: 0,     refuse: 2 },
  cgroup_skb_ingress:    { section: "cgroup_skb/ingress",    type: "cgroup_skb",       attach: "cgroup_inet_ingress",           context: "__sk_buff",       flags: 0,     refuse: 0 },
  cgroup_skb_egress:     { section: "cgroup_skb/egress",     type: "cgroup_skb",       attach: "cgroup_inet_egress",            context: "__sk_buff",       flags: 0,     refuse: 0 },
  socket_filter:         { section: "socket",                type: "socket_filter",    attach: null,                            context: "__sk_buff",       flags: 0,     refuse: 0 },
  flow_dissector:        { section: "flow_dissector",        type: "flow_dissector",   attach: "flow_dissector",                context: "__sk_buff",       flags: 0,     refuse: 2 },
  sock_create:           { section: "cgroup/sock_create",    type: "cgroup_sock",      attach: "cgroup_inet_sock_create",       context: "bpf_sock",        flags: 0,     refuse: 0 },
  sock_release:          { section: "cgroup/sock_release",   type: "cgroup_sock",      attach: "cgroup_inet_sock_release",      context: "bpf_sock",        flags: 0,     refuse: 0 },
  post_bind4:            { section: "cgroup/post_bind4",     type: "cgroup_sock",      attach: "cgroup_inet4_post_bind",        context: "bpf_sock",        flags: 0,     refuse: 0 },
  post_bind6:            { section: "cgroup/post_bind6",     type: "cgroup_sock",      attach: "cgroup_inet6_post_bind",        context: "bpf_sock",        flags: 0,     refuse: 0 },
  bind4:                 { section: "cgroup/bind4",          type: "cgroup_sock_addr", attach: "cgroup_inet4_bind",             context: "bpf_sock_addr",   flags: 0,     refuse: 0 },
  bind6:                 { section: "cgroup/bind6",          type: "cgroup_sock_addr", attach: "cgroup_inet6_bind",             context: "bpf_sock_addr",   flags: 0,     refuse: 0 },
  connect4:              { section: "cgroup/connect4",       type: "cgroup_sock_addr", attach: "cgroup_inet4_connect",          context: "bpf_sock_addr",   flags: 0,     refuse: 0 },
  connect6:              { section: "cgroup/connect6",       type: "cgroup_sock_addr", attach: "cgroup_inet6_connect",          context: "bpf_sock_addr",   flags: 0,     refuse: 0 },
  sendmsg4:              { section: "cgroup/sendmsg4",       type: "cgroup_sock_addr", attach: "cgroup_udp4_sendmsg",           context: "bpf_sock_addr",   flags: 0,     refuse: 0 },
  sendmsg6:              { section: "cgroup/sendmsg6",       type: "cgroup_sock_addr", attach: "cgroup_udp6_sendmsg",           context: "bpf_sock_addr",   flags: 0,     refuse: 0 },
  recvmsg4:              { section: "cgroup/recvmsg4",       type: "cgroup_sock_addr", attach: "cgroup_udp4_recvmsg",           context: "bpf_sock_addr",   flags: 0,     refuse: 1 },
  recvmsg6:              { section: "cgroup/recvmsg6",       type: "cgroup_sock_addr", attach: "cgroup_udp6_recvmsg",           context: "bpf_sock_addr",   flags: 0,     refuse: 1 },
  getpeername4:          { section: "cgroup/getpeername4",   type: "cgroup_sock_addr", attach: "cgroup_inet4_getpeername",      context: "bpf_sock_addr",   flags: 0,     refuse: 1 },
  getpeername6:          { section: "cgroup/getpeername6",   type: "cgroup_sock_addr", attach: "cgroup_inet6_getpeername",      context: "bpf_sock_addr",   flags: 0,     refuse: 1 },
  getsockname4:          { section: "cgroup/getsockname4",   type: "cgroup_sock_addr", attach: "cgroup_inet4_getsockname",      context: "bpf_sock_addr",   flags: 0,     refuse: 1 },
  getsockname6:          { section: "cgroup/getsockname6",   type: "cgroup_sock_addr", attach: "cgroup_inet6_getsockname",      context: "bpf_sock_addr",   flags: 0,     refuse: 1 },
  getsockopt:            { section: "cgroup/getsockopt",     type: "cgroup_sockopt",   attach: "cgroup_getsockopt",             context: "bpf_sockopt",     flags: 0,     refuse: 0 },
  setsockopt:            { section: "cgroup/setsockopt",     type: "cgroup_sockopt",   attach: "cgroup_setsockopt",             context: "bpf_sockopt",     flags: 0,     refuse: 0 },
  sock_ops:              { section: "sockops",               type: "sock_ops",         attach: "cgroup_sock_ops",               context: "bpf_sock_ops",    flags: 0,     refuse: 0 },
  sk_msg:                { section: "sk_msg",                type: "sk_msg",           attach: "sk_msg_verdict",                context: "sk_msg_md",       flags: 0,     refuse: 0 },
  sk_skb_parser:         { section: "sk_skb/stream_parser",  type: "sk_skb",           attach: "sk_skb_stream_parser",          context: "__sk_buff",       flags: 0,     refuse: -22 },
  sk_skb_stream_verdict: { section: "sk_skb/stream_verdict", type: "sk_skb",           attach: "sk_skb_stream_verdict",         context: "__sk_buff",       flags: 0,     refuse: 0 },
  sk_skb_verdict:        { section: "sk_skb/verdict",        type: "sk_skb",           attach: "sk_skb_verdict",                context: "__sk_buff",       flags: 0,     refuse: 0 },
  sk_lookup:             { section: "sk_lookup",             type: "sk_lookup",        attach: "sk_lookup",                     context: "bpf_sk_lookup",   flags: 0,     refuse: 0 },
  sk_reuseport:          { section: "sk_reuseport",          type: "sk_reuseport",     attach: "sk_reuseport_select",           context: "sk_reuseport_md", flags: 0,     refuse: 0 },
  sk_reuseport_migrate:  { section: "sk_reuseport/migrate",  type: "sk_reuseport",     attach: "sk_reuseport_select_or_migrate", context: "sk_reuseport_md", flags: 0,    refuse: 0 },
} as const satisfies Record<string, Hook>;
export type HookName = keyof typeof HOOKS;
