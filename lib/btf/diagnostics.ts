/** The catalogue of what can be wrong with BTF: one row for each code, the default remedy beside it. */
import type { Diagnostic, Place } from "../diag/index.ts";
import { DiagnosticError } from "../diag/index.ts";

// prettier-ignore
export const BTF_DIAGNOSTICS = {
  B001: { title: "not BTF", remedy: "give the raw contents of a .BTF section or of /sys/kernel/btf/vmlinux" },
  B002: { title: "BTF that ends in the middle", remedy: "the data is damaged or cut off: make it again" },
  B003: { title: "BTF of an unknown form", remedy: "make the BTF with a compiler that writes version 1, or report the kind that is missing" },
  B004: { title: "a reference to a type that is not there", remedy: "the data is damaged, or refers to another BTF (split BTF is not read)" },
  B005: { title: "a bad string", remedy: "the data is damaged: names are zero-terminated UTF-8 inside of the string section" },
  B006: { title: "a value that does not fit the wire form", remedy: "make it smaller" },
  B007: { title: "a name that the kernel refuses", remedy: "use a C identifier of at most 127 characters (toIdentifier makes one)" },
  B008: { title: "a type that has no size", remedy: "use a complete type: not void, a function or a forward declaration" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type BtfCode = keyof typeof BTF_DIAGNOSTICS;

/** What a diagnostic may say beside its message; `remedy` replaces the catalogue's. */
export interface Details {
  readonly expected?: string;
  readonly found?: string;
  readonly remedy?: string;
}

/** A diagnostic of the catalogue. */
export function btfProblem(code: BtfCode, message: string, place: Place, details: Details = {}): Diagnostic {
  return { code, severity: "error", message, place, remedy: BTF_DIAGNOSTICS[code].remedy, ...details };
}

/** An error about a byte of encoded BTF. */
export function badBytes(
  code: BtfCode,
  message: string,
  file: string,
  offset: number,
  details: Details = {},
): DiagnosticError {
  return new DiagnosticError([btfProblem(code, message, { kind: "offset", file, offset }, details)]);
}

/** An error about a part of a BTF value: `types[7].members[2]`. */
export function badValue(code: BtfCode, message: string, path: string, details: Details = {}): DiagnosticError {
  return new DiagnosticError([btfProblem(code, message, { kind: "path", file: "BTF", path }, details)]);
}
