/** Structured logs: one JSON document a line, with the time, a level, a message, and whatever belongs to it. */
import type { Diagnostic } from "ebpf-ts/diag";

export type Level = "info" | "warning" | "error";

/** What goes with a message: plain values, so that every line can be read by machines. */
export type Details = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

export interface Log {
  (level: Level, message: string, details?: Details): void;
}

/** @param write - takes a line with its end; default: standard error. */
export function createLog(write: (line: string) => void = (line) => void process.stderr.write(line)): Log {
  return (level, message, details = {}) => {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...details })}\n`);
  };
}

/** From the least to the most important. */
export const LEVELS = ["info", "warning", "error"] as const satisfies readonly Level[];

/** The log without what is less important than `least`. */
export function logFrom(least: Level, log: Log): Log {
  return (level, message, details) => {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(least)) log(level, message, details);
  };
}

/** A diagnostic as a line of the log. */
export function logDiagnostic(log: Log, { code, severity, message, place, remedy }: Diagnostic): void {
  const where = place.kind === "source" ? { file: place.file, line: place.line, column: place.column } : {};
  log(severity, message, { code, ...where, ...(remedy === undefined ? {} : { remedy }) });
}
