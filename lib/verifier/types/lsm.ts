/** LSM hooks: what they may return. Source: kernel/bpf/bpf_lsm.c of Linux 6.18, by its meaning. */
import type { AttachType } from "../../kernel/index.ts";
import type { Target } from "./target.ts";

/** Hooks whose result is yes or no; those of all others is 0 or a negative error's number. */
// prettier-ignore
const YES_OR_NO: ReadonlySet<string> = new Set([
  "bpf_lsm_xfrm_state_pol_flow_match", "bpf_lsm_audit_rule_known", "bpf_lsm_inode_xattr_skipcap",
]);
/** Hooks that programs may not attach to. */
// prettier-ignore
export const DISABLED_HOOKS: ReadonlySet<string> = new Set([
  "bpf_lsm_vm_enough_memory", "bpf_lsm_inode_need_killpriv", "bpf_lsm_inode_getsecurity", "bpf_lsm_inode_listsecurity",
  "bpf_lsm_inode_copy_up_xattr", "bpf_lsm_getselfattr", "bpf_lsm_getprocattr", "bpf_lsm_setprocattr",
  "bpf_lsm_key_getsecurity", "bpf_lsm_audit_rule_match", "bpf_lsm_xfrm_decode_session", "bpf_lsm_ismaclabel",
]);
/** MAX_ERRNO. */
const MAX_ERROR = 4095;

/** What a hook that a program is attached to system-wide may return; null for other targets, and hooks without a result. */
export function lsmResult(attach: AttachType | null, { name, result }: Target): { min: number; max: number } | null {
  if (attach !== "lsm_mac" || result === 0) return null;
  return YES_OR_NO.has(name) ? { min: 0, max: 1 } : { min: -MAX_ERROR, max: 0 };
}
