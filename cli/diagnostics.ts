/** The catalogue of this folder's diagnostics, and their errors. Which of them is thrown decides the exit code. */
import { DiagnosticError } from "../lib/diag/index.ts";
import type { Diagnostic } from "../lib/diag/index.ts";

// prettier-ignore
export const CLI_DIAGNOSTICS = {
  I001: { title: "a file cannot be read",                             remedy: "check the path" },
  I002: { title: "the object has no program of that name",            remedy: "take one of the expected names" },
  I003: { title: "a program faulted in the interpreter",              remedy: "the kernel's verifier would refuse the program; check the pointer or the length at this line" },
  I004: { title: "what --maps or --context says does not fit",        remedy: "see `ebpf-ts run --help` for the form" },
  I005: { title: "a file cannot be written",                          remedy: "check the path and its permissions" },
  I006: { title: "there are no tests",                                remedy: "see `ebpf-ts test --help` for what a test is called" },
  M006: { title: "programs cannot be loaded here",                    remedy: "run it as root (sudo), or with CAP_BPF and CAP_NET_ADMIN" },
  M007: { title: "nothing runs the tests",                            remedy: "npm install --save-dev vitest, or build the tests and run the command again" },
  M008: { title: "the running kernel cannot be looked at",             remedy: "name a release (--kernel 6.18), or give the kernel's types with --btf" },
  U001: { title: "the command line asks for what cannot be done",     remedy: "see --help" },
  X001: { title: "a fault of ebpf-ts itself",                         remedy: "run it again with EBPF_TS_DEBUG=1 and report what it prints" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type CliCode = keyof typeof CLI_DIAGNOSTICS;

/** `remedy` replaces the catalogue's. */
export type More = Pick<Diagnostic, "expected" | "found" | "remedy"> & { readonly place?: Diagnostic["place"] };

/** What is wrong is not the input but the machine. */
export class EnvironmentError extends DiagnosticError {}

/** The command line asks for something that does not go together; exit code 2. */
export class UsageError extends DiagnosticError {}

/** A diagnostic of the catalogue. */
export function cliDiagnostic(code: CliCode, message: string, more: More = {}): Diagnostic {
  return { code, severity: "error", message, place: { kind: "none" }, remedy: CLI_DIAGNOSTICS[code].remedy, ...more };
}

/** The input is wrong; to throw. */
export function inputError(code: CliCode, message: string, more: More = {}): DiagnosticError {
  return new DiagnosticError([cliDiagnostic(code, message, more)]);
}

/** The machine lacks something; to throw. */
export function environmentError(code: CliCode, message: string, more: More = {}): EnvironmentError {
  return new EnvironmentError([cliDiagnostic(code, message, more)]);
}

/** The command line is wrong; to throw. */
export function usageError(message: string): UsageError {
  return new UsageError([cliDiagnostic("U001", message)]);
}
