/**
 * Why a packet was dropped: the numbers that the kernel programs give (`DropReason` of programs/mesh/tables.ts) and their
 * names. Numbers below 220 are Cilium's, with its texts (metrics, terminal) and Hubble's names (flow JSON), so that existing
 * dashboards and tools read ours; from 220 on they are our own. Source: cilium/cilium bpf/lib/drop_reasons.h,
 * pkg/monitor/api/drop.go, api/v1/flow/flow.proto.
 */

export interface DropReason {
  readonly number: number;
  /** As in programs/mesh/tables.ts. */
  readonly key: string;
  /** As Cilium's metrics and monitor write it. */
  readonly text: string;
  /** Value of Hubble's `drop_reason_desc`. */
  readonly hubble: string;
  /** What a person should know of it, one sentence. */
  readonly meaning: string;
}

// prettier-ignore
export const DROP_REASONS = [
  { number: 132, key: "InvalidSource",   text: "Invalid source ip",         hubble: "INVALID_SOURCE_IP",       meaning: "a pod used a source address that is not its own" },
  { number: 133, key: "PolicyDenied",    text: "Policy denied",             hubble: "POLICY_DENIED",           meaning: "policies closed the direction and no rule allows the flow" },
  { number: 134, key: "InvalidPacket",   text: "Invalid packet",            hubble: "INVALID_PACKET_DROPPED",  meaning: "headers are cut short or contradict each other" },
  { number: 139, key: "UnsupportedL3",   text: "Unsupported L3 protocol",   hubble: "UNSUPPORTED_L3_PROTOCOL", meaning: "neither IPv4, IPv6 nor ARP" },
  { number: 142, key: "UnsupportedL4",   text: "Unknown L4 protocol",       hubble: "UNKNOWN_L4_PROTOCOL",     meaning: "a transport protocol that policies cannot name" },
  { number: 155, key: "FlowTableFull",   text: "CT: Map insertion failed",  hubble: "CT_MAP_INSERTION_FAILED", meaning: "the table of flows took no further entry" },
  { number: 156, key: "InvalidExtension", text: "Invalid IPv6 extension header", hubble: "INVALID_IPV6_EXTENSION_HEADER", meaning: "IPv6 extension headers are cut short or too many" },
  { number: 158, key: "NoBackend",       text: "Service backend not found", hubble: "SERVICE_BACKEND_NOT_FOUND", meaning: "the service has no ready backend" },
  { number: 175, key: "FragmentNotFound", text: "First logical datagram fragment not found", hubble: "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND", meaning: "a later fragment came without its first one, and ports decide" },
  { number: 181, key: "PolicyDeny",      text: "Policy denied by denylist", hubble: "POLICY_DENY",             meaning: "a deny rule matched" },
  { number: 220, key: "WaypointDown",    text: "Waypoint not available",    hubble: "WAYPOINT_DOWN",           meaning: "the flow has HTTP rules and nothing is there to check them" },
  { number: 221, key: "LockedDown",      text: "Endpoint locked down",      hubble: "ENDPOINT_LOCKED_DOWN",    meaning: "the endpoint's policy did not fit into the maps" },
  { number: 222, key: "UnknownEndpoint", text: "Unknown endpoint",          hubble: "UNKNOWN_ENDPOINT",        meaning: "the device belongs to no registered endpoint, or it has no policy yet" },
  { number: 223, key: "Prefilter",       text: "Denied by prefilter",       hubble: "PREFILTER_DENIED",        meaning: "every endpoint of the node denies the source prefix; dropped at the device" },
] as const satisfies readonly DropReason[];

const BY_NUMBER: ReadonlyMap<number, DropReason> = new Map(DROP_REASONS.map((r) => [r.number, r]));

/** The row of a number; a number that the table lacks (a newer kernel program) is told as such, never hidden. */
export function dropReason(number: number): DropReason {
  return (
    BY_NUMBER.get(number) ?? {
      number,
      key: String(number),
      text: String(number),
      hubble: "DROP_REASON_UNKNOWN",
      meaning: "a reason that this version does not know",
    }
  );
}

/** Finds a reason by number, text, key or Hubble's name, in any case; undefined: there is none. */
export function findDropReason(text: string): DropReason | undefined {
  const wanted = text.toLowerCase();
  return DROP_REASONS.find((r) => [String(r.number), r.key, r.text, r.hubble].some((t) => t.toLowerCase() === wanted));
}
