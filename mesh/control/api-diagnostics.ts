/** The catalogue of what the agent's socket and its clients complain about. */
import { DiagnosticError } from "ebpf-ts/diag";
import type { Diagnostic } from "ebpf-ts/diag";

// prettier-ignore
export const API_DIAGNOSTICS = {
  Q001: { status: 503, title: "no agent answers",                        remedy: "start one with `ebpf-ts mesh up`, or name its socket with --socket" },
  Q002: { status: 503, title: "the agent's socket may not be used",      remedy: "run it as the user that the agent runs as (root)" },
  Q003: { status: 500, title: "the socket cannot be made",               remedy: "stop the other agent, or give this one another path: at most 107 bytes, in a folder that can be written to" },
  Q004: { status: 400, title: "the request is not understood",           remedy: "see docs/mesh-observe.md for what the agent's socket takes" },
  Q005: { status: 404, title: "there is nothing of that name",           remedy: "see `ebpf-ts mesh endpoints` and `ebpf-ts mesh services` for the names" },
  Q006: { status: 405, title: "the path does not take the method",       remedy: "use one of the expected methods" },
  Q007: { status: 500, title: "the agent failed to answer",              remedy: "see the agent's log" },
  Q008: { status: 502, title: "the agent's answer is not understood",    remedy: "use the command and the agent of one version" },
} as const satisfies Record<string, { status: number; title: string; remedy: string }>;
export type ApiCode = keyof typeof API_DIAGNOSTICS;

/** Codes that say "not on this machine now" rather than "not this request". */
export const AGENT_ABSENT: ReadonlySet<string> = new Set<ApiCode>(["Q001", "Q002"]);

type More = Pick<Diagnostic, "expected" | "found" | "remedy">;

/** To throw. */
export function apiError(code: ApiCode, message: string, more: More = {}): DiagnosticError {
  const { remedy } = API_DIAGNOSTICS[code];
  return new DiagnosticError([{ code, severity: "error", message, place: { kind: "none" }, remedy, ...more }]);
}

/** Of an error that a request ended with: what was wrong with the request, or what the agent refused. */
export function statusOfError(error: unknown): number {
  if (!(error instanceof DiagnosticError)) return API_DIAGNOSTICS.Q007.status;
  const code = error.diagnostics[0]?.code ?? "";
  // What the agent could not do with a request that was in order (an interface that is not there) is the caller's to mend too.
  return code in API_DIAGNOSTICS ? API_DIAGNOSTICS[code as ApiCode].status : 422;
}
