/**
 * What an ELF section's name says about the programs in it: type, attach type and load flags.
 *
 * The hooks that programs can be written for (`HOOKS`) come first; the rest is what objects of other compilers use.
 * Source: docs.kernel.org/bpf/libbpf/program_types.html. A name ending in `+` stands for the bare name and for
 * `name/target`; any other name stands for itself alone.
 */
import { HOOKS, PROGRAM_FLAGS } from "./program-types.ts";
import type { AttachType, ProgramType } from "./program-types.ts";

export interface SectionMeaning {
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
}

const SLEEPABLE = PROGRAM_FLAGS.sleepable;
const FRAGS = PROGRAM_FLAGS.xdp_has_frags;

type Row = readonly [name: string, type: ProgramType, attach: AttachType | null, flags?: number];

// prettier-ignore
const OTHERS: readonly Row[] = [
  ["xdp.frags/cpumap",        "xdp",                     "xdp_cpumap", FRAGS],
  ["xdp.frags/devmap",        "xdp",                     "xdp_devmap", FRAGS],
  ["tc/ingress",              "sched_cls",               "tcx_ingress"],
  ["tc/egress",               "sched_cls",               "tcx_egress"],
  ["classifier",              "sched_cls",               null],
  ["action",                  "sched_act",               null],
  ["netkit/primary",          "sched_cls",               "netkit_primary"],
  ["netkit/peer",             "sched_cls",               "netkit_peer"],
  ["netfilter",               "netfilter",               "netfilter"],
  ["cgroup/skb",              "cgroup_skb",              null],
  ["cgroup/sock",             "cgroup_sock",             "cgroup_inet_sock_create"],
  ["cgroup/dev",              "cgroup_device",           "cgroup_device"],
  ["cgroup/sysctl",           "cgroup_sysctl",           "cgroup_sysctl"],
  ["cgroup/connect_unix",     "cgroup_sock_addr",        "cgroup_unix_connect"],
  ["cgroup/sendmsg_unix",     "cgroup_sock_addr",        "cgroup_unix_sendmsg"],
  ["cgroup/recvmsg_unix",     "cgroup_sock_addr",        "cgroup_unix_recvmsg"],
  ["cgroup/getpeername_unix", "cgroup_sock_addr",        "cgroup_unix_getpeername"],
  ["cgroup/getsockname_unix", "cgroup_sock_addr",        "cgroup_unix_getsockname"],
  ["sk_skb",                  "sk_skb",                  null],
  ["lwt_in",                  "lwt_in",                  null],
  ["lwt_out",                 "lwt_out",                 null],
  ["lwt_xmit",                "lwt_xmit",                null],
  ["lwt_seg6local",           "lwt_seg6local",           null],
  ["lirc_mode2",              "lirc_mode2",              "lirc_mode2"],
  ["perf_event",              "perf_event",              null],
  ["syscall",                 "syscall",                 null, SLEEPABLE],
  ["kprobe+",                 "kprobe",                  null],
  ["kretprobe+",              "kprobe",                  null],
  ["ksyscall+",               "kprobe",                  null],
  ["kretsyscall+",            "kprobe",                  null],
  ["uprobe+",                 "kprobe",                  null],
  ["uprobe.s+",               "kprobe",                  null, SLEEPABLE],
  ["uretprobe+",              "kprobe",                  null],
  ["uretprobe.s+",            "kprobe",                  null, SLEEPABLE],
  ["usdt+",                   "kprobe",                  null],
  ["usdt.s+",                 "kprobe",                  null, SLEEPABLE],
  ["kprobe.multi+",           "kprobe",                  "trace_kprobe_multi"],
  ["kretprobe.multi+",        "kprobe",                  "trace_kprobe_multi"],
  ["kprobe.session+",         "kprobe",                  "trace_kprobe_session"],
  ["uprobe.multi+",           "kprobe",                  "trace_uprobe_multi"],
  ["uprobe.multi.s+",         "kprobe",                  "trace_uprobe_multi", SLEEPABLE],
  ["uretprobe.multi+",        "kprobe",                  "trace_uprobe_multi"],
  ["uretprobe.multi.s+",      "kprobe",                  "trace_uprobe_multi", SLEEPABLE],
  ["uprobe.session+",         "kprobe",                  "trace_uprobe_session"],
  ["uprobe.session.s+",       "kprobe",                  "trace_uprobe_session", SLEEPABLE],
  ["tp+",                     "tracepoint",              null],
  ["tracepoint+",             "tracepoint",              null],
  ["raw_tp+",                 "raw_tracepoint",          null],
  ["raw_tracepoint+",         "raw_tracepoint",          null],
  ["raw_tp.w+",               "raw_tracepoint_writable", null],
  ["raw_tracepoint.w+",       "raw_tracepoint_writable", null],
  ["tp_btf+",                 "tracing",                 "trace_raw_tp"],
  ["fentry+",                 "tracing",                 "trace_fentry"],
  ["fentry.s+",               "tracing",                 "trace_fentry", SLEEPABLE],
  ["fexit+",                  "tracing",                 "trace_fexit"],
  ["fexit.s+",                "tracing",                 "trace_fexit", SLEEPABLE],
  ["fmod_ret+",               "tracing",                 "modify_return"],
  ["fmod_ret.s+",             "tracing",                 "modify_return", SLEEPABLE],
  ["iter+",                   "tracing",                 "trace_iter"],
  ["iter.s+",                 "tracing",                 "trace_iter", SLEEPABLE],
  ["freplace+",               "ext",                     null],
  ["lsm+",                    "lsm",                     "lsm_mac"],
  ["lsm.s+",                  "lsm",                     "lsm_mac", SLEEPABLE],
  ["lsm_cgroup+",             "lsm",                     "lsm_cgroup"],
  ["struct_ops+",             "struct_ops",              null],
  ["struct_ops.s+",           "struct_ops",              null, SLEEPABLE],
];

const MEANINGS: ReadonlyMap<string, SectionMeaning> = new Map([
  ...Object.values(HOOKS).map((h): [string, SectionMeaning] => [
    h.section,
    { type: h.type, attach: h.attach, flags: h.flags },
  ]),
  ...OTHERS.map(([name, type, attach, flags]): [string, SectionMeaning] => [name, { type, attach, flags: flags ?? 0 }]),
]);

/** Section names in the notation of this file, for messages and completion. */
export const SECTION_NAMES: readonly string[] = [...MEANINGS.keys()];

/** What a section's name says of its programs, or null for a name that says nothing. */
export function sectionMeaning(section: string): SectionMeaning | null {
  const slash = section.indexOf("/");
  const family = slash < 0 ? section : section.slice(0, slash);
  return MEANINGS.get(section) ?? MEANINGS.get(`${family}+`) ?? null;
}
