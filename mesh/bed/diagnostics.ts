/** The catalogue of the test bed's diagnostics, and its errors. */
import { DiagnosticError } from "ebpf-ts/diag";
import type { Diagnostic } from "ebpf-ts/diag";

/** `blames`: whether the machine lacks something, or the description asks for what there cannot be. */
// prettier-ignore
export const BED_DIAGNOSTICS = {
  H001: { blames: "machine", title: "an outside command is missing",                 remedy: "install the package that the message names" },
  H002: { blames: "machine", title: "the test bed needs root",                       remedy: "run it as root (sudo), or in a privileged container" },
  H003: { blames: "machine", title: "no cgroup v2 hierarchy is mounted",             remedy: "mount one: mount -t cgroup2 none /sys/fs/cgroup/unified" },
  H004: { blames: "machine", title: "an outside command failed",                     remedy: "the test bed needs root (or CAP_SYS_ADMIN and CAP_NET_ADMIN) in a machine that allows namespaces" },
  H005: { blames: "machine", title: "a process of the test bed failed",              remedy: "run `npm run build`, and see what it complains about" },
  H006: { blames: "input",   title: "the cluster cannot be made of namespaces",      remedy: "give each pod a node that there is and addresses of its own" },
  H007: { blames: "machine", title: "namespaces cannot be entered",                  remedy: "install a C compiler (Debian: gcc libc6-dev), then: npm rebuild ebpf-ts" },
} as const satisfies Record<string, { blames: "machine" | "input"; title: string; remedy: string }>;
export type BedCode = keyof typeof BED_DIAGNOSTICS;

/** A diagnostic of the catalogue; `more.remedy` replaces the catalogue's. */
export function bedDiagnostic(
  code: BedCode,
  message: string,
  more: Pick<Diagnostic, "expected" | "found" | "remedy"> = {},
): Diagnostic {
  return { code, severity: "error", message, place: { kind: "none" }, remedy: BED_DIAGNOSTICS[code].remedy, ...more };
}

/** The same, to throw. */
export function bedError(...diagnostic: Parameters<typeof bedDiagnostic>): DiagnosticError {
  return new DiagnosticError([bedDiagnostic(...diagnostic)]);
}
