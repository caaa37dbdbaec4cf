/**
 * What a program's return value means at its hook, by the kernel's own names.
 * Source: include/uapi/linux/bpf.h (enum xdp_action, tcx_action_base, sk_action) and pkt_cls.h (TC_ACT_*), Linux 6.18.
 */
import type { AttachType, ProgramType } from "./program-types.ts";

/**
 *   pass        the packet, call or message goes on its way (TCX_NEXT, TC_ACT_UNSPEC: the next program may say otherwise)
 *   drop        it does not; also a call that is refused
 *   redirect    it goes where a helper said
 *   transmit    out of the interface that it came in by
 *   other       something of the hook's own
 */
export type VerdictMeaning = "pass" | "drop" | "redirect" | "transmit" | "other";

export interface Verdict {
  readonly name: string;
  readonly meaning: VerdictMeaning;
}
type Verdicts = Readonly<Record<number, Verdict>>;

const row = (name: string, meaning: VerdictMeaning): Verdict => ({ name, meaning });

// prettier-ignore
const XDP: Verdicts = {
  0: row("XDP_ABORTED", "drop"), 1: row("XDP_DROP", "drop"), 2: row("XDP_PASS", "pass"), 3: row("XDP_TX", "transmit"),
  4: row("XDP_REDIRECT", "redirect"),
};
// prettier-ignore
const TC: Verdicts = {
  [-1]: row("TC_ACT_UNSPEC", "pass"), 0: row("TC_ACT_OK", "pass"), 1: row("TC_ACT_RECLASSIFY", "other"), 2: row("TC_ACT_SHOT", "drop"),
  3: row("TC_ACT_PIPE", "other"), 4: row("TC_ACT_STOLEN", "other"), 5: row("TC_ACT_QUEUED", "other"), 6: row("TC_ACT_REPEAT", "other"),
  7: row("TC_ACT_REDIRECT", "redirect"), 8: row("TC_ACT_TRAP", "other"),
};
// prettier-ignore
const TCX: Verdicts = {
  [-1]: row("TCX_NEXT", "pass"), 0: row("TCX_PASS", "pass"), 2: row("TCX_DROP", "drop"), 7: row("TCX_REDIRECT", "redirect"),
};
const ALLOW: Verdicts = { 0: row("deny", "drop"), 1: row("allow", "pass") };
const SK: Verdicts = { 0: row("SK_DROP", "drop"), 1: row("SK_PASS", "pass") };

const VERDICTS: Partial<Record<ProgramType, Verdicts>> = {
  xdp: XDP,
  sched_cls: TC,
  cgroup_skb: ALLOW,
  cgroup_sock: ALLOW,
  cgroup_sock_addr: ALLOW,
  sk_skb: SK,
  sk_msg: SK,
  sk_lookup: SK,
};

/** The verdicts of a hook by return value (the low 32 bits, signed); empty where the hook has none. */
export function verdictsOf(type: ProgramType, attach: AttachType | null): Verdicts {
  if (attach === "tcx_ingress" || attach === "tcx_egress") return TCX;
  return VERDICTS[type] ?? {};
}

/** What a return value says, or null where the hook has no name for it. */
export function verdictOf(type: ProgramType, attach: AttachType | null, value: number | bigint): Verdict | null {
  return verdictsOf(type, attach)[Number(BigInt.asIntN(32, BigInt(value)))] ?? null;
}
