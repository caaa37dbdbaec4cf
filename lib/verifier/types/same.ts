/** Which types a pointer stands for: its own, and those of members that start where it points. */
import type { Btf, TypeId } from "../../btf/index.ts";
import type { Env } from "../env.ts";
import { findType } from "./lookup.ts";
import { structsAt } from "./walk.ts";

/**
 * A pointer to `outer` plus `off` may be passed where one to `wanted` is: the types are the same, or a member at the offset
 * (or its first member, and so on) is of that type. `strict`: only the type itself, as what is released needs it.
 */
export function sameOrEmbedded(
  btf: Btf,
  outer: TypeId,
  off: number,
  wantedBtf: Btf,
  wanted: TypeId,
  strict = false,
): boolean {
  if (btf !== wantedBtf) return false;
  if (off === 0 && outer === wanted) return true;
  return !strict && structsAt(btf, outer, off, true).includes(wanted);
}

/** The kernel's struct of a name, or null where the kernel's types are not known or have none. */
export function kernelType(env: Env, name: string): TypeId | null {
  const { kernel } = env.request;
  return kernel === null ? null : findType(kernel, "struct", name);
}
