/** What programs may return. */
import type { AttachType, ProgramType } from "../../kernel/index.ts";
import type { Env } from "../env.ts";
import type { Frame } from "../state/index.ts";
import { attachOf } from "./attach-types.ts";
import { typeAt } from "./lookup.ts";
import { lsmResult } from "./lsm.ts";
import { targetOf } from "./target.ts";

export interface ReturnRange {
  readonly min: number;
  readonly max: number;
  readonly width: 32 | 64;
}

const range = (min: number, max: number, width: 32 | 64 = 64): ReturnRange => ({ min, max, width });
const YES_OR_NO = range(0, 1);
const ZERO = range(0, 0);
const ONE = range(1, 1);
/** The second bit asks for more than yes or no: congestion, or a bind without the capability. */
const TWO_BITS = range(0, 3);

interface Row {
  readonly type: ProgramType;
  /** Null: all that no row before names. */
  readonly attach: readonly AttachType[] | null;
  /** Null: everything goes. */
  readonly range: ReturnRange | null;
}

// prettier-ignore
const ONLY_YES = [
  "cgroup_udp4_recvmsg", "cgroup_udp6_recvmsg", "cgroup_inet4_getpeername", "cgroup_inet6_getpeername", "cgroup_inet4_getsockname",
  "cgroup_inet6_getsockname", "cgroup_unix_recvmsg", "cgroup_unix_getpeername", "cgroup_unix_getsockname",
] as const;

// prettier-ignore
const ROWS: readonly Row[] = [
  { type: "cgroup_sock_addr", attach: ONLY_YES,                                   range: ONE },
  { type: "cgroup_sock_addr", attach: ["cgroup_inet4_bind", "cgroup_inet6_bind"], range: TWO_BITS },
  { type: "cgroup_sock_addr", attach: null,                                       range: YES_OR_NO },
  { type: "cgroup_skb",       attach: ["cgroup_inet_egress"],                     range: TWO_BITS },
  { type: "cgroup_skb",       attach: null,                                       range: YES_OR_NO },
  { type: "cgroup_sock",      attach: null,                                       range: YES_OR_NO },
  { type: "sock_ops",         attach: null,                                       range: YES_OR_NO },
  { type: "cgroup_device",    attach: null,                                       range: YES_OR_NO },
  { type: "cgroup_sysctl",    attach: null,                                       range: YES_OR_NO },
  { type: "cgroup_sockopt",   attach: null,                                       range: YES_OR_NO },
  { type: "sk_lookup",        attach: null,                                       range: YES_OR_NO },
  { type: "netfilter",        attach: null,                                       range: YES_OR_NO },
  { type: "kprobe",           attach: ["trace_kprobe_session", "trace_uprobe_session"], range: YES_OR_NO },
  { type: "tracing",          attach: ["trace_fentry", "trace_fexit"],            range: ZERO },
  { type: "tracing",          attach: ["trace_iter"],                             range: YES_OR_NO },
];

/**
 * What the program (or the callback that is a root of its own) may return: a range; null where every number goes; "void"
 * where nobody looks, and r0 need not have a value.
 */
export function returnRangeOf(env: Env): ReturnRange | "void" | null {
  const root = env.state.frames[0] as Frame;
  if (root.async) {
    const returns = root.callback?.returns;
    return returns === undefined ? ZERO : range(returns[0], returns[1]);
  }
  const { type } = env.request;
  const attach = attachOf(env.request);
  if (type === "lsm" || type === "struct_ops") return byTarget(env, attach);
  const row = ROWS.find(
    (r) => r.type === type && (r.attach === null || (attach !== null && r.attach.includes(attach))),
  );
  if (row === undefined) return null;
  if (type === "cgroup_sock_addr" && row.range === TWO_BITS && !env.profile.has("bind_without_capability"))
    return YES_OR_NO;
  return row.range;
}

function byTarget(env: Env, attach: AttachType | null): ReturnRange | "void" | null {
  const target = targetOf(env);
  if (attach === "lsm_cgroup") return target.result === 0 ? ONE : YES_OR_NO;
  if (target.result === 0) return "void";
  if (env.request.type === "struct_ops") return typeAt(target.btf, target.result).kind === "ptr" ? ZERO : null;
  const result = lsmResult(attach, target);
  return result === null ? null : range(result.min, result.max, 32);
}
