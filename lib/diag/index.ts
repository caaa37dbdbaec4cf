export type { Diagnostic, Place } from "./diagnostic.ts";
export { DiagnosticError, formatDiagnostic, formatPlace } from "./diagnostic.ts";
