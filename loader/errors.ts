/**
 * What can go wrong in the loader, as data. Every error is a `DiagnosticError`: it carries code, message, place and remedy.
 *
 * `KernelError` adds the error number of the refused system call, `VerifierError` (verifier.ts) the program and its log.
 */
import { DiagnosticError } from "../lib/diag/index.ts";
import type { Diagnostic, Place } from "../lib/diag/index.ts";
import { describeErrno } from "./sys/errno.ts";

/** The catalogue: what each code means. */
export const LOADER_CODES = {
  L001: "the kernel cannot be reached from here (no shim, not Linux)",
  L002: "the kernel refused a request",
  // L003 was the verifier's: its errors have the codes of reasons now (lib/verifier/reasons).
  L004: "the loader was asked for something that does not exist or does not fit",
  L005: "the object asks for a map that cannot be made",
  L006: "the kernel rejected the object's type information",
} as const;
export type LoaderCode = keyof typeof LOADER_CODES;

const NOWHERE: Place = { kind: "none" };

/** An error with one diagnostic of this code. */
export function loaderError(code: LoaderCode, message: string, more: Partial<Diagnostic> = {}): DiagnosticError {
  return new DiagnosticError([{ code, severity: "error", message, place: NOWHERE, ...more }]);
}

/** The kernel refused a system call. */
export class KernelError extends DiagnosticError {
  /** Positive error number. */
  readonly errno: number;
  /** `"EPERM"` and the like. */
  readonly errnoName: string;

  constructor(errno: number, diagnostic: Diagnostic) {
    super([diagnostic]);
    this.name = "KernelError";
    this.errno = errno;
    this.errnoName = describeErrno(errno).name;
  }
}

/**
 * @param what - what was being done, to be read after "cannot": `create map "flows"`.
 * @param result - the negated error number, as the shim returns it.
 */
export function kernelError(what: string, result: number, more: Partial<Diagnostic> = {}): KernelError {
  const { name, text, remedy } = describeErrno(-result);
  return new KernelError(-result, {
    code: "L002",
    severity: "error",
    message: `cannot ${what}: ${text} (${name})`,
    place: NOWHERE,
    ...(remedy === undefined ? {} : { remedy }),
    ...more,
  });
}

/** The result, or a thrown `KernelError` when it is a failure. */
export function check(result: number, what: string, more: Partial<Diagnostic> = {}): number {
  if (result < 0) throw kernelError(what, result, more);
  return result;
}
