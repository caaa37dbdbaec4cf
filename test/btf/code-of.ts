import { DiagnosticError } from "../../lib/diag/index.ts";

/** The code of what `run` throws; anything but a DiagnosticError fails the test. */
export function codeOf(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics[0]?.code ?? "";
    throw error;
  }
}
