/** All scenarios, by the hook they are about. */
import { CGROUP_SOCK } from "./cgroup-sock.ts";
import type { HookFamily, Scenario } from "./script.ts";
import { PACKETS } from "./packets.ts";
import { SK_MSG } from "./sk-msg.ts";
import { SK_REUSEPORT } from "./sk-reuseport.ts";
import { SK_SKB } from "./sk-skb.ts";
import { SOCK_ADDR } from "./sock-addr.ts";
import { SOCK_OPS_DATA } from "./sock-ops-data.ts";
import { SOCK_OPS } from "./sock-ops.ts";
import { SOCKOPT } from "./sockopt.ts";

export const SCENARIOS: { readonly [hook in HookFamily]: readonly Scenario[] } = {
  sock_addr: SOCK_ADDR,
  cgroup_sock: CGROUP_SOCK,
  sockopt: SOCKOPT,
  sock_ops: [...SOCK_OPS, ...SOCK_OPS_DATA],
  sk_msg: SK_MSG,
  sk_skb: SK_SKB,
  sk_reuseport: SK_REUSEPORT,
  packets: PACKETS,
};
