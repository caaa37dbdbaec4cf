/**
 * Calls of kernel functions, dead code as well: the kernel looks them all up before it walks. Number 0 is a function that was
 * not found when loading: that matters only where the walk comes to it.
 */
import { Rejection, Unsupported } from "../outcome.ts";
import type { LoadRequest } from "../request.ts";
import { isGplCompatible } from "../types/license.ts";
import type { RawCode } from "./raw.ts";

/** Different ones. Source: MAX_KFUNC_DESCS of kernel/bpf/verifier.c, the same since Linux 5.13. */
const MAX_FUNCTIONS = 256;

/** They are functions of the kernel, not too many, and the program's license lets it call them. */
export function checkKernelCalls(raw: RawCode, { license, kernel }: LoadRequest): void {
  const called = new Set<number>();
  for (let slot = 0; slot < raw.length; slot = raw.after(slot)) {
    if (!raw.isKernelCall(slot)) continue;
    if (!isGplCompatible(license)) throw new Rejection("kfunc_needs_gpl", slot, {});
    const [id, module] = [raw.imm(slot), raw.off(slot)];
    if (module !== 0) throw new Unsupported("functions of kernel modules");
    if (id === 0) continue;
    if (called.add(id).size > MAX_FUNCTIONS) throw new Rejection("too_many_kfuncs", slot, {});
    if (kernel === null) throw new Unsupported("kernel functions of a kernel whose types are not known");
    const type = kernel.types[id];
    const proto = type?.kind === "func" ? kernel.types[type.type] : undefined;
    if (proto?.kind !== "func_proto") throw new Rejection("unknown_kfunc", slot, { name: `number ${id}` });
  }
}
