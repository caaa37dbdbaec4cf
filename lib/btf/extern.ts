/**
 * The kernel's functions and variables that a program declares as `extern`: where they stand among a kernel's types. They are
 * found by name, without the flavour behind `___`, and count only where the declaration fits: so a program may declare several
 * versions of a function and look which of them there is.
 *
 * Source: docs.kernel.org/bpf/libbpf and the macro bpf_ksym_exists of libbpf's bpf_helpers.h.
 */
import { essentialName, typesCompatible } from "./core-compat.ts";
import type { CoreTarget } from "./core.ts";
import type { Btf, TypeId } from "./types.ts";

/** `other`: the kernel has one of that name, whose type differs from the declared one. */
export type ExternAnswer = { readonly kind: "found" | "other"; readonly id: TypeId } | { readonly kind: "missing" };

/** The kernel's counterpart of the `func` or `var` of linkage extern `id` in `local`. Throws B004 for damaged BTF. */
export function findExtern(local: Btf, id: TypeId, target: CoreTarget): ExternAnswer {
  const declared = local.types[id];
  if (declared?.kind !== "func" && declared?.kind !== "var") return { kind: "missing" };
  const name = essentialName(declared.name);
  const types = target.btf.types;
  const found = target.byName.get(name)?.find((candidate) => {
    const type = types[candidate];
    return type?.kind === declared.kind && type.name === name;
  });
  const theirs = types[found ?? 0];
  if (found === undefined || (theirs?.kind !== "func" && theirs?.kind !== "var")) return { kind: "missing" };
  const fits = typesCompatible({ local, target: target.btf }, declared.type, theirs.type);
  return { kind: fits ? "found" : "other", id: found };
}
