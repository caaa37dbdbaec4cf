/**
 * Prototypes of functions that are verified by themselves: what each argument is, as the BTF and its tags (`arg:ctx`,
 * `arg:nonnull` ...) say. The caller is checked against it, the callee starts from it.
 */
import type { Btf, TypeId } from "../../btf/index.ts";
import { reject, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import type { RuleName } from "../profiles/rules.ts";
import { isContextPointer, checkContextTag } from "./context-type.ts";
import { findCandidates, nameOf, skipModifiers, tagsOn, typeAt } from "./lookup.ts";
import { resolveSize } from "./walk.ts";

export type Argument =
  | { readonly kind: "scalar" }
  | { readonly kind: "ctx" }
  /** Memory that the function may read and write. */
  | { readonly kind: "mem"; readonly size: number; readonly nullable: boolean }
  /** Memory of which nothing is known; reads of it that fault give zero. */
  | { readonly kind: "untrusted_mem" }
  /** An object of the kernel. */
  | { readonly kind: "object"; readonly type: TypeId; readonly trusted: boolean; readonly nullable: boolean }
  | { readonly kind: "dynptr" }
  | { readonly kind: "arena" };

const MAX_ARGUMENTS = 5;
const TAGS = ["ctx", "trusted", "untrusted", "nonnull", "nullable", "arena"] as const;
type Tag = (typeof TAGS)[number];
// prettier-ignore
const TAG_RULES: { readonly [tag in Tag]: RuleName } = {
  ctx: "argument_tags", nonnull: "argument_tags", trusted: "trusted_arguments", nullable: "trusted_arguments",
  arena: "trusted_arguments", untrusted: "untrusted_arguments",
};

/** Prototypes by subprogram. */
const known = new WeakMap<Env, Map<number, readonly Argument[]>>();

/** The arguments of a global function. Rejects prototypes that cannot be checked. */
export function prototypeOf(env: Env, subprogram: number): readonly Argument[] {
  let prototypes = known.get(env);
  if (prototypes === undefined) known.set(env, (prototypes = new Map()));
  let prototype = prototypes.get(subprogram);
  if (prototype === undefined) prototypes.set(subprogram, (prototype = readPrototype(env, subprogram)));
  return prototype;
}

function readPrototype(env: Env, subprogram: number): readonly Argument[] {
  const { btf } = env.request;
  const func = env.program.subprograms[subprogram]?.type ?? 0;
  if (btf === null || func === 0) reject(env, "global_prototype", { what: "it has no type" });
  const type = typeAt(btf, func);
  const proto = type.kind === "func" ? typeAt(btf, type.type) : null;
  if (proto?.kind !== "func_proto") reject(env, "global_prototype", { what: "its type is no function" });
  if (proto.params.length > MAX_ARGUMENTS) {
    reject(env, "global_prototype", { what: `it has ${proto.params.length} arguments, ${MAX_ARGUMENTS} are possible` });
  }
  if (!isNumber(btf, proto.result)) reject(env, "global_prototype", { what: "it does not return a number" });
  return proto.params.map((param, index) => {
    const refuse = (what: string): never => reject(env, "global_prototype", { what: `argument ${index + 1} ${what}` });
    return argumentOf(env, btf, param.type, readTags(env, btf, func, index, refuse), refuse);
  });
}

function isNumber(btf: Btf, id: TypeId): boolean {
  return ["int", "enum", "enum64"].includes(typeAt(btf, skipModifiers(btf, id)).kind);
}

/** The tags on an argument. Kernels that know of none ignore them. */
function readTags(env: Env, btf: Btf, func: TypeId, index: number, refuse: (what: string) => never): ReadonlySet<Tag> {
  const tags = new Set<Tag>();
  if (!env.profile.has("argument_tags")) return tags;
  for (const text of tagsOn(btf, func, index)) {
    if (!text.startsWith("arg:")) continue;
    const tag = TAGS.find((name) => text === `arg:${name}`);
    if (tag === undefined || !env.profile.has(TAG_RULES[tag])) refuse(`has the tag ${text}, which means nothing here`);
    tags.add(tag);
  }
  return tags;
}

function argumentOf(
  env: Env,
  btf: Btf,
  type: TypeId,
  tags: ReadonlySet<Tag>,
  refuse: (what: string) => never,
): Argument {
  const only = (...allowed: readonly Tag[]): void => {
    for (const tag of tags) if (!allowed.includes(tag)) refuse(`has tags that do not go together`);
  };
  const pointer = typeAt(btf, skipModifiers(btf, type));
  if (pointer.kind !== "ptr") {
    if (tags.size > 0) refuse("has a tag for pointers and is none");
    if (!isNumber(btf, type)) refuse("is neither a number nor a pointer");
    return { kind: "scalar" };
  }
  const target = skipModifiers(btf, pointer.type);
  if (tags.has("ctx") || isContextPointer(env.request.type, btf, pointer.type)) {
    only("ctx");
    if (tags.has("ctx")) checkContextTag(env.request, btf, pointer.type, refuse);
    return { kind: "ctx" };
  }
  if (isDynptr(btf, target) && env.profile.has("argument_tags")) {
    only();
    return { kind: "dynptr" };
  }
  if (tags.has("trusted")) {
    only("trusted", "nullable");
    return {
      kind: "object",
      type: kernelTypeOf(env, btf, target, refuse),
      trusted: true,
      nullable: tags.has("nullable"),
    };
  }
  if (tags.has("untrusted")) {
    only("untrusted");
    if (typeAt(btf, target).kind === "void" || isNumber(btf, target)) return { kind: "untrusted_mem" };
    const of = kernelTypeOf(env, btf, target, refuse);
    if (!["struct", "union"].includes(typeAt(btf, target).kind)) refuse("points to neither a structure nor a number");
    return { kind: "object", type: of, trusted: false, nullable: false };
  }
  if (tags.has("arena")) {
    only("arena");
    return { kind: "arena" };
  }
  only("nonnull");
  if (!env.profile.has("memory_arguments")) refuse("is a pointer, which this kernel does not take here");
  const size = resolveSize(btf, target)?.size ?? null;
  if (size === null) refuse(`points to ${nameOf(btf, target) || "something"} of unknown size`);
  return { kind: "mem", size, nullable: !tags.has("nonnull") };
}

function isDynptr(btf: Btf, target: TypeId): boolean {
  const type = typeAt(btf, target);
  return (
    (type.kind === "struct" || type.kind === "union" || (type.kind === "fwd" && !type.union)) &&
    type.name === "bpf_dynptr"
  );
}

/** The kernel's type that a type of the program stands for: the only one of its kind and name, flavours (`x___y`) apart. */
function kernelTypeOf(env: Env, btf: Btf, target: TypeId, refuse: (what: string) => never): TypeId {
  const { kernel } = env.request;
  if (kernel === null) unsupported("arguments of kernel types without the kernel's types");
  const name = nameOf(btf, target);
  const found = findCandidates(kernel, typeAt(btf, target));
  const [first] = found;
  if (first === undefined) refuse(`points to ${name}, which the kernel does not have`);
  if (found.length > 1) refuse(`points to ${name}, of which the kernel has ${found.length}`);
  return first;
}
