/** The catalogue of what can be wrong with an ELF object: one row for each code, the default remedy beside it. */
import type { Diagnostic, Place } from "../diag/index.ts";
import { DiagnosticError } from "../diag/index.ts";

// prettier-ignore
export const ELF_DIAGNOSTICS = {
  E001: { title: "not an eBPF object", remedy: "give an object that clang -target bpf, ebpf-ts build or another eBPF compiler wrote" },
  E002: { title: "an object that ends in the middle", remedy: "the file is damaged or cut off: make it again" },
  E003: { title: "a damaged object", remedy: "the file is damaged: make it again" },
  E004: { title: "a map definition that cannot be read", remedy: "define maps in SEC(\".maps\") with __uint and __type" },
  E005: { title: "a legacy map definition that cannot be read", remedy: "move the maps from SEC(\"maps\") to BTF definitions in SEC(\".maps\"), and compile with -g" },
  E006: { title: "a relocation that is not supported", remedy: "refer to maps, global data and functions of this object only" },
  E007: { title: "a program that cannot be read", remedy: "give each program a function symbol that covers it" },
  E010: { title: "CO-RE relocations are not applied", remedy: "adapt the object to the types of the kernel it runs on (adaptObject, --btf): until then its code has the offsets it was compiled with" },
  E011: { title: "an unknown section name", remedy: "rename the section, or tell the program type when loading" },
  E012: { title: "a map attribute that is ignored", remedy: "set it when loading" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type ElfCode = keyof typeof ELF_DIAGNOSTICS;

export interface Details {
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;
}

/** A diagnostic of the catalogue. */
export function elfProblem(
  code: ElfCode,
  severity: Diagnostic["severity"],
  message: string,
  place: Place,
  details: Details = {},
): Diagnostic {
  return { code, severity, message, place, remedy: ELF_DIAGNOSTICS[code].remedy, ...details };
}

/** An error about a byte of the file. */
export function elfError(
  code: ElfCode,
  message: string,
  file: string,
  offset: number,
  details: Details = {},
): DiagnosticError {
  return new DiagnosticError([elfProblem(code, "error", message, { kind: "offset", file, offset }, details)]);
}
