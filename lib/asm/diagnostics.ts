/** The catalogue of this folder's diagnostics: one row per code, the remedy beside it. */
import type { Diagnostic, Place } from "../diag/index.ts";

// prettier-ignore
export const ASM_DIAGNOSTICS = {
  A001: { title: "the code is not made of 8-byte slots",       remedy: "pass the whole instruction section; each instruction has 8 bytes, a 64-bit immediate load 16" },
  A002: { title: "not an instruction",                         remedy: "check that these bytes are eBPF code (little-endian) and that the code starts at a slot" },
  A003: { title: "a reserved field is not zero",               remedy: "clear the field: RFC 9669 reserves it and the kernel refuses the program" },
  A004: { title: "no such variant of the instruction",         remedy: "use one of the expected values" },
  A005: { title: "not a register",                             remedy: "use r0 to r10" },
  A006: { title: "the second half of a 64-bit load is wrong",  remedy: "a 64-bit immediate load has two slots; all bytes of the second but its last four are zero" },
  A007: { title: "an operand does not fit",                    remedy: "use a value in the expected range, or load it into a register first" },
  A008: { title: "an instruction that has no encoding",        remedy: "use a variant that lib/isa/table.ts has" },
  A009: { title: "a program that is not in the object",        remedy: "use one of the expected names" },
  A010: { title: "a function that is not in the object",       remedy: "define the function in the object or remove the call" },
  A011: { title: "a map that is not in the object",            remedy: "define the map in the object" },
  A012: { title: "a relocation that does not fit its place",   remedy: "a call relocation belongs to a `call`, the others to a 64-bit immediate load" },
  A013: { title: "two functions of one name",                  remedy: "rename one of them" },
  A014: { title: "not an assembly statement",                  remedy: "write the notation that `bpftool prog dump xlated` prints, for instance `r1 = *(u32 *)(r1 +4)`" },
  A015: { title: "an unknown label",                           remedy: "define it as `name:` in front of an instruction" },
  A016: { title: "a label defined twice",                      remedy: "rename one of them" },
  A017: { title: "an unknown helper function",                 remedy: "helpers are listed in lib/kernel/helper-names.ts; a label is defined as `name:`" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type AsmCode = keyof typeof ASM_DIAGNOSTICS;

/** An error of the catalogue at a place; `more` adds what was expected and found, or another remedy. */
export function asmError(
  code: AsmCode,
  place: Place,
  message: string,
  more: { expected?: string; found?: string; remedy?: string } = {},
): Diagnostic {
  return { code, severity: "error", message, place, remedy: ASM_DIAGNOSTICS[code].remedy, ...more };
}
