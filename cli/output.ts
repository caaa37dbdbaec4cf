/**
 * Where a command's words go. Without `--json`, results are text on standard output. With it, standard output carries
 * JSON only, one document a line, and the text goes to standard error, so that both can be had at once.
 */
import { DiagnosticError, formatDiagnostic } from "../lib/diag/index.ts";
import type { Diagnostic } from "../lib/diag/index.ts";
import { formatHex } from "../lib/packet/index.ts";
import { AGENT_ABSENT } from "../mesh/control/api-diagnostics.ts";
import { BED_DIAGNOSTICS } from "../mesh/bed/diagnostics.ts";
import type { BedCode } from "../mesh/bed/diagnostics.ts";
import { EnvironmentError, UsageError, cliDiagnostic, usageError } from "./diagnostics.ts";
import { EXIT } from "./exit.ts";

/** The streams of the process; tests give their own. */
export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether standard output shows colours: a terminal, and nobody said NO_COLOR (no-color.org). */
  readonly colours?: boolean;
  /** For commands that talk with their user; made when first asked for. */
  readonly conversation?: () => Conversation;
}

/** Lines that somebody types, or that come through a pipe. */
export interface Conversation {
  /** Whether somebody sits there: a prompt is shown, and what is typed can be seen. */
  readonly interactive: boolean;
  /** The next line, null at the end of the input, INTERRUPTED after Ctrl-C. */
  ask(prompt: string): Promise<string | null | typeof INTERRUPTED>;
  close(): void;
}
export const INTERRUPTED = Symbol("interrupted");

export interface Output {
  readonly json: boolean;
  /** Whether `say` may paint. */
  readonly colours: boolean;
  /** A line (or several) for people. */
  say(text: string): void;
  /** A line for people that is no result: progress, warnings. Always standard error. */
  note(text: string): void;
  /** A document for programs; nothing without `--json`. */
  emit(value: unknown): void;
  /** Throws where there is no input. */
  conversation(): Conversation;
}

export function createOutput(io: Io, json: boolean): Output {
  return {
    json,
    colours: io.colours === true && !json,
    say: (text) => (json ? io.stderr : io.stdout)(`${text}\n`),
    note: (text) => io.stderr(`${text}\n`),
    emit: (value) => {
      if (json) io.stdout(`${toJson(value)}\n`);
    },
    conversation: () => {
      if (io.conversation === undefined) throw usageError("the command needs an input to read from");
      return io.conversation();
    },
  };
}

/** JSON with bytes as hexadecimal text, 64-bit integers as decimal text when a number cannot hold them, maps as objects. */
export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, (_key, item: unknown) => plain(item), indent);
}

function plain(item: unknown): unknown {
  if (typeof item === "bigint") return Number.isSafeInteger(Number(item)) ? Number(item) : item.toString();
  if (item instanceof Uint8Array) return formatHex(item);
  if (item instanceof Map) return Object.fromEntries(item);
  return item;
}

/** Prints diagnostics: text on standard error, and with `--json` a document `{ ok: false, diagnostics }`. */
export function report(out: Output, diagnostics: readonly Diagnostic[]): void {
  for (const diagnostic of diagnostics) out.note(formatDiagnostic(diagnostic));
  out.emit({ ok: false, diagnostics });
}

/** Turns whatever a command threw into words and an exit code. No stack traces: those are for `EBPF_TS_DEBUG=1`. */
export function reportError(out: Output, error: unknown): number {
  if (process.env["EBPF_TS_DEBUG"] === "1" && error instanceof Error) out.note(error.stack ?? error.message);
  if (error instanceof DiagnosticError) {
    report(out, error.diagnostics);
    if (error instanceof UsageError) return EXIT.usage;
    return isEnvironment(error) ? EXIT.environment : EXIT.input;
  }
  report(out, [cliDiagnostic("X001", `internal error: ${error instanceof Error ? error.message : String(error)}`)]);
  return EXIT.input;
}

/** Error numbers that say "not on this machine, or not with these rights" rather than "not this input". */
const ENVIRONMENT_ERRNOS = new Set(["EPERM", "EACCES", "ENOSYS", "EOPNOTSUPP"]);

function isEnvironment(error: DiagnosticError): boolean {
  if (error instanceof EnvironmentError) return true;
  // The loader: L001 is "the kernel cannot be reached", L002 a refused call with its error number.
  const code = error.diagnostics[0]?.code;
  if (code === "L001") return true;
  if (code !== undefined && AGENT_ABSENT.has(code)) return true;
  if (code !== undefined && code in BED_DIAGNOSTICS) return BED_DIAGNOSTICS[code as BedCode].blames === "machine";
  return code === "L002" && "errnoName" in error && ENVIRONMENT_ERRNOS.has(String(error.errnoName));
}
