/** A `Flow` from what the kernel or the waypoint says, and what the agent knows of the numbers in it. */
import type { Direction, ObjectRef, Protocol } from "../objects/types.ts";
import type { RuleInfo } from "../policy/types.ts";
import { dropReason } from "./drop-reasons.ts";
import { EVENT_KIND } from "./event.ts";
import type { FlowEvent } from "./event.ts";
import type { AccessRecord, Flow, FlowEnd, FlowVerdict } from "./types.ts";

/** What numbers and addresses mean at the moment. Asked once for each flow: answers must be quick. */
export interface FlowContext {
  readonly node: string;
  /** `namespace/name` of the pod that has the address. */
  podAt(address: string): string | undefined;
  /** `namespace/name` of an endpoint of this node. */
  podOf(endpoint: number): string | undefined;
  labelsOf(identity: number): readonly string[];
  rule(number: number): RuleInfo | undefined;
  /** The policies that close the direction for a pod. */
  closedBy(pod: string, direction: Direction): readonly ObjectRef[];
}

const VERDICTS: ReadonlyMap<number, FlowVerdict> = new Map([
  [EVENT_KIND.forwarded, "FORWARDED"],
  [EVENT_KIND.dropped, "DROPPED"],
  [EVENT_KIND.redirected, "REDIRECTED"],
  [EVENT_KIND.audited, "AUDIT"],
  [EVENT_KIND.closed, "FORWARDED"],
  [EVENT_KIND.translated, "TRANSLATED"],
]);

/** IANA numbers. */
const PROTOCOLS: ReadonlyMap<number, Protocol> = new Map([
  [1, "ICMP"],
  [6, "TCP"],
  [17, "UDP"],
  [58, "ICMPv6"],
  [132, "SCTP"],
]);
const TCP = 6;

/** Bits of the TCP header from the lowest. */
const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
const FLAG_SETS: readonly (readonly string[])[] = Array.from({ length: 256 }, (_, bits) =>
  TCP_FLAGS.filter((_flag, i) => (bits & (1 << i)) !== 0),
);

/** POLICY_DENIED: no rule allowed it, so the answer to "why" is who closed the direction. */
const POLICY_DENIED = 133;
const HTTP_FORBIDDEN = 403;

/** `time`: milliseconds since the epoch. */
export function flowOfEvent(event: FlowEvent, context: FlowContext, time: number, sequence: number): Flow {
  const protocol = PROTOCOLS.get(event.protocol) ?? null;
  const icmp = protocol === "ICMP" || protocol === "ICMPv6";
  const hasPorts = protocol !== null && !icmp;
  const direction = event.direction === 0 ? "ingress" : "egress";
  const endpoint = context.podOf(event.endpoint) ?? null;
  const rule = context.rule(event.rule) ?? null;
  const dropped = event.kind === EVENT_KIND.dropped || event.kind === EVENT_KIND.audited;
  const end = (ip: string, port: number, identity: number): FlowEnd =>
    flowEnd(ip, hasPorts ? port : null, identity, context);
  return {
    time,
    sequence,
    node: context.node,
    verdict: VERDICTS.get(event.kind) ?? "FORWARDED",
    reason: dropped ? dropReason(event.reason) : null,
    source: end(event.source, event.sourcePort, event.sourceIdentity),
    destination: end(event.destination, event.destinationPort, event.destinationIdentity),
    protocol,
    protocolNumber: event.protocol,
    direction,
    endpoint,
    isReply: event.isReply,
    tcpFlags: event.protocol === TCP ? (FLAG_SETS[event.tcpFlags] ?? []) : [],
    icmpType: icmp ? event.destinationPort & 0xff : null,
    rule,
    closedBy:
      dropped && event.reason === POLICY_DENIED && rule === null && endpoint !== null
        ? context.closedBy(endpoint, direction)
        : [],
    bytes: event.kind === EVENT_KIND.closed ? event.bytes : event.length,
    replyBytes: event.replyBytes,
    closed: event.kind === EVENT_KIND.closed,
    http: null,
  };
}

/** A request that no HTTP rule allows is a drop to whoever reads the log, as in Hubble; its reason is the status 403. */
export function flowOfAccess(record: AccessRecord, context: FlowContext, sequence: number): Flow {
  const { source, destination } = record;
  return {
    time: record.time,
    sequence,
    node: context.node,
    verdict: record.allowed ? "FORWARDED" : "DROPPED",
    reason: record.allowed || record.http.status !== HTTP_FORBIDDEN ? null : dropReason(POLICY_DENIED),
    source: flowEnd(source.ip, source.port, source.identity, context),
    destination: flowEnd(destination.ip, destination.port, destination.identity, context),
    protocol: "TCP",
    protocolNumber: TCP,
    direction: record.direction,
    endpoint: record.endpoint,
    isReply: false,
    tcpFlags: [],
    icmpType: null,
    rule: context.rule(record.rule) ?? null,
    closedBy: [],
    bytes: record.requestBytes,
    replyBytes: record.responseBytes,
    closed: false,
    http: record.http,
  };
}

function flowEnd(ip: string, port: number | null, identity: number, context: FlowContext): FlowEnd {
  const pod = context.podAt(ip);
  const slash = pod?.indexOf("/") ?? -1;
  return {
    ip,
    port,
    identity,
    labels: context.labelsOf(identity),
    namespace: pod === undefined ? null : pod.slice(0, slash),
    pod: pod === undefined ? null : pod.slice(slash + 1),
  };
}
