/** Whether a program may call a helper at all: its type and target, license, privileges, and where it stands. */
import type { AnyHelperName } from "../../kernel/index.ts";
import { HELPER_NAMES, PROGRAM_FLAGS } from "../../kernel/index.ts";
import type { Env } from "../env.ts";
import { reject, unsupported } from "../env.ts";
import { checkReleaseOfCall } from "../release.ts";
import { isGplCompatible } from "../types/index.ts";
import type { Prototype } from "./prototypes.ts";
import { isPermitted, prototypeOf, settleSleep } from "./prototypes.ts";

const KNOWN = "helpers by number";

/** The prototype of a helper that this program may call, whatever the path. Rejects the others. */
export function availablePrototype(env: Env, id: number): Prototype {
  let known = env.notes.get(KNOWN) as Map<number, Prototype> | undefined;
  if (known === undefined) {
    known = new Map();
    env.notes.set(KNOWN, known);
  }
  let prototype = known.get(id);
  if (prototype === undefined) {
    prototype = findPrototype(env, id);
    known.set(id, prototype);
  }
  return prototype;
}

function findPrototype(env: Env, id: number): Prototype {
  const { type, attach, license } = env.request;
  const name = HELPER_NAMES[id];
  const prototype = prototypeOf(id, type, attach);
  if (prototype === null || name === undefined || name === "unspec")
    return reject(env, "unknown_helper", { helper: name ?? `number ${id}` });
  if (type === "ext") return unsupported("helpers in programs that replace a function");
  if (!env.profile.mayCall(name, type, attach) || !targetAllows(env, name)) {
    if (type === "lsm") return unsupported(`helper ${name} in LSM programs`);
    checkReleaseOfCall(env);
    return reject(env, "helper_not_here", { helper: name });
  }
  const { needs } = prototype;
  if (!isPermitted(prototype, env.privileges))
    return reject(env, "helper_for_privileged", {
      helper: name,
      ...(needs === "perfmon" ? { capability: "CAP_PERFMON" } : {}),
    });
  if (prototype.gpl && !isGplCompatible(license)) return reject(env, "helper_needs_gpl", { helper: name });
  return settleSleep(prototype, maySleep(env));
}

function maySleep({ request }: Env): boolean {
  return (request.flags & PROGRAM_FLAGS.sleepable) !== 0;
}

/** Helpers that hang on what the program attaches to, beyond its type. */
function targetAllows(env: Env, name: AnyHelperName): boolean {
  const { type, attach } = env.request;
  switch (name) {
    case "get_retval":
    case "set_retval":
      // Without an attach type the kernel reads 0: packets that come in, which have no other return value.
      return attach !== null;
    case "setsockopt":
    case "getsockopt":
      if (attach === "trace_iter") return ["bpf_iter_tcp", "bpf_iter_unix"].includes(targetName(env));
      // A congestion control that is being retired must not acquire anything new.
      return type !== "struct_ops" || (isCongestionControl(env) && memberName(env) !== "release");
    case "sk_storage_get":
    case "sk_storage_delete":
      // What the helper itself calls must not be traced by its callers.
      if (type === "syscall" || attach === "modify_return") return false;
      if (type === "tracing") return !targetName(env).startsWith("bpf_sk_storage");
      return type !== "struct_ops" || isCongestionControl(env);
    case "tcp_send_ack":
    case "ktime_get_coarse_ns":
      return type !== "struct_ops" || isCongestionControl(env);
    case "d_path":
      return type === "tracing" && (attach === "trace_iter" || PATHS.has(targetName(env)));
    default:
      return true;
  }
}

/** Kernel functions that hold no lock which reading a path takes. */
// prettier-ignore
const PATHS: ReadonlySet<string> = new Set([
  "security_file_permission", "security_inode_getattr", "security_file_open", "security_path_truncate", "vfs_truncate",
  "vfs_fallocate", "dentry_open", "vfs_getattr", "filp_close",
]);

function isCongestionControl(env: Env): boolean {
  return targetName(env) === "tcp_congestion_ops";
}

/** The function, or struct of struct_ops, that the program attaches to. */
function targetName({ request: { kernel, target } }: Env): string {
  const type = target === null ? undefined : kernel?.types[target.type];
  return type !== undefined && "name" in type ? String(type.name) : "";
}

function memberName({ request: { kernel, target } }: Env): string {
  const type = target === null ? undefined : kernel?.types[target.type];
  return type?.kind === "struct" ? (type.members[target?.member ?? -1]?.name ?? "") : "";
}

/** Where the path stands: locks, sections, and whether it may sleep. */
export function checkPlace(env: Env, prototype: Prototype): void {
  const { state } = env;
  const { name } = prototype;
  if (state.activeLocks > 0 && name !== "spin_unlock") reject(env, "call_under_lock", { name });
  if (prototype.sleeps === false) return;
  if (!state.sleepable) reject(env, "helper_may_sleep", { helper: name });
  if (state.rcu > 0) reject(env, "rcu_sleeps", { name });
  if (state.preempt > 0) reject(env, "preempt_sleeps", { name });
  if (state.activeIrq > 0) reject(env, "irq_sleeps", { name });
}
