/** The catalogue of this folder's diagnostics: mistakes of the caller. What a program does wrong is a `Fault` (fault.ts). */
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic } from "../diag/index.ts";

// prettier-ignore
export const VM_DIAGNOSTICS = {
  V001: { title: "a map type that is not simulated",        remedy: "run the program against the kernel, or use one of the expected types" },
  V002: { title: "a map that the kernel would not create",  remedy: "correct the map's definition" },
  V003: { title: "a map that the object does not have",     remedy: "use one of the expected names" },
  V004: { title: "an operation that this map does not have", remedy: "use the operation that fits the map's type" },
  V005: { title: "a key or value of the wrong length",      remedy: "pass exactly as many bytes as the map's definition says (a per-CPU value: for each CPU, rounded up to 8)" },
  V006: { title: "a map operation failed",                  remedy: "the message has the error that bpf(2) gives in this case" },
  V007: { title: "a context field that cannot be set so",   remedy: "use one of the expected field names and values" },
  V008: { title: "a program type that is not simulated",    remedy: "run the program against the kernel, or use one of the expected types" },
  V009: { title: "an input that does not fit",              remedy: "leave it out, or use one of the expected values" },
  V010: { title: "simulated memory is used up",             remedy: "use smaller maps: all of them share 4 GiB" },
  V011: { title: "not an IP address",                       remedy: "write 10.0.0.1 or fd00::1" },
  V012: { title: "a program that the object does not have", remedy: "use one of the expected names" },
  V013: { title: "a network interface that is not there",   remedy: "use one of the expected names, or make it first" },
  V014: { title: "a place that takes no such program",      remedy: "attach it where its section says" },
  V015: { title: "an engine that cannot be watched",        remedy: "leave the engine out: the interpreter can be watched" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type VmCode = keyof typeof VM_DIAGNOSTICS;

/** An error of the catalogue, to throw; `more` adds what was expected and found. */
export function vmError(
  code: VmCode,
  message: string,
  more: { expected?: string; found?: string } = {},
): DiagnosticError {
  // prettier-ignore
  const diagnostic: Diagnostic = { code, severity: "error", message, place: { kind: "none" }, remedy: VM_DIAGNOSTICS[code].remedy, ...more };
  return new DiagnosticError([diagnostic]);
}
