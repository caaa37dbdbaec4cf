/** Sizes and the types behind names: what C's `sizeof` and typedefs mean. */
import { badValue } from "./diagnostics.ts";
import type { Btf, BtfType, TypeId } from "./types.ts";

/** MAX_RESOLVE_DEPTH of the kernel and of libbpf: a longer chain refers to itself. */
const MAX_DEPTH = 32;

/** Bytes of a pointer in BPF programs, whatever the machine. */
export const POINTER_SIZE = 8;

/** The type behind typedefs, qualifiers and type tags, with its id. Throws B004 for an unknown id or an endless chain. */
export function resolveType(btf: Btf, id: TypeId): { id: TypeId; type: BtfType } {
  let at = id;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const type = btf.types[at];
    if (type === undefined) throw badValue("B004", `there is no type ${at}`, `types[${id}]`);
    if (!isModifier(type)) return { id: at, type };
    at = type.type;
  }
  throw badValue("B004", "a type refers to itself", `types[${id}]`);
}

type Modifier = Extract<BtfType, { kind: "typedef" | "type_tag" | "volatile" | "const" | "restrict" }>;

function isModifier(type: BtfType): type is Modifier {
  return ["typedef", "type_tag", "volatile", "const", "restrict"].includes(type.kind);
}

/** Bytes that a value of the type takes. Throws B008 for a type without a size, B004 for a bad id or an endless chain. */
export function sizeOf(btf: Btf, id: TypeId): number {
  let count = 1;
  let at = id;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const { type } = resolveType(btf, at);
    switch (type.kind) {
      case "int":
      case "enum":
      case "enum64":
      case "struct":
      case "union":
      case "float":
      case "datasec":
        return count * type.size;
      case "ptr":
        return count * POINTER_SIZE;
      case "array":
        count *= type.count;
        at = type.element;
        break;
      case "var":
        at = type.type;
        break;
      default:
        throw badValue("B008", `a ${type.kind} has no size`, `types[${id}]`);
    }
  }
  throw badValue("B004", "a type refers to itself", `types[${id}]`);
}
