/** Source types as BTF. Names become C identifiers, the only ones that the kernel takes. */
import type { BtfBuilder, TypeId } from "../../lib/btf/index.ts";
import { CONTEXTS, KFUNCS } from "../../lib/kernel/index.ts";
import type { CType, ContextKind, KernelFunction, KfuncName } from "../../lib/kernel/index.ts";
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
    // A parameter may be called `_`, which BTF does not take.
    name: btfName(fn.paramNames[i] ?? "") || `arg${i}`,
    type: fn.entry === null ? addValueType(btf, p.type) : addContext(btf, fn.entry.context),
  }));
  const proto = btf.add({ kind: "func_proto", result: addValueType(btf, fn.result), params });
  return btf.add({ kind: "func", name, type: proto, linkage: fn.entry === null ? "static" : "global" });
}

/** The `func` type of a function of the kernel. */
export function addKernelFunction(btf: BtfBuilder, name: KfuncName): TypeId {
  const { returns, params }: KernelFunction = KFUNCS[name];
  const types = params.map(([param, type]) => ({ name: param, type: addCType(btf, type) }));
  return btf.func(name, btf.funcProto(addCType(btf, returns), types), "extern");
}

/** Sizes of the integers of CType; the structures stay without members, whoever loads compares names and kinds. */
const INTEGERS: Readonly<Record<string, readonly [size: number, encoding: "signed" | "unsigned"]>> = {
  int: [4, "signed"],
  "long int": [8, "signed"],
  s32: [4, "signed"],
  u32: [4, "unsigned"],
  s64: [8, "signed"],
  u64: [8, "unsigned"],
};

function addCType(btf: BtfBuilder, type: CType): TypeId {
  if (type === "void") return 0;
  const [size, encoding] = INTEGERS[type] ?? [0, "unsigned"];
  if (size !== 0) return btf.int(type, size, encoding);
  const name = /struct (\w+)/.exec(type)?.[1] ?? "";
  const struct = btf.struct(name, 0, []);
  return btf.ptr(type.startsWith("const ") ? btf.const(struct) : struct);
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
