import { DiagnosticError } from "../../../lib/diag/index.ts";

/** The code of the diagnostic that it throws; "none" when it does not. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof DiagnosticError) return error.diagnostics[0]?.code ?? "";
    throw error;
  }
  return "none";
}
