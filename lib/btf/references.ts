/** Which types a type refers to, and what follows from that: closures, and taking types out of a BTF. */
import type { Btf, BtfType, TypeId } from "./types.ts";

/** The type with every reference replaced by `map(reference)`. */
export function mapReferences(type: BtfType, map: (id: TypeId) => TypeId): BtfType {
  switch (type.kind) {
    case "void":
    case "int":
    case "enum":
    case "enum64":
    case "fwd":
    case "float":
      return type;
    case "ptr":
    case "typedef":
    case "type_tag":
    case "volatile":
    case "const":
    case "restrict":
    case "func":
    case "var":
    case "decl_tag":
      return { ...type, type: map(type.type) };
    case "array":
      return { ...type, element: map(type.element), index: map(type.index) };
    case "struct":
    case "union":
      return { ...type, members: type.members.map((m) => ({ ...m, type: map(m.type) })) };
    case "func_proto":
      return { ...type, result: map(type.result), params: type.params.map((p) => ({ ...p, type: map(p.type) })) };
    case "datasec":
      return { ...type, variables: type.variables.map((v) => ({ ...v, type: map(v.type) })) };
  }
}

/** The ids that a type refers to, in the order of the wire form; void (0) included. */
export function referencesOf(type: BtfType): readonly TypeId[] {
  switch (type.kind) {
    case "void":
    case "int":
    case "enum":
    case "enum64":
    case "fwd":
    case "float":
      return [];
    case "array":
      return [type.element, type.index];
    case "struct":
    case "union":
      return type.members.map((m) => m.type);
    case "func_proto":
      return [type.result, ...type.params.map((p) => p.type)];
    case "datasec":
      return type.variables.map((v) => v.type);
    default:
      return [type.type];
  }
}

/** `roots` and all types that they refer to, directly or not. */
export function reachableFrom(btf: Btf, roots: Iterable<TypeId>): Set<TypeId> {
  const seen = new Set<TypeId>();
  const open = [...roots];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const type = btf.types[id];
    if (type === undefined || seen.has(id)) continue;
    seen.add(id);
    open.push(...referencesOf(type));
  }
  return seen;
}

/**
 * The BTF without `removed`, the rest in its order, and the new id of each kept type. Nothing that is kept may refer to a
 * removed type: such a reference becomes void.
 */
export function removeTypes(btf: Btf, removed: ReadonlySet<TypeId>): { btf: Btf; idOf: (old: TypeId) => TypeId } {
  const renumbered = new Map<TypeId, TypeId>();
  btf.types.forEach((_, id) => {
    if (!removed.has(id)) renumbered.set(id, renumbered.size);
  });
  const idOf = (old: TypeId): TypeId => renumbered.get(old) ?? 0;
  const types = btf.types.filter((_, id) => renumbered.has(id)).map((type) => mapReferences(type, idOf));
  return { btf: { types }, idOf };
}
