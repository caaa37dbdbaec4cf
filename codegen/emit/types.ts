/** Source types as BTF. Names become C identifiers, the only ones that the kernel takes. */
import type { BtfBuilder, TypeId } from "../../lib/btf/index.ts";
import { CONTEXTS, type ContextKind } from "../../lib/kernel/index.ts";
import type { SourceType } from "../frontend/index.ts";
import type { IrFunction, Type } from "../ir/ir.ts";

/** `filter/FlowKey` is FlowKey, `~lib/.../Cell<u64>` is Cell_u64. */
export function btfName(name: string): string {
  return name
    .replace(/[\w~.\-/]*\//g, "")
    .replace(/[^A-Za-z0-9_]+/g, "_")
    .replace(/^_+|_+$/g, "");
}

/** The BTF type of an integer or of an unmanaged class of integers. */
export function addSourceType(btf: BtfBuilder, type: SourceType): TypeId {
  if (type.kind !== "class") {
    const encoding = type.bool ? "bool" : type.signed ? "signed" : "unsigned";
    return btf.add({ kind: "int", name: type.name, size: type.size, encoding });
  }
  const members = type.fields.map((f) => ({
    name: f.name,
    type: addSourceType(btf, f.type),
    bitOffset: 8 * f.offset,
  }));
  return btf.add({ kind: "struct", name: btfName(type.name), size: type.size, members });
}

/** `count` bytes without further type. */
export function addBytes(btf: BtfBuilder, count: number): TypeId {
  const element = btf.add({ kind: "int", name: "u8", size: 1, encoding: "unsigned" });
  const index = btf.add({ kind: "int", name: "u32", size: 4, encoding: "unsigned" });
  return btf.add({ kind: "array", element, index, count });
}

/** The `func` type of a function. */
export function addFunction(btf: BtfBuilder, fn: IrFunction, name: string): TypeId {
  const params = fn.params.map((p, i) => ({
    name: btfName(fn.paramNames[i] ?? `arg${i}`),
    type: fn.entry === null ? addValueType(btf, p.type) : addContext(btf, fn.entry.context),
  }));
  const proto = btf.add({ kind: "func_proto", result: addValueType(btf, fn.result), params });
  return btf.add({ kind: "func", name, type: proto, linkage: fn.entry === null ? "static" : "global" });
}

function addContext(btf: BtfBuilder, context: ContextKind): TypeId {
  const struct = btf.add({ kind: "struct", name: context, size: CONTEXTS[context].size, members: [] });
  return btf.add({ kind: "ptr", type: struct });
}

function addValueType(btf: BtfBuilder, type: Type): TypeId {
  switch (type) {
    case "void":
      return 0;
    case "ptr":
      return btf.add({ kind: "ptr", type: 0 });
    case "i32":
      return btf.add({ kind: "int", name: "i32", size: 4, encoding: "signed" });
    case "i64":
      return btf.add({ kind: "int", name: "i64", size: 8, encoding: "signed" });
  }
}
