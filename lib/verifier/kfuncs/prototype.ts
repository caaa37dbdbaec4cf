/**
 * Prototypes of kernel functions: what the kernel's BTF asks of each argument, by its type and by the suffix of its name
 * (`len__sz` is the size of the memory before it, docs.kernel.org/bpf/kfuncs.html). Judged once for a function and kept.
 */
import type { Btf, BtfType, TypeId } from "../../btf/index.ts";
import { sizeOf } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { reject, unsupported } from "../env.ts";
import { isContextPointer } from "../types/context-type.ts";
import { nameOf, skipModifiers, typeAt } from "../types/lookup.ts";
import { KF, flagsOf } from "./flags.ts";

/**
 *   ignored   not looked at           program  the kernel fills it in        number, constant   a number, one that is known
 *   read_size, write_size             a known number: bytes of the result     pointer           see `Pointer`
 */
export type Parameter =
  | {
      readonly kind: "ignored" | "program" | "number" | "constant" | "read_size" | "write_size" | "other";
      readonly name: string;
    }
  | Pointer;

/**
 * By what it is said to point to. `plain`: what it has to be hangs on the register: an object, a callback, memory.
 */
export type Role =
  | "context"
  | "owned"
  | "refcounted"
  | "dynptr"
  | "iterator"
  | "list_head"
  | "list_node"
  | "rb_root"
  | "rb_node"
  | "string"
  | "map"
  | "workqueue"
  | "task_work"
  | "irq_flag"
  | "res_lock"
  | "plain";

export interface Pointer {
  readonly kind: "pointer";
  readonly name: string;
  readonly role: Role;
  /** What it points to, in the kernel's BTF, and its name. */
  readonly type: TypeId;
  readonly typeName: string;
  readonly isStruct: boolean;
  /** Null is fine. */
  readonly nullable: boolean;
  /** dynptr: is made by the call. */
  readonly uninit: boolean;
  /** plain: a function of the program. */
  readonly callback: boolean;
  /** plain: the next argument is the size of the memory; `known`: it has to be a constant. */
  readonly size: "known" | "any" | null;
  /** plain: with a size, no memory at all is fine. */
  readonly optional: boolean;
  /** plain: memory of numbers, of so many bytes; null where the type is no such. */
  readonly bytes: number | null;
}

/** What a function returns, modifiers apart. */
export interface Returns {
  readonly kind: "void" | "number" | "pointer" | "other";
  /** pointer: to that type of the kernel. */
  readonly type: TypeId;
  readonly isStruct: boolean;
  readonly isVoid: boolean;
  readonly typeName: string;
  /** pointer: bytes of a type that is no structure, or null. */
  readonly bytes: number | null;
}

export interface Prototype {
  readonly name: string;
  readonly flags: number;
  readonly btf: Btf;
  readonly params: readonly Parameter[];
  readonly returns: Returns;
}

const known = new WeakMap<Env, Map<TypeId, Prototype>>();

/** The prototype of the kernel's function with a BTF id, which is one (program/ has seen to that). */
export function prototypeOf(env: Env, id: TypeId): Prototype {
  let prototypes = known.get(env);
  if (prototypes === undefined) known.set(env, (prototypes = new Map()));
  let prototype = prototypes.get(id);
  if (prototype === undefined) prototypes.set(id, (prototype = makePrototype(env, id)));
  return prototype;
}

function makePrototype(env: Env, id: TypeId): Prototype {
  const btf = env.request.kernel ?? unsupported("kernel functions without the kernel's types");
  const func = typeAt(btf, id);
  if (func.kind !== "func") return reject(env, "unknown_kfunc", { name: `number ${id}` });
  const proto = typeAt(btf, func.type);
  if (proto.kind !== "func_proto") return reject(env, "kfunc_prototype", { name: func.name });
  const { name } = func;
  const flags = flagsOf(name) ?? unsupported(`kernel function ${name}`);
  const params = proto.params.map((_, index) => parameterOf(env, btf, name, flags, proto, index));
  return { name, flags, btf, params, returns: returnsOf(btf, proto.result) };
}

type Proto = Extract<BtfType, { kind: "func_proto" }>;

