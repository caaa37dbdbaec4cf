/**
 * What a program's return value means at its hook, by the kernel's own names.
 * Source: include/uapi/linux/bpf.h (enum xdp_action, tcx_action_base, sk_action) and pkt_cls.h (TC_ACT_*), Linux 6.18.
 */
import type { AttachType, ProgramType } from "../lib/kernel/index.ts";

type Names = Readonly<Record<number, string>>;

const ALLOW: Names = { 0: "deny", 1: "allow" };
const SK: Names = { 0: "SK_DROP", 1: "SK_PASS" };

// prettier-ignore
const NAMES: Partial<Record<ProgramType, Names>> = {
  xdp:              { 0: "XDP_ABORTED", 1: "XDP_DROP", 2: "XDP_PASS", 3: "XDP_TX", 4: "XDP_REDIRECT" },
  sched_cls:        { [-1]: "TC_ACT_UNSPEC", 0: "TC_ACT_OK", 1: "TC_ACT_RECLASSIFY", 2: "TC_ACT_SHOT", 3: "TC_ACT_PIPE", 4: "TC_ACT_STOLEN",
                      5: "TC_ACT_QUEUED", 6: "TC_ACT_REPEAT", 7: "TC_ACT_REDIRECT", 8: "TC_ACT_TRAP" },
  cgroup_skb:       ALLOW,
  cgroup_sock:      ALLOW,
  cgroup_sock_addr: ALLOW,
  sk_skb:           SK,
  sk_msg:           SK,
  sk_lookup:        SK,
};

const TCX: Names = { [-1]: "TCX_NEXT", 0: "TCX_PASS", 2: "TCX_DROP", 7: "TCX_REDIRECT" };

/** The name of a return value (its low 32 bits, signed), or null where the hook has none for it. */
export function nameVerdict(type: ProgramType, attach: AttachType | null, value: number | bigint): string | null {
  const code = Number(BigInt.asIntN(32, BigInt(value)));
  const names = attach === "tcx_ingress" || attach === "tcx_egress" ? TCX : NAMES[type];
  return names?.[code] ?? null;
}
