/** The catalogue of the datapath's and the agent's diagnostics, and their errors. */
import { DiagnosticError } from "ebpf-ts/diag";
import type { Diagnostic } from "ebpf-ts/diag";

// prettier-ignore
export const AGENT_DIAGNOSTICS = {
  N001: { title: "programs cannot be loaded here",                       remedy: "run the agent as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN" },
  N002: { title: "a program that the mesh cannot do without was refused", remedy: "see `ebpf-ts mesh status` for what this kernel has" },
  N003: { title: "the folder is no bpffs",                               remedy: "mount one: mount -t bpf bpf /sys/fs/bpf" },
  N004: { title: "another agent works on the same bpffs folder",         remedy: "stop it, or give this one a folder of its own" },
  N005: { title: "there is no room for another endpoint",                remedy: "a node has at most 4,095; remove some" },
  N006: { title: "an address cannot be read",                            remedy: "write IPv4 as a.b.c.d, IPv6 as RFC 4291 says, prefixes with /length" },
  N007: { title: "an endpoint's policy does not fit into the maps: everything to and from it is denied", remedy: "fewer peers or ports per policy; see `ebpf-ts mesh status` for the sizes" },
  N008: { title: "addresses do not fit into the maps: traffic with them is denied", remedy: "fewer pods and CIDRs; see `ebpf-ts mesh status` for the sizes" },
  N009: { title: "a map is nearly full",                                 remedy: "what will not fit is denied; see `ebpf-ts mesh status` for the sizes" },
  N010: { title: "the kernel was not as the agent had left it, and was repaired", remedy: "find out who removes or replaces the mesh's links and maps" },
  N011: { title: "a map's layout has changed",                           remedy: "nothing to do: the message says whether its entries were carried over" },
  N012: { title: "a registration cannot be honoured",                    remedy: "register the host side of the pod's veth, its network namespace and its addresses" },
  N013: { title: "there is no such endpoint",                            remedy: "see `ebpf-ts mesh endpoints`" },
  N014: { title: "the agent's state cannot be read",                     remedy: "remove the file that the message names: registrations are lost, the kernel's policy stays until then" },
  N015: { title: "the programs have no map of that name",                remedy: "agent and programs belong to different versions: build both" },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type AgentCode = keyof typeof AGENT_DIAGNOSTICS;

/** A diagnostic of the catalogue; `remedy` replaces the catalogue's. */
export function agentDiagnostic(
  code: AgentCode,
  message: string,
  more: Pick<Diagnostic, "expected" | "found" | "remedy"> & { readonly severity?: Diagnostic["severity"] } = {},
): Diagnostic {
  return { code, severity: "error", message, place: { kind: "none" }, remedy: AGENT_DIAGNOSTICS[code].remedy, ...more };
}

/** To throw. */
export function agentError(...args: Parameters<typeof agentDiagnostic>): DiagnosticError {
  return new DiagnosticError([agentDiagnostic(...args)]);
}
