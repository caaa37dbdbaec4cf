/** All scenarios, by the hook they are about. */
import type { HookFamily, Scenario } from "./script.ts";
import { SOCK_ADDR } from "./sock-addr.ts";

export const SCENARIOS: { readonly [hook in HookFamily]: readonly Scenario[] } = {
  sock_addr: SOCK_ADDR,
  cgroup_sock: [],
  sockopt: [],
  sock_ops: [],
  sk_msg: [],
  sk_skb: [],
  sk_reuseport: [],
};
