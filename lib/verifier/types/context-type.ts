/** Which C types stand for the context of a program type in functions' prototypes. */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { ProgramType } from "../../kernel/index.ts";
import type { LoadRequest } from "../request.ts";
import { nameOf, skipModifiers, typeAt } from "./lookup.ts";

const BUFFER = ["__sk_buff", "sk_buff"] as const;
const RAW = ["bpf_raw_tracepoint_args"] as const;
const REGISTERS_TYPEDEF = "bpf_user_pt_regs_t";

/**
 * Structures by program type: the first is what programs are shown, the second the kernel's own behind it, which will do as
 * well. Types that are not here have contexts without a name.
 */
// prettier-ignore
const NAMES: { readonly [type in ProgramType]?: readonly string[] } = {
  socket_filter: BUFFER, sched_cls: BUFFER, sched_act: BUFFER, cgroup_skb: BUFFER, sk_skb: BUFFER, lwt_in: BUFFER,
  lwt_out: BUFFER, lwt_xmit: BUFFER, lwt_seg6local: BUFFER, flow_dissector: BUFFER, xdp: ["xdp_md", "xdp_buff"],
  cgroup_sock: ["bpf_sock"], cgroup_sock_addr: ["bpf_sock_addr"], sock_ops: ["bpf_sock_ops"], sk_msg: ["sk_msg_md"],
  kprobe: ["pt_regs", REGISTERS_TYPEDEF], perf_event: ["bpf_perf_event_data"], raw_tracepoint: RAW, raw_tracepoint_writable: RAW,
  cgroup_device: ["bpf_cgroup_dev_ctx"], cgroup_sysctl: ["bpf_sysctl"], cgroup_sockopt: ["bpf_sockopt"],
  sk_reuseport: ["sk_reuseport_md"], sk_lookup: ["bpf_sk_lookup"], netfilter: ["bpf_nf_ctx"],
};

/** A pointer to `target` is the context by its type alone. */
export function isContextPointer(program: ProgramType, btf: Btf, target: TypeId): boolean {
  if (program === "kprobe" && typedefNames(btf, target).includes(REGISTERS_TYPEDEF)) return true;
  const type = typeAt(btf, skipModifiers(btf, target));
  if (type.kind !== "struct" && type.kind !== "union") return false;
  return NAMES[program]?.includes(type.name) ?? false;
}

/** Names of the typedefs that a type goes through: the first one of them is looked at, qualifiers before it apart. */
function typedefNames(btf: Btf, id: TypeId): readonly string[] {
  let at = id;
  for (let depth = 0; depth < 64; depth++) {
    const type = typeAt(btf, at);
    if (type.kind === "typedef") return [type.name];
    if (type.kind !== "const" && type.kind !== "volatile" && type.kind !== "restrict" && type.kind !== "type_tag")
      break;
    at = type.type;
  }
  return [];
}

/** Types of which the tag `arg:ctx` may be on any pointer. */
const ANYTHING: readonly ProgramType[] = ["tracepoint", "syscall", "ext"];

/** A pointer to `target` may carry the tag `arg:ctx`; else `refuse` is called with why not. */
export function checkContextTag(request: LoadRequest, btf: Btf, target: TypeId, refuse: (what: string) => never): void {
  const { type: program, attach } = request;
  if ((program === "kprobe" || program === "perf_event") && typedefNames(btf, target).includes(REGISTERS_TYPEDEF))
    return;
  const id = skipModifiers(btf, target);
  const type = typeAt(btf, id);
  if (type.kind === "void") return;
  const name = nameOf(btf, id);
  if (name === "") refuse("is a context of a type without a name");
  const struct = type.kind === "struct";
  const word = type.kind === "int" && type.size === 8;
  const has = (...names: readonly string[]): boolean => struct && names.includes(name);
  switch (program) {
    case "kprobe":
    case "perf_event":
      if (has("pt_regs")) return;
      break;
    case "raw_tracepoint":
    case "raw_tracepoint_writable":
    case "lsm":
    case "struct_ops":
      if (word) return;
      break;
    case "tracing":
      if (attach === "trace_raw_tp" && has("bpf_raw_tracepoint_args")) return;
      if (attach === "trace_iter" ? struct && name.startsWith("bpf_iter__") : word) return;
      break;
    default:
      if (ANYTHING.includes(program)) return;
  }
  const expected = NAMES[program]?.[0];
  if (expected === undefined) refuse("is a context and should be a pointer to void");
  if (!has(expected)) refuse(`is a context and should point to struct ${expected}`);
}
