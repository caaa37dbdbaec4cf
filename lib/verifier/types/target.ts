/**
 * What a program with a target is called with: the prototype of the function, tracepoint, iterator, LSM hook or member of a
 * struct_ops that it attaches to, and what is known of its arguments beside their types.
 */
import type { Btf, BtfType, Param, TypeId } from "../../btf/index.ts";
import { ERROR_ARGUMENTS, ITERATORS, NULLABLE_ARGUMENTS } from "../../kernel/index.ts";
import type { AttachType, IteratorArgument } from "../../kernel/index.ts";
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { Rejection } from "../outcome.ts";
import { findType, nameOf, skipModifiers, typeAt } from "./lookup.ts";

/** Prefixes of the types' names that stand for targets. */
export const PREFIX = { trace_raw_tp: "btf_trace_", trace_iter: "bpf_iter_", lsm: "bpf_lsm_" } as const;

export interface Target {
  /** Of the function, tracepoint, iterator, hook or member. */
  readonly name: string;
  readonly btf: Btf;
  readonly params: readonly Param[];
  /** Void is 0. */
  readonly result: TypeId;
  /** Words in front of the first argument in the order of the arguments' sizes: a tracepoint's own data. */
  readonly hidden: readonly TypeId[];
  /** Pointers to structures can be passed on where nothing else is said. */
  readonly trusted: boolean;
  /** What is known of the argument with an index; null: what its type says. */
  knownOf(index: number): ArgumentFact | null;
  /** Whether the context behind the arguments holds the result: for programs that run after, or in place of, the function. */
  readonly showsResult: boolean;
}

/** An iterator's, a tracepoint's argument that may be null, or may hold an error's number. */
export type ArgumentFact = IteratorArgument | "nullable" | "error";

const targets = new WeakMap<Env, Target>();

/** The target of the program being verified. Throws a Rejection where there is none that its type could have. */
export function targetOf(env: Env): Target {
  let target = targets.get(env);
  if (target === undefined) targets.set(env, (target = findTarget(env)));
  return target;
}

function refuse(what: string): never {
  throw new Rejection("attach_target", null, { what });
}

function findTarget(env: Env): Target {
  const { request } = env;
  const { type, attach, target, kernel } = request;
  if (kernel === null) unsupported("attach targets without the kernel's types");
  // Which member a program is for is in the object's data, not in its section's name.
  if (target === null && type === "struct_ops") unsupported("struct_ops without a member");
  if (target === null) refuse("it names none, or none that this kernel has");
  if (type === "struct_ops") return memberTarget(kernel, target.type, target.member);
  const of = kernel.types[target.type];
  if (of === undefined) refuse(`type ${target.type} of the kernel is not there`);
  switch (attach) {
    case "trace_raw_tp":
      return tracepointTarget(kernel, of);
    case "trace_iter":
      return iteratorTarget(kernel, of);
    case "trace_fentry":
    case "trace_fexit":
    case "modify_return":
    case "lsm_mac":
    case "lsm_cgroup":
      return functionTarget(kernel, of, attach);
    default:
      return refuse(`programs of type ${type} do not attach to functions like this`);
  }
}

type Proto = Extract<BtfType, { kind: "func_proto" }>;

/** The prototype of a function's type. */
function protoOf(btf: Btf, of: BtfType): { readonly name: string; readonly proto: Proto } {
  if (of.kind !== "func") refuse(`a ${of.kind} is no function`);
  const proto = typeAt(btf, of.type);
  if (proto.kind !== "func_proto") refuse(`${of.name} has no prototype`);
  return { name: of.name, proto };
}

const NOTHING_KNOWN = (): null => null;

function functionTarget(btf: Btf, of: BtfType, attach: AttachType): Target {
  const { name, proto } = protoOf(btf, of);
  return {
    name,
    btf,
    params: proto.params,
    result: skipModifiers(btf, proto.result),
    hidden: [],
    trusted: attach.startsWith("lsm_") && !UNTRUSTED_HOOKS.has(name),
    knownOf: nullableBySuffix(proto.params),
    showsResult: attach !== "trace_fentry",
  };
}

