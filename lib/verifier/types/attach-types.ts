/** Which attach types a program type may be loaded with, and what it is loaded as when none is said. */
import type { AttachType, ProgramType } from "../../kernel/index.ts";
import type { LoadRequest } from "../request.ts";

const NONE: readonly AttachType[] = [];

/** Program types that are particular about it; all others may be loaded with any. */
// prettier-ignore
export const ATTACH_TYPES_OF: { readonly [type in ProgramType]?: readonly AttachType[] } = {
  cgroup_sock: ["cgroup_inet_sock_create", "cgroup_inet_sock_release", "cgroup_inet4_post_bind", "cgroup_inet6_post_bind"],
  cgroup_sock_addr: [
    "cgroup_inet4_bind", "cgroup_inet6_bind", "cgroup_inet4_connect", "cgroup_inet6_connect", "cgroup_inet4_getpeername",
    "cgroup_inet6_getpeername", "cgroup_inet4_getsockname", "cgroup_inet6_getsockname", "cgroup_udp4_sendmsg",
    "cgroup_udp6_sendmsg", "cgroup_udp4_recvmsg", "cgroup_udp6_recvmsg", "cgroup_unix_connect", "cgroup_unix_sendmsg",
    "cgroup_unix_recvmsg", "cgroup_unix_getpeername", "cgroup_unix_getsockname",
  ],
  cgroup_skb: ["cgroup_inet_ingress", "cgroup_inet_egress"],
  cgroup_sockopt: ["cgroup_getsockopt", "cgroup_setsockopt"],
  sk_lookup: ["sk_lookup"],
  sk_reuseport: ["sk_reuseport_select", "sk_reuseport_select_or_migrate"],
  netfilter: ["netfilter"],
  syscall: NONE,
  ext: NONE,
};

/** What number 0, which is also "none", stands for. */
const ZERO: AttachType = "cgroup_inet_ingress";
const DEFAULTS: { readonly [type in ProgramType]?: AttachType } = {
  cgroup_skb: ZERO,
  cgroup_sock: "cgroup_inet_sock_create",
  sk_reuseport: "sk_reuseport_select",
};

/** The attach type that the kernel takes the program as; null for none. */
export function attachOf({ type, attach }: Pick<LoadRequest, "type" | "attach">): AttachType | null {
  return attach === null || attach === ZERO ? (DEFAULTS[type] ?? null) : attach;
}
