/** The kernel's functions and variables that an object refers to: types of linkage extern, in no section. */
import { resolveType } from "../btf/index.ts";
import type { Btf, TypeId } from "../btf/index.ts";

/** The `func` or `var` of linkage extern that is called so; null where the object has none. */
export function externTypeOf(btf: Btf, name: string): TypeId | null {
  const id = btf.types.findIndex(
    (type) => (type.kind === "func" || type.kind === "var") && type.linkage === "extern" && type.name === name,
  );
  return id < 0 ? null : id;
}

/** As `externTypeOf`; null also for a variable that the object declares as `void`: only its address is known then. */
export function kernelTypeOf(btf: Btf, name: string): TypeId | null {
  const id = externTypeOf(btf, name);
  const type = btf.types[id ?? 0];
  return type?.kind === "var" && resolveType(btf, type.type).type.kind === "void" ? null : id;
}
