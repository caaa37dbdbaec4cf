/**
 * When a type of one BTF counts as a type of another, for CO-RE ("compile once, run everywhere").
 *
 * Three questions, from lax to strict: may a field of one be read as a field of the other (`fieldsCompatible`), is it the
 * same sort of type (`typesCompatible`), has it at least what the other has (`typesMatch`). Qualifiers and typedefs never
 * count, nor does what follows `___` in a name: so a program may have several versions of one type. All three throw B004 for
 * an id that is not there. Source: docs.kernel.org/bpf/libbpf and the macros of libbpf's bpf_core_read.h.
 */
import { resolveType } from "./size.ts";
import type { Btf, BtfType, Member, TypeId } from "./types.ts";

/** One type in both BTFs. */
export interface Pair {
  readonly local: Btf;
  readonly target: Btf;
}

/** Deeper types are taken for different: some refer to themselves. */
const MAX_DEPTH = 32;

/** The name without its flavour: `task_struct___old` is `task_struct`. */
export function essentialName(name: string): string {
  return /^(.*[^_])___[^_]/.exec(name)?.[1] ?? name;
}

/** The name of a type; "" where it has none or cannot have one. */
export function nameOf(type: BtfType): string {
  return "name" in type ? type.name : "";
}

export function isComposite(type: BtfType): type is Extract<BtfType, { kind: "struct" | "union" }> {
  return type.kind === "struct" || type.kind === "union";
}

export function isEnum(type: BtfType): type is Extract<BtfType, { kind: "enum" | "enum64" }> {
  return type.kind === "enum" || type.kind === "enum64";
}

/** Equal kinds; both kinds of enumerations count as one. */
export function kindsCompatible(a: BtfType, b: BtfType): boolean {
  return a.kind === b.kind || (isEnum(a) && isEnum(b));
}

/** May the program's field of the type `local` be read from a field of the type `target`? */
export function fieldsCompatible(pair: Pair, local: TypeId, target: TypeId): boolean {
  let [a, b] = [resolveType(pair.local, local).type, resolveType(pair.target, target).type];
  for (let depth = 0; a.kind === "array" && b.kind === "array" && depth < MAX_DEPTH; depth++) {
    [a, b] = [resolveType(pair.local, a.element).type, resolveType(pair.target, b.element).type];
  }
  if (isComposite(a) && isComposite(b)) return true;
  if (!kindsCompatible(a, b)) return false;
  if (a.kind === "ptr" || a.kind === "float") return true;
  if (a.kind === "int" && b.kind === "int") return isWhole(a) && isWhole(b);
  if (!isEnum(a) && a.kind !== "fwd") return false;
  const [mine, other] = [essentialName(nameOf(a)), essentialName(nameOf(b))];
  return mine === "" || other === "" || mine === other;
}

/** Not an integer of the old form that is a part of another. */
function isWhole(type: Extract<BtfType, { kind: "int" }>): boolean {
  return (type.bitOffset ?? 0) === 0;
}

/** Are these types of one sort? The caller has compared their names; inner names do not count. */
export function typesCompatible(pair: Pair, local: TypeId, target: TypeId, depth = MAX_DEPTH): boolean {
  if (depth < 0) return false;
  const [a, b] = [resolveType(pair.local, local).type, resolveType(pair.target, target).type];
  const inner = (x: TypeId, y: TypeId): boolean => typesCompatible(pair, x, y, depth - 1);
  if (a.kind === "int" && b.kind === "int") return isWhole(a) && isWhole(b);
  if (a.kind === "ptr" && b.kind === "ptr") return inner(a.type, b.type);
  if (a.kind === "array" && b.kind === "array") return inner(a.element, b.element);
  if (a.kind === "func_proto" && b.kind === "func_proto") return signaturesAgree(a, b, inner);
  return kindsCompatible(a, b) && (isComposite(a) || isEnum(a) || a.kind === "fwd" || a.kind === "void");
}

type Signature = Extract<BtfType, { kind: "func_proto" }>;

function signaturesAgree(a: Signature, b: Signature, agree: (x: TypeId, y: TypeId) => boolean): boolean {
  return (
    a.params.length === b.params.length &&
    a.params.every((param, i) => agree(param.type, b.params[i]?.type ?? 0)) &&
    agree(a.result, b.result)
  );
}

/**
 * Has the target's type all that the program's has: members and enumerators by name, sizes and signs of integers? Behind a
 * pointer the name and the kind of a structure are enough.
 */
export function typesMatch(
  pair: Pair,
  local: TypeId,
  target: TypeId,
  behindPointer = false,
  depth = MAX_DEPTH,
): boolean {
  if (depth < 0) return false;
  const [a, b] = [resolveType(pair.local, local).type, resolveType(pair.target, target).type];
  if (essentialName(nameOf(a)) !== essentialName(nameOf(b))) return false;
  const inner = (x: TypeId, y: TypeId): boolean => typesMatch(pair, x, y, behindPointer, depth - 1);
  if (a.kind === "ptr" && b.kind === "ptr") return typesMatch(pair, a.type, b.type, true, depth - 1);
  if (a.kind === "int" && b.kind === "int")
    return a.size === b.size && (a.encoding === "signed") === (b.encoding === "signed");
  if (a.kind === "array" && b.kind === "array") return a.count === b.count && inner(a.element, b.element);
  if (a.kind === "func_proto" && b.kind === "func_proto") return signaturesAgree(a, b, inner);
  if (isEnum(a) && isEnum(b)) return a.values.every((v) => hasName(v, b.values));
  if (behindPointer && sortOf(a) !== null) return sortOf(a) === sortOf(b);
  if (a.kind === "fwd" && b.kind === "fwd") return a.union === b.union;
  if (isComposite(a) && isComposite(b))
    return a.kind === b.kind && a.members.every((m) => hasMember(m, b.members, inner));
  return a.kind === "void" && b.kind === "void";
}

/** What a declaration without its members still says; null for what is no structure. */
function sortOf(type: BtfType): "struct" | "union" | null {
  if (isComposite(type)) return type.kind;
  if (type.kind !== "fwd") return null;
  return type.union ? "union" : "struct";
}

interface Named {
  readonly name: string;
}

function hasName({ name }: Named, among: readonly Named[]): boolean {
  return among.some((other) => essentialName(other.name) === essentialName(name));
}

function hasMember(
  { name, type }: Member,
  among: readonly Member[],
  agree: (x: TypeId, y: TypeId) => boolean,
): boolean {
  return among.some((other) => essentialName(other.name) === essentialName(name) && agree(type, other.type));
}
