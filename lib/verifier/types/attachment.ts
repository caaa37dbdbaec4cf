/**
 * Whether a program may be loaded as what it says it is: type, attach type, flags, target, and the records of its functions
 * and lines. The walk comes after.
 */
import { PROGRAM_FLAGS } from "../../kernel/index.ts";
import type { ProgramType } from "../../kernel/index.ts";
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { Rejection } from "../outcome.ts";
import type { Facts } from "../outcome.ts";
import type { RuleName } from "../profiles/rules.ts";
import type { ReasonCode } from "../reasons/index.ts";
import { ATTACH_TYPES_OF, attachOf } from "./attach-types.ts";
import { checkFunctions, checkLines } from "./debug-info.ts";
import { recordOf } from "./fields.ts";
import { checkVariables } from "./kernel-variable.ts";
import { isGplCompatible } from "./license.ts";
import { nameOf, typeAt } from "./lookup.ts";
import { DISABLED_HOOKS } from "./lsm.ts";
import { PREFIX, targetOf } from "./target.ts";
import { resolveSize } from "./walk.ts";

const TRACING: ReadonlySet<ProgramType> = new Set<ProgramType>([
  "kprobe",
  "tracepoint",
  "perf_event",
  "raw_tracepoint",
  "raw_tracepoint_writable",
  "tracing",
  "lsm",
  "struct_ops",
  "ext",
]);
const UNPRIVILEGED: ReadonlySet<ProgramType> = new Set<ProgramType>(["socket_filter", "cgroup_skb"]);
const TARGETED: ReadonlySet<ProgramType> = new Set<ProgramType>(["tracing", "lsm", "struct_ops", "ext"]);

/** Flags of BPF_PROG_LOAD that all kernels know, and those that came later. Source: include/uapi/linux/bpf.h. */
const FIRST_FLAGS = 0x1f;
const LATER_FLAGS: readonly (readonly [flag: number, rule: RuleName])[] = [
  [1 << 5, "fragments_flag"],
  [1 << 6, "device_flag"],
  [1 << 7, "invariants_flag"],
];

function refuse(reason: ReasonCode, facts: Facts): never {
  throw new Rejection(reason, null, facts);
}

/** The attach target and program type fit together; types of functions and lines are in order. Before the walk. */
export function checkAttachment(env: Env): void {
  checkType(env);
  checkStructures(env);
  checkFunctions(env);
  checkLines(env);
  checkVariables(env);
  checkSleepable(env);
  const { type } = env.request;
  if (type === "ext") unsupported("extension of another program");
  if (type === "lirc_mode2" || type === "unspec") unsupported(`program type ${type}`);
  if (type === "struct_ops") checkMember(env);
  else if (TARGETED.has(type)) checkTarget(env);
}

function checkType({ request, privileges, profile }: Env): void {
  const { type, attach, target, flags } = request;
  const known = LATER_FLAGS.reduce((all, [flag, rule]) => (profile.has(rule) ? all | flag : all), FIRST_FLAGS);
  const unknown = (flags & ~known) >>> 0;
  if (unknown !== 0) refuse("program_type", { what: `the load flags ${unknown.toString(16)} (hex) mean nothing` });
  const effective = attachOf(request);
  if (!profile.hasProgramType(type, effective))
    refuse("program_type", { what: `${profile.name} has no type ${type} for it` });
  if (!privileges.bpf && !UNPRIVILEGED.has(type)) refuse("program_type", { what: `${type} needs CAP_BPF` });
  if (!privileges.perfmon && TRACING.has(type)) refuse("program_type", { what: `${type} needs CAP_PERFMON` });
  if (target !== null && !TARGETED.has(type)) refuse("program_type", { what: `${type} has no target` });
  const allowed = ATTACH_TYPES_OF[type];
  if (allowed === undefined) return;
  const fits = allowed.length === 0 ? effective === null : effective !== null && allowed.includes(effective);
  if (!fits) refuse("program_type", { what: `${type} cannot be for ${attach ?? "nothing"}` });
}

/** The kernel takes a program's types only where all structures with special fields make sense. */
function checkStructures({ request: { btf, kernel } }: Env): void {
  btf?.types.forEach((type, id) => {
    if (type.kind === "struct") recordOf(btf, id, kernel);
  });
}