/** Hooks that see objects in the making or on their way out. */
// prettier-ignore
const UNTRUSTED_HOOKS: ReadonlySet<string> = new Set([
  "bpf_lsm_bpf_map_free", "bpf_lsm_bpf_prog_free", "bpf_lsm_file_alloc_security", "bpf_lsm_file_free_security",
  "bpf_lsm_sk_alloc_security", "bpf_lsm_sk_free_security", "bpf_lsm_task_free",
]);

/** The kernel says by a parameter's name that it may be null. */
function nullableBySuffix(params: readonly Param[]): Target["knownOf"] {
  if (!params.some(isNullable)) return NOTHING_KNOWN;
  return (index) => (params[index] !== undefined && isNullable(params[index]) ? "nullable" : null);
}

function isNullable({ name }: Param): boolean {
  return name.endsWith("__nullable");
}

function tracepointTarget(btf: Btf, of: BtfType): Target {
  if (of.kind !== "typedef" || !of.name.startsWith(PREFIX.trace_raw_tp)) refuse("it is no tracepoint");
  const name = of.name.slice(PREFIX.trace_raw_tp.length);
  const pointer = typeAt(btf, of.type);
  const typed = pointer.kind === "ptr" ? typeAt(btf, pointer.type) : null;
  if (typed?.kind !== "func_proto") refuse(`the tracepoint ${name} has no prototype`);
  // The typedef's parameters have no names; the function that runs the programs has.
  const runner = findType(btf, "func", `__bpf_trace_${name}`) ?? findType(btf, "func", `__traceiter_${name}`);
  const proto = runner === null ? typed : protoOf(btf, typeAt(btf, runner)).proto;
  const [data, ...params] = proto.params;
  const bySuffix = nullableBySuffix(params);
  return {
    name,
    btf,
    params,
    result: 0,
    hidden: data === undefined ? [] : [data.type],
    trusted: true,
    knownOf(index) {
      if (ERROR_ARGUMENTS[name]?.includes(index) === true) return "error";
      return NULLABLE_ARGUMENTS[name]?.includes(index) === true ? "nullable" : bySuffix(index);
    },
    showsResult: false,
  };
}

function iteratorTarget(btf: Btf, of: BtfType): Target {
  const { name, proto } = protoOf(btf, of);
  if (!name.startsWith(PREFIX.trace_iter)) refuse(`${name} is no iterator`);
  const target = name.slice(PREFIX.trace_iter.length);
  const known = ITERATORS[target];
  if (known === undefined) {
    // A function that happens to be called so has no structure for its programs' context.
    if (findType(btf, "struct", `bpf_iter__${target}`) === null) refuse(`${name} is no iterator`);
    unsupported(`iterator ${target}`);
  }
  return {
    name,
    btf,
    params: proto.params,
    result: 0,
    hidden: [],
    trusted: true,
    knownOf: (index) => known[proto.params[index]?.name ?? ""] ?? null,
    showsResult: false,
  };
}

function memberTarget(btf: Btf, struct: TypeId, member: number | null): Target {
  const type = typeAt(btf, struct);
  const name = nameOf(btf, struct);
  if (type.kind !== "struct" || findType(btf, "struct", `bpf_struct_ops_${name}`) === null) {
    refuse(`programs cannot implement struct ${name}`);
  }
  const of = member === null ? undefined : type.members[member];
  const pointer = of === undefined ? null : typeAt(btf, skipModifiers(btf, of.type));
  const proto = pointer?.kind === "ptr" ? typeAt(btf, skipModifiers(btf, pointer.type)) : null;
  if (of === undefined || proto?.kind !== "func_proto") {
    throw new Rejection("attach_member", null, {
      what: `${of?.name ?? `member ${member}`} of struct ${name} is no function`,
    });
  }
  // What the kernel calls where no program is: its parameters' names say which may be null, and which come with a reference.
  const stub = findType(btf, "func", `${name}__${of.name}`);
  const named = stub === null ? proto.params : protoOf(btf, typeAt(btf, stub)).proto.params;
  if (named.some((param) => param.name.endsWith("__ref"))) unsupported("struct_ops arguments with a reference");
  return {
    name: of.name,
    btf,
    params: proto.params,
    result: skipModifiers(btf, proto.result),
    hidden: [],
    trusted: true,
    knownOf: nullableBySuffix(named),
    showsResult: false,
  };
}
