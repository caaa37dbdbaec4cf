/** What can be wrong with services. None of it stops the others. */
import type { Diagnostic } from "ebpf-ts/diag";

// prettier-ignore
export const SERVICE_DIAGNOSTICS = {
  S001: { title: "two services have the same address, port and protocol", remedy: "give one of them another address; until then the one that has had it keeps it" },
  S002: { title: "a service's target port is no port of a pod",           remedy: "name the port in the pod's containers, or use its number" },
  S003: { title: "more services than the kernel's maps hold",             remedy: "split the cluster: connections to a service that did not fit are not translated" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type ServiceCode = keyof typeof SERVICE_DIAGNOSTICS;

export function serviceProblem(code: ServiceCode, message: string): Diagnostic {
  return { code, severity: "warning", message, place: { kind: "none" }, remedy: SERVICE_DIAGNOSTICS[code].remedy };
}