function parameterOf(env: Env, btf: Btf, func: string, flags: number, proto: Proto, index: number): Parameter {
  const { name, type: declared } = proto.params[index] as Proto["params"][number];
  if (name.endsWith("__ign")) return { kind: "ignored", name };
  if (name.endsWith("__prog")) return { kind: "program", name };
  const type = typeAt(btf, skipModifiers(btf, declared));
  if (isNumber(type)) {
    if (name.endsWith("__k")) return { kind: "constant", name };
    if (name === "rdonly_buf_size") return { kind: "read_size", name };
    if (name === "rdwr_buf_size") return { kind: "write_size", name };
    return { kind: "number", name };
  }
  if (type.kind !== "ptr") return { kind: "other", name };
  const pointee = skipModifiers(btf, type.type);
  const target = typeAt(btf, pointee);
  const isContext = func === "bpf_cast_to_kern_ctx" || isContextPointer(env.request.type, btf, type.type);
  return {
    kind: "pointer",
    name,
    role: isContext ? "context" : roleOf(btf, pointee, name, index, flags),
    type: pointee,
    typeName: nameOf(btf, pointee),
    isStruct: target.kind === "struct" || target.kind === "union",
    nullable: name.endsWith("__nullable"),
    uninit: name.endsWith("__uninit"),
    callback: target.kind === "func_proto",
    size: sizeBehind(btf, proto, index),
    optional: name.endsWith("__opt"),
    bytes: memoryBytes(btf, pointee),
  };
}

const ROLE_BY_SUFFIX: readonly (readonly [suffix: string, role: Role])[] = [
  ["__alloc", "owned"],
  ["__refcounted_kptr", "refcounted"],
];
const ROLE_BY_TYPE: Readonly<Record<string, Role>> = {
  bpf_dynptr: "dynptr",
  bpf_list_head: "list_head",
  bpf_list_node: "list_node",
  bpf_rb_root: "rb_root",
  bpf_rb_node: "rb_node",
  bpf_wq: "workqueue",
  bpf_task_work: "task_work",
  bpf_res_spin_lock: "res_lock",
};
const LATE_ROLE_BY_SUFFIX: readonly (readonly [suffix: string, role: Role])[] = [
  ["__str", "string"],
  ["__map", "map"],
  ["__irq_flag", "irq_flag"],
];
const ITERATOR = KF.iter_new | KF.iter_next | KF.iter_destroy;

function roleOf(btf: Btf, pointee: TypeId, name: string, index: number, flags: number): Role {
  const bySuffix = (rows: typeof ROLE_BY_SUFFIX): Role | undefined =>
    rows.find(([suffix]) => name.endsWith(suffix))?.[1];
  const early = bySuffix(ROLE_BY_SUFFIX);
  if (early !== undefined) return early;
  const byType = typeAt(btf, pointee).kind === "struct" ? ROLE_BY_TYPE[nameOf(btf, pointee)] : undefined;
  if (byType === "dynptr") return byType;
  // Iterators come first in the functions that make, advance and end them.
  if ((flags & ITERATOR) !== 0 ? index === 0 : name.endsWith("__iter")) return "iterator";
  return byType ?? bySuffix(LATE_ROLE_BY_SUFFIX) ?? "plain";
}

function isNumber(type: BtfType): boolean {
  return type.kind === "int" || type.kind === "enum" || type.kind === "enum64";
}

function sizeBehind(btf: Btf, proto: Proto, index: number): Pointer["size"] {
  const next = proto.params[index + 1];
  if (next === undefined || !isNumber(typeAt(btf, skipModifiers(btf, next.type)))) return null;
  return next.name.endsWith("__szk") ? "known" : next.name.endsWith("__sz") ? "any" : null;
}

/** Bytes of a type that is a number, or a structure of nothing but numbers. */
function memoryBytes(btf: Btf, type: TypeId): number | null {
  return isNumber(typeAt(btf, type)) || isNumberStruct(btf, type, 0) ? sizeOf(btf, type) : null;
}

/** How deep structures of numbers may be nested. */
const MAX_NESTING = 3;

/** A structure of numbers, arrays of numbers and such structures. */
export function isNumberStruct(btf: Btf, id: TypeId, depth: number): boolean {
  const type = typeAt(btf, skipModifiers(btf, id));
  if (type.kind !== "struct" && type.kind !== "union") return false;
  return type.members.every((member) => {
    const of = typeAt(btf, skipModifiers(btf, member.type));
    if (of.kind === "struct" || of.kind === "union")
      return depth < MAX_NESTING && isNumberStruct(btf, member.type, depth + 1);
    if (of.kind !== "array") return isNumber(of);
    return of.count > 0 && isNumber(typeAt(btf, skipModifiers(btf, of.element)));
  });
}

function returnsOf(btf: Btf, result: TypeId): Returns {
  const type = typeAt(btf, skipModifiers(btf, result));
  const none = { type: 0, isStruct: false, isVoid: false, typeName: "", bytes: null };
  if (type.kind === "void") return { kind: "void", ...none };
  if (isNumber(type)) return { kind: "number", ...none };
  if (type.kind !== "ptr") return { kind: "other", ...none };
  const pointee = skipModifiers(btf, type.type);
  const target = typeAt(btf, pointee);
  const isStruct = target.kind === "struct" || target.kind === "union";
  const isVoid = target.kind === "void";
  return {
    kind: "pointer",
    type: pointee,
    isStruct,
    isVoid,
    typeName: nameOf(btf, pointee),
    bytes: isStruct || isVoid ? null : sizeOf(btf, pointee),
  };
}
