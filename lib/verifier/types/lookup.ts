/**
 * Finding things in a BTF by name, and tags by what they are on. The kernel's own BTF has more than a hundred thousand types,
 * so each kind is indexed once, when it is first asked for, and kept as long as the BTF is.
 */
import type { Btf, BtfType, TypeId } from "../../btf/index.ts";

type Kind = BtfType["kind"];
type Named = Extract<BtfType, { readonly name: string }>;

const byKind = new WeakMap<Btf, Map<Kind, Map<string, TypeId>>>();

/** The first type of a kind with a name, or null. */
export function findType(btf: Btf, kind: Named["kind"], name: string): TypeId | null {
  let kinds = byKind.get(btf);
  if (kinds === undefined) byKind.set(btf, (kinds = new Map()));
  let names = kinds.get(kind);
  if (names === undefined) kinds.set(kind, (names = indexNames(btf, kind)));
  return names.get(name) ?? null;
}

function indexNames(btf: Btf, kind: Kind): Map<string, TypeId> {
  const names = new Map<string, TypeId>();
  const { types } = btf;
  for (let id = 1; id < types.length; id++) {
    const type = types[id] as BtfType;
    if (type.kind === kind && "name" in type && !names.has(type.name)) names.set(type.name, id);
  }
  return names;
}

/** The struct or union of a name; a struct before a union. */
export function findStruct(btf: Btf, name: string): TypeId | null {
  return findType(btf, "struct", name) ?? findType(btf, "union", name);
}

type Tag = Extract<BtfType, { kind: "decl_tag" }>;
const tagged = new WeakMap<Btf, Map<TypeId, Tag[]>>();

/** Declaration tags on a type (`component` -1) or on one of its members or parameters, in the BTF's order. */
export function tagsOn(btf: Btf, type: TypeId, component: number): readonly string[] {
  let tags = tagged.get(btf);
  if (tags === undefined) tagged.set(btf, (tags = indexTags(btf)));
  const all = tags.get(type);
  return all === undefined ? [] : all.filter((tag) => tag.component === component).map((tag) => tag.name);
}

function indexTags(btf: Btf): Map<TypeId, Tag[]> {
  const tags = new Map<TypeId, Tag[]>();
  for (const type of btf.types) {
    if (type.kind !== "decl_tag") continue;
    const known = tags.get(type.type);
    if (known === undefined) tags.set(type.type, [type]);
    else known.push(type);
  }
  return tags;
}

/** The type behind typedefs, qualifiers and type tags; `void` for an id that is not there. */
export function skipModifiers(btf: Btf, id: TypeId): TypeId {
  let at = id;
  // A chain is at most as long as the BTF; the kernel refuses circles when the BTF is loaded.
  for (let depth = 0; depth < 64; depth++) {
    const type = btf.types[at];
    if (type === undefined) return 0;
    switch (type.kind) {
      case "typedef":
      case "type_tag":
      case "volatile":
      case "const":
      case "restrict":
        at = type.type;
        break;
      default:
        return at;
    }
  }
  return 0;
}

/** The type with an id; `void` for one that is not there. */
export function typeAt(btf: Btf, id: TypeId): BtfType {
  return btf.types[id] ?? VOID;
}
const VOID: BtfType = { kind: "void" };

/** The name of a type, or an empty string. */
export function nameOf(btf: Btf, id: TypeId): string {
  const type = typeAt(btf, id);
  return "name" in type ? type.name : "";
}

/** Tags on a pointer's target: `const char __user *` has `user`. Attributes of compilers do not count. */
export function pointerTag(btf: Btf, target: TypeId): string | null {
  const type = typeAt(btf, target);
  return type.kind === "type_tag" && type.attribute !== true ? type.name : null;
}

const byEssence = new WeakMap<Btf, Map<string, TypeId[]>>();
const CANDIDATES: ReadonlySet<Kind> = new Set<Kind>(["struct", "union", "int", "enum", "enum64", "float"]);

/** All types of the same kind whose name is the same but for a flavour: `task_struct___old` is a task_struct. */
export function findCandidates(btf: Btf, like: BtfType): readonly TypeId[] {
  let index = byEssence.get(btf);
  if (index === undefined) {
    byEssence.set(btf, (index = new Map()));
    for (let id = 1; id < btf.types.length; id++) {
      const key = essenceOf(btf.types[id] as BtfType);
      if (key === null) continue;
      const found = index.get(key);
      if (found === undefined) index.set(key, [id]);
      else found.push(id);
    }
  }
  const key = essenceOf(like);
  return key === null ? [] : (index.get(key) ?? []);
}

/** Kind and name without the flavour; null for types that stand for none of the kernel's. */
function essenceOf(type: BtfType): string | null {
  if (!CANDIDATES.has(type.kind) || !("name" in type) || type.name === "") return null;
  const flavour = type.name.lastIndexOf("___");
  return `${type.kind} ${flavour > 0 ? type.name.slice(0, flavour) : type.name}`;
}
