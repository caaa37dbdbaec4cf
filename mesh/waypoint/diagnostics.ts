/** The catalogue of the waypoint's diagnostics. */
import type { Diagnostic } from "ebpf-ts/diag";

// prettier-ignore
export const WAYPOINT_DIAGNOSTICS = {
  W001: { title: "the waypoint cannot listen in a pod's namespace",      remedy: "flows of the pod that need HTTP rules are denied until it can; see whether the namespace is still there and its loopback is up" },
  W002: { title: "the waypoint's process ended by itself",               remedy: "it is started again, and flows that need it are denied meanwhile; report what it printed" },
  W003: { title: "HTTP rules cannot be compiled",                        remedy: "requests that they would decide are denied; see the pattern that the message names" },
  W004: { title: "a connection came to the waypoint that no policy sent", remedy: "somebody dialled the waypoint's own port; it was closed" },
  W005: { title: "the waypoint cannot open the maps of the datapath",    remedy: "start the agent again" },
  W006: { title: "the waypoint cannot ask a DNS server for a pod",       remedy: "the pod's questions are answered with SERVFAIL meanwhile; see whether its namespace and addresses are still there" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type WaypointCode = keyof typeof WAYPOINT_DIAGNOSTICS;

/** A diagnostic of the catalogue; a warning, since what needs the waypoint is denied until it works. */
export function waypointDiagnostic(code: WaypointCode, message: string): Diagnostic {
  const { remedy } = WAYPOINT_DIAGNOSTICS[code];
  return { code, severity: "warning", message, place: { kind: "none" }, remedy };
}
