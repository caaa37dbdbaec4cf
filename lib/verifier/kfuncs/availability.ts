/** Who may call which kernel function, and where on the path. */
import type { Env } from "../env.ts";
import { reject, unsupported } from "../env.ts";
import { checkReleaseOfCall } from "../release.ts";
import { isGplCompatible } from "../types/index.ts";
import { KF } from "./flags.ts";
import type { Prototype } from "./prototype.ts";

/** Functions that may be called while a lock is held. */
const UNDER_LOCK =
  /^bpf_(list_(push|pop)_(front|back)|list_(front|back)|rbtree_(add|remove|first|root|left|right)|refcount_acquire|iter_num_(new|next|destroy)|res_spin_(lock|unlock))/;
/** Congestion control: for struct_ops only. */
const TCP = /^(tcp_|cubictcp_|dctcp_|bbr_)/;
const FILES = /^bpf_(get_task_exe_file|put_file|path_d_path|(get|set|remove)_(dentry|file)_xattr)$/;
const SYSCALL_ONLY = /^bpf_crypto_ctx_/;
/** Of the kernel's own tests. */
const TESTS = /^bpf_kfunc_call_(test|memb)_release$/;

/** Before anything else of the call: what the kernel looks at while a lock is held, then who calls. */
export function checkAvailable(env: Env, { name, flags }: Prototype): void {
  const { state, request } = env;
  if (state.activeLocks > 0 && !UNDER_LOCK.test(name)) reject(env, "call_under_lock");
  if (!isGplCompatible(request.license)) reject(env, "kfunc_needs_gpl");
  if (name === "bpf_arena_alloc_pages" || name === "bpf_arena_free_pages" || name === "bpf_arena_reserve_pages")
    unsupported("arena");
  if (name.startsWith("bpf_xdp_metadata_")) reject(env, "device_bound");
  if (!mayCall(env, name)) {
    checkReleaseOfCall(env);
    reject(env, "kfunc_not_here", { name });
  }
  if ((flags & KF.sleepable) !== 0 && !state.sleepable) reject(env, "kfunc_may_sleep", { name });
}

/** Types with a target are not in the profiles' tables: they may call what another type of the same hooks may. */
function mayCall(env: Env, name: string): boolean {
  const { profile, request } = env;
  const { type, attach } = request;
  if (TESTS.test(name))
    return type === "sched_cls" || type === "syscall" || type === "tracing" || type === "tracepoint";
  if (name === "bpf_modify_return_test_tp") return true;
  switch (type) {
    case "lsm":
      return FILES.test(name) || profile.mayCallKernel(name, "tracepoint");
    case "tracing":
      if (name === "bpf_sock_destroy") return attach === "trace_iter";
      return profile.mayCallKernel(name, "tracepoint");
    case "struct_ops":
      if (TCP.test(name)) return true;
      return (
        profile.mayCallKernel(name, "syscall") && profile.mayCallKernel(name, "tracepoint") && !SYSCALL_ONLY.test(name)
      );
    case "kprobe":
      if (name === "bpf_session_is_return" || name === "bpf_session_cookie")
        return attach === "trace_kprobe_session" || attach === "trace_uprobe_session";
      return profile.mayCallKernel(name, type);
    default:
      return profile.mayCallKernel(name, type);
  }
}