/** Program types, and attach types of tracing, that may sleep, with the rule of kernels that let them. */
const MAY_SLEEP: Readonly<{ [key: string]: RuleName | null }> = {
  kprobe: "sleepable_uprobes",
  struct_ops: "sleepable_struct_ops",
  trace_fentry: null,
  trace_fexit: null,
  modify_return: null,
  trace_iter: null,
  lsm_mac: null,
};

function checkSleepable({ request, profile }: Env): void {
  const { type, attach, flags } = request;
  const sleeps = (flags & PROGRAM_FLAGS.sleepable) !== 0;
  if (type === "syscall") {
    if (!sleeps) refuse("attach_sleepable", { what: "a syscall program is one that sleeps" });
    return;
  }
  const key = type === "tracing" || type === "lsm" ? (attach ?? "") : type;
  if (!sleeps) return;
  const since = MAY_SLEEP[key];
  if (since === undefined || (since !== null && !profile.has(since)))
    refuse("attach_sleepable", { what: `${type} programs cannot` });
}

/** Structures that programs can implement, and the members of them that they cannot, or that may sleep. */
// prettier-ignore
const STRUCT_OPS: Readonly<{ [struct: string]: { readonly without: readonly string[]; readonly sleepable: readonly string[] | "all" } }> = {
  tcp_congestion_ops: { without: ["get_info"], sleepable: "all" },
  bpf_dummy_ops:      { without: [],           sleepable: ["test_sleepable"] },
};

function checkMember(env: Env): void {
  const { request } = env;
  if (!isGplCompatible(request.license)) refuse("object_needs_gpl", { name: "struct_ops" });
  const { name, btf } = targetOf(env);
  const struct = nameOf(btf, request.target?.type ?? 0);
  const rules = STRUCT_OPS[struct];
  if (rules === undefined) unsupported(`struct_ops ${struct}`);
  if (rules.without.includes(name))
    refuse("attach_member", { what: `${name} of struct ${struct} is not for programs` });
  const sleeps = (request.flags & PROGRAM_FLAGS.sleepable) !== 0;
  if (sleeps && rules.sleepable !== "all" && !rules.sleepable.includes(name)) {
    refuse("attach_member", { what: `${name} of struct ${struct} cannot sleep` });
  }
}

/** Functions that never return, so that nothing runs behind them. */
// prettier-ignore
const ENDLESS: ReadonlySet<string> = new Set([
  "__ia32_sys_exit", "__ia32_sys_exit_group", "__kunit_abort", "kunit_try_catch_throw", "__module_put_and_kthread_exit",
  "__x64_sys_exit", "__x64_sys_exit_group", "do_exit", "do_group_exit", "kthread_complete_and_exit", "kthread_exit", "make_task_dead",
]);
/** Functions that running a program itself calls. */
// prettier-ignore
const INNER: ReadonlySet<string> = new Set([
  "migrate_disable", "migrate_enable", "rcu_read_unlock_strict", "preempt_count_add", "preempt_count_sub", "__rcu_read_lock",
  "__rcu_read_unlock",
]);
const MAX_ARGUMENTS = 12;

function checkTarget(env: Env): void {
  const { request } = env;
  const { attach, type } = request;
  const { name, params, result, btf } = targetOf(env);
  if (attach === "trace_raw_tp" || attach === "trace_iter") return;
  const sleeps = (request.flags & PROGRAM_FLAGS.sleepable) !== 0;
  if (params.length > MAX_ARGUMENTS)
    refuse("attach_target", { what: `${name} has more than ${MAX_ARGUMENTS} arguments` });
  if (type === "lsm") {
    if (!isGplCompatible(request.license)) refuse("object_needs_gpl", { name });
    if (DISABLED_HOOKS.has(name)) refuse("attach_target", { what: `${name} is not for programs` });
    if (!name.startsWith(PREFIX.lsm)) refuse("attach_target", { what: `${name} is no LSM hook` });
    if (sleeps) unsupported("LSM hooks that sleep");
    return;
  }
  if (INNER.has(name)) refuse("attach_target", { what: `${name} cannot be traced` });
  if (attach !== "trace_fentry") {
    if (ENDLESS.has(name)) refuse("attach_target", { what: `${name} never returns` });
    const size = typeAt(btf, result).kind === "void" ? 0 : (resolveSize(btf, result)?.size ?? 0);
    if (size > 8) refuse("attach_target", { what: `the result of ${name} has more than 8 bytes` });
  }
  // Which functions may be made to fail is in no type information.
  if (sleeps || (attach === "modify_return" && !name.startsWith("security_"))) {
    unsupported("targets that depend on the kernel's list of functions that may fail");
  }
}
