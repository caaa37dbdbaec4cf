/**
 * Builds a BTF, interning: adding a type that is there already gives its id. Ids follow the order of first use, so the same
 * calls give the same BTF.
 *
 *   const b = new BtfBuilder();
 *   const u32 = b.int("unsigned int", 4, "unsigned");
 *   const key = b.struct("flow_key", 8, [{ name: "saddr", type: u32, bitOffset: 0 }, { name: "daddr", type: u32, bitOffset: 32 }]);
 *   const btf = b.finish();
 */
import { badValue } from "./diagnostics.ts";
import type { Linkage } from "./format.ts";
import type { Btf, BtfType, Enumerator, Member, Param, SectionVariable, TypeId } from "./types.ts";

type IntEncoding = Extract<BtfType, { kind: "int" }>["encoding"];

/** A builder of one BTF; see the file's comment. Names are not checked here: `checkNames` does that. */
export class BtfBuilder {
  private readonly types: (BtfType | null)[] = [];
  private readonly ids = new Map<string, TypeId>();

  /** Starts from the types of `base`, whose ids stay. Only the first of equal types there is found again. */
  constructor(base: Btf = { types: [{ kind: "void" }] }) {
    for (const type of base.types) {
      const key = keyOf(type);
      if (!this.ids.has(key)) this.ids.set(key, this.types.length);
      this.types.push(type);
    }
  }

  /** The id of this type, which is added where it is new. */
  add(type: BtfType): TypeId {
    const key = keyOf(type);
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    this.ids.set(key, this.types.length);
    return this.types.push(type) - 1;
  }

  /** An id for a type that refers to itself (a list's node): use it, then `define` it. Not interned. */
  reserve(): TypeId {
    return this.types.push(null) - 1;
  }

  /** Gives a reserved id its type. */
  define(id: TypeId, type: BtfType): void {
    if (this.types[id] !== null) throw badValue("B004", "only a reserved type can be defined, once", `types[${id}]`);
    this.types[id] = type;
  }

  /** Everything that was added. Throws B004 while a reserved type is not defined. */
  finish(): Btf {
    return {
      types: this.types.map((type, id) => {
        if (type === null) throw badValue("B004", "a reserved type was never defined", `types[${id}]`);
        return type;
      }),
    };
  }

  int(name: string, size: number, encoding: IntEncoding = "unsigned"): TypeId {
    return this.add({ kind: "int", name, size, encoding });
  }
  float(name: string, size: number): TypeId {
    return this.add({ kind: "float", name, size });
  }
  ptr(type: TypeId): TypeId {
    return this.add({ kind: "ptr", type });
  }
  const(type: TypeId): TypeId {
    return this.add({ kind: "const", type });
  }
  typedef(name: string, type: TypeId): TypeId {
    return this.add({ kind: "typedef", name, type });
  }
  /** `index` is the type of an index, as clang writes it. */
  array(element: TypeId, count: number, index: TypeId = this.int("__ARRAY_SIZE_TYPE__", 4)): TypeId {
    return this.add({ kind: "array", element, index, count });
  }
  struct(name: string, size: number, members: readonly Member[]): TypeId {
    return this.add({ kind: "struct", name, size, members });
  }
  union(name: string, size: number, members: readonly Member[]): TypeId {
    return this.add({ kind: "union", name, size, members });
  }
  enum(name: string, values: readonly Enumerator[], size = 4, signed = false): TypeId {
    return this.add({ kind: "enum", name, size, signed, values });
  }
  enum64(name: string, values: readonly Enumerator[], size = 8, signed = false): TypeId {
    return this.add({ kind: "enum64", name, size, signed, values });
  }
  fwd(name: string, union = false): TypeId {
    return this.add({ kind: "fwd", name, union });
  }
  funcProto(result: TypeId, params: readonly Param[]): TypeId {
    return this.add({ kind: "func_proto", result, params });
  }
  func(name: string, proto: TypeId, linkage: Linkage = "global"): TypeId {
    return this.add({ kind: "func", name, type: proto, linkage });
  }
  var(name: string, type: TypeId, linkage: Linkage = "global"): TypeId {
    return this.add({ kind: "var", name, type, linkage });
  }
  datasec(name: string, size: number, variables: readonly SectionVariable[]): TypeId {
    return this.add({ kind: "datasec", name, size, variables });
  }
  declTag(name: string, type: TypeId, component = -1): TypeId {
    return this.add({ kind: "decl_tag", name, type, component });
  }
}

/** Equal for equal types, whatever the order in which their properties were written. */
function keyOf(type: BtfType): string {
  return JSON.stringify(type, (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
