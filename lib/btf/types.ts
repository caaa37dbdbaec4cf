/**
 * BTF types as values. Source: docs.kernel.org/bpf/btf.html.
 * A type is named by its id: its index in `Btf.types` (index 0 is `void`). References are ids.
 * Sizes in bytes, `bitOffset` in bits from the start of the structure. `attribute` on a tag is its kind flag (Linux 6.14):
 * the name is a GCC attribute (`__attribute__((address_space(1)))`), not a btf_type_tag or btf_decl_tag.
 */
export type TypeId = number;

// prettier-ignore
export interface Member { readonly name: string; readonly type: TypeId; readonly bitOffset: number; readonly bitfieldSize?: number }
export interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}
export interface Param {
  readonly name: string;
  readonly type: TypeId;
}
export interface SectionVariable {
  readonly type: TypeId;
  readonly offset: number;
  readonly size: number;
}

// prettier-ignore
export type BtfType =
  | { readonly kind: "void" }
  | { readonly kind: "int"; readonly name: string; readonly size: number; readonly encoding: "unsigned" | "signed" | "char" | "bool"; readonly bits?: number; readonly bitOffset?: number }
  | { readonly kind: "ptr"; readonly type: TypeId }
  | { readonly kind: "array"; readonly element: TypeId; readonly index: TypeId; readonly count: number }
  | { readonly kind: "struct" | "union"; readonly name: string; readonly size: number; readonly members: readonly Member[] }
  | { readonly kind: "enum"; readonly name: string; readonly size: number; readonly signed: boolean; readonly values: readonly Enumerator[] }
  | { readonly kind: "enum64"; readonly name: string; readonly size: number; readonly signed: boolean; readonly values: readonly Enumerator[] }
  | { readonly kind: "fwd"; readonly name: string; readonly union: boolean }
  | { readonly kind: "typedef"; readonly name: string; readonly type: TypeId }
  | { readonly kind: "type_tag"; readonly name: string; readonly type: TypeId; readonly attribute?: true }
  | { readonly kind: "volatile" | "const" | "restrict"; readonly type: TypeId }
  | { readonly kind: "func"; readonly name: string; readonly type: TypeId; readonly linkage: "static" | "global" | "extern" }
  | { readonly kind: "func_proto"; readonly result: TypeId; readonly params: readonly Param[] }
  | { readonly kind: "var"; readonly name: string; readonly type: TypeId; readonly linkage: "static" | "global" | "extern" }
  | { readonly kind: "datasec"; readonly name: string; readonly size: number; readonly variables: readonly SectionVariable[] }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: TypeId; readonly component: number; readonly attribute?: true };

/** All types of one object; `types[0]` is `{ kind: "void" }`. */
export interface Btf {
  readonly types: readonly BtfType[];
}
