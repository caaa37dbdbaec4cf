/** The kernel's own structures behind contexts. Source: the list of program types of Linux 6.18 (include/linux/bpf_types.h). */
import type { ProgramType } from "../../kernel/index.ts";

const BUFFER = "sk_buff";

// prettier-ignore
const STRUCTS: Partial<Readonly<Record<ProgramType, string>>> = {
  socket_filter: BUFFER, sched_cls: BUFFER, sched_act: BUFFER, cgroup_skb: BUFFER, sk_skb: BUFFER, lwt_in: BUFFER,
  lwt_out: BUFFER, lwt_xmit: BUFFER, lwt_seg6local: BUFFER, xdp: "xdp_buff", cgroup_sock: "sock",
  cgroup_sock_addr: "bpf_sock_addr_kern", sock_ops: "bpf_sock_ops_kern", sk_msg: "sk_msg", flow_dissector: "bpf_flow_dissector",
  kprobe: "pt_regs", perf_event: "bpf_perf_event_data_kern", cgroup_device: "bpf_cgroup_dev_ctx",
  cgroup_sysctl: "bpf_sysctl_kern", cgroup_sockopt: "bpf_sockopt_kern", sk_reuseport: "sk_reuseport_kern",
  sk_lookup: "bpf_sk_lookup_kern", netfilter: "bpf_nf_ctx",
};

/** The name of the structure that a program type's context is for the kernel; null where it is none. */
export function contextStruct(type: ProgramType): string | null {
  return STRUCTS[type] ?? null;
}
