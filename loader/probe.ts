/** Whether programs can be loaded here, by trying: the only answer that counts capabilities, lockdown and LSMs in. */
import { PROGRAM_TYPES } from "../lib/kernel/index.ts";
import { kernelError } from "./errors.ts";
import { encodeText } from "./sys/attr.ts";
import { bpf, closeFd } from "./sys/calls.ts";
import { missingShim } from "./sys/shim.ts";

export type Loadable = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** `r0 = 0; exit`, RFC 9669. */
const RETURN_ZERO = new Uint8Array([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]);

/** Loads and drops a two-instruction XDP program, which needs what the loader's programs need (CAP_BPF, CAP_NET_ADMIN). */
export function canLoad(): Loadable {
  const missing = missingShim();
  if (missing !== null) return { ok: false, reason: missing };
  const result = bpf("prog_load", {
    prog_type: PROGRAM_TYPES.xdp,
    insn_cnt: RETURN_ZERO.length / 8,
    insns: RETURN_ZERO,
    license: encodeText("Dual MIT/GPL"),
  });
  if (result < 0) return { ok: false, reason: reasonOf(result) };
  closeFd(result);
  return { ok: true };
}

function reasonOf(result: number): string {
  const [diagnostic] = kernelError("load a program", result).diagnostics;
  return [diagnostic?.message, diagnostic?.remedy].filter((part) => part !== undefined).join("; ");
}
