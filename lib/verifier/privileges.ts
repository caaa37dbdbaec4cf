/** What the one who loads may do. Source: the capabilities that the kernel asks for when a program is loaded. */
export interface Privileges {
  /** CAP_BPF: without it only socket_filter and cgroup_skb, no loops, no subprograms, fewer instructions. */
  readonly bpf: boolean;
  /** CAP_PERFMON: pointers may be seen as numbers, speculation is not guarded against, uninitialised stack may be read. */
  readonly perfmon: boolean;
}

export const ROOT: Privileges = { bpf: true, perfmon: true };
