/**
 * Functions of the kernel that programs call: symbols that the file does not define, whose types are listed in a section of
 * BTF called `.ksyms`. An ObjectSpec is without that section: linkage extern says the same.
 *
 * Source: docs.kernel.org/bpf/kfuncs.html and the objects that clang writes for `extern … __ksym`.
 */
import type { Btf, BtfType, TypeId } from "../btf/index.ts";
import { KSYMS_SECTION } from "../object/index.ts";

/** The functions of linkage extern, with their type ids. */
export function externFunctions(btf: Btf): { readonly name: string; readonly id: TypeId }[] {
  return btf.types.flatMap((type, id) =>
    type.kind === "func" && type.linkage === "extern" ? [{ name: type.name, id }] : [],
  );
}

/** `btf` with the section that lists its extern functions. */
export function appendKernelFunctions(btf: Btf): Btf {
  const variables = externFunctions(btf).map(({ id }) => ({ type: id, offset: 0, size: 0 }));
  if (variables.length === 0) return btf;
  const section: BtfType = { kind: "datasec", name: KSYMS_SECTION, size: 0, variables };
  return { types: [...btf.types, section] };
}

/** The section, for the reader to take out. */
export function kernelFunctionTypes(btf: Btf): TypeId[] {
  return btf.types.flatMap((type, id) => (type.kind === "datasec" && type.name === KSYMS_SECTION ? [id] : []));
}
