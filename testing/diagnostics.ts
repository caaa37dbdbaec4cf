/** The catalogue of this folder's diagnostics: tests that ask for what cannot be. What a program does wrong is a result. */
import { DiagnosticError } from "../lib/diag/index.ts";
import type { Diagnostic } from "../lib/diag/index.ts";

// prettier-ignore
export const TESTING_DIAGNOSTICS = {
  T001: { title: "the object has no such program, or several",      remedy: "name one of the expected programs: loadProgram(source, { program })" },
  T002: { title: "an event that the kernel's test run cannot play", remedy: "run this one against the simulated machine, or on real sockets" },
  T003: { title: "programs cannot be loaded into this kernel",      remedy: "run the tests as root, or skip them: targets() says which can run" },
  T004: { title: "a change to something that the object lacks",     remedy: "take one of the expected names" },
  T005: { title: "an interface that has no number",                 remedy: "give its number to loadProgram: { interfaces: { eth0: 2 } }" },
  T006: { title: "an assertion about something else",               remedy: "give what run(), map() or events() gave" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type TestingCode = keyof typeof TESTING_DIAGNOSTICS;

/** An error of the catalogue, to throw; `remedy` replaces the catalogue's. */
export function testingError(
  code: TestingCode,
  message: string,
  more: Pick<Diagnostic, "expected" | "found" | "remedy"> = {},
): DiagnosticError {
  const { remedy } = TESTING_DIAGNOSTICS[code];
  return new DiagnosticError([{ code, severity: "error", message, place: { kind: "none" }, remedy, ...more }]);
}
