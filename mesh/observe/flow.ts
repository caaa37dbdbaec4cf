/** A `Flow` from what the kernel or the waypoint says, and what the agent knows of the numbers in it. */
import { typeName } from "../dns/message.ts";
import type { DnsRecord } from "../dns/messages.ts";
import type { Direction, ObjectRef, Protocol } from "../objects/types.ts";
import type { RuleInfo } from "../policy/types.ts";
import { REFUSALS } from "../waypoint/http1/refusals.ts";
import type { Refusal } from "../waypoint/http1/refusals.ts";
import type { AccessRecord, Failure } from "../waypoint/types.ts";
import { dropReason } from "./drop-reasons.ts";
import { EVENT_KIND } from "./event.ts";
import type { FlowEvent } from "./event.ts";
import type { Flow, FlowEnd, FlowVerdict } from "./types.ts";

/** What numbers and addresses mean at the moment. Asked once for each flow: answers must be quick. */
export interface FlowContext {
  readonly node: string;
  /** `namespace/name` of the pod that has the address. */
  podAt(address: string): string | undefined;
  /** `namespace/name` of the service that has the address. */
  serviceAt(address: string): string | undefined;
  /** `namespace/name` of an endpoint of this node. */
  podOf(endpoint: number): string | undefined;
  identityOf(address: string): number;
  labelsOf(identity: number): readonly string[];
  rule(number: number): RuleInfo | undefined;
  /** Numbers of the rules of a set of HTTP rules (Verdict.l7). */
  httpRules(number: number): readonly number[];
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
const UDP = 17;

/** Bits of the TCP header from the lowest. */
const TCP_FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
const FLAG_SETS: readonly (readonly string[])[] = Array.from({ length: 256 }, (_, bits) =>
  TCP_FLAGS.filter((_flag, i) => (bits & (1 << i)) !== 0),
);

/** No rule allowed it, so the answer to "why" is who closed the direction. */
const POLICY_DENIED = 133;
const INVALID_PACKET = 134;

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
    asked: [],
    bytes: event.kind === EVENT_KIND.closed ? event.bytes : event.length,
    replyBytes: event.replyBytes,
    closed: event.kind === EVENT_KIND.closed,
    http: null,
    dns: null,
  };
}

// prettier-ignore
const REQUEST_VERDICTS: Record<AccessRecord["verdict"], { readonly verdict: FlowVerdict; readonly reason: number | null }> = {
  forwarded: { verdict: "FORWARDED", reason: null },
  denied:    { verdict: "DROPPED",   reason: POLICY_DENIED },
  refused:   { verdict: "DROPPED",   reason: INVALID_PACKET },
  failed:    { verdict: "ERROR",     reason: null },
};

/** A request that no HTTP rule allows is a drop to whoever reads the log, as in Hubble; the rules are those of the connection. */
export function flowOfAccess(record: AccessRecord, context: FlowContext, sequence: number): Flow {
  const { direction, client, destination, identity, endpoint, l7 } = record.origin;
  const { verdict, reason } = REQUEST_VERDICTS[record.verdict];
  const asked = context.httpRules(l7).flatMap((number) => context.rule(number) ?? []);
  // What the kernel told is the other end's; the endpoint's own is known by its address.
  const end = ({ address, port }: AccessRecord["origin"]["client"], isOther: boolean): FlowEnd =>
    flowEnd(address, port, isOther ? identity : context.identityOf(address), context);
  return {
    time: record.time,
    sequence,
    node: context.node,
    verdict,
    reason: reason === null ? null : dropReason(reason),
    source: end(client, direction === "ingress"),
    destination: end(destination, direction === "egress"),
    protocol: "TCP",
    protocolNumber: TCP,
    direction,
    endpoint: context.podOf(endpoint) ?? null,
    isReply: false,
    tcpFlags: [],
    icmpType: null,
    rule: context.rule(record.rule) ?? asked[0] ?? null,
    closedBy: [],
    asked,
    bytes: record.requestBytes,
    replyBytes: record.responseBytes,
    closed: false,
    http: {
      method: record.method,
      path: record.path,
      host: record.host,
      version: "HTTP/1.1",
      status: record.status,
      milliseconds: record.duration,
      failure: record.failure === null || record.failure === "denied" ? null : failureText(record.failure),
    },
    dns: null,
  };
}

// prettier-ignore
const QUESTION_FAILURES: Record<DnsRecord["verdict"], string | null> = {
  forwarded: null, denied: null, refused: "no DNS question", failed: "no answer of the server",
};

/** A question that no DNS rule allows is a drop to whoever reads the log, as in Hubble. */
export function flowOfDns(record: DnsRecord, context: FlowContext, sequence: number): Flow {
  const { verdict, reason } = REQUEST_VERDICTS[record.verdict];
  const rule = context.rule(record.rule) ?? null;
  const end = ({ address, port }: DnsRecord["client"]): FlowEnd =>
    flowEnd(address, port, context.identityOf(address), context);
  const { query, rcode, addresses, ttl, duration } = record;
  return {
    time: record.time,
    sequence,
    node: context.node,
    verdict,
    reason: reason === null ? null : dropReason(reason),
    source: end(record.client),
    destination: end(record.server),
    protocol: "UDP",
    protocolNumber: UDP,
    direction: "egress",
    endpoint: context.podOf(record.endpoint) ?? null,
    isReply: false,
    tcpFlags: [],
    icmpType: null,
    rule,
    closedBy: [],
    asked: rule === null ? [] : [rule],
    bytes: 0,
    replyBytes: 0,
    closed: false,
    http: null,
    dns: {
      ...{ query, rcode, addresses, ttl },
      type: typeName(record.type),
      milliseconds: duration,
      failure: QUESTION_FAILURES[record.verdict],
    },
  };
}

// prettier-ignore
const FAILURES: Record<Exclude<Failure, Refusal | "denied">, string> = {
  policyGone:    "its policy is gone",
  connectFailed: "no connection to the server",
  upstreamReset: "the server reset the connection",
  clientReset:   "the client reset the connection",
  headTimeout:   "no complete head in time",
  idleTimeout:   "the connection was idle for too long",
};

function failureText(failure: Exclude<Failure, "denied">): string {
  return failure in REFUSALS ? REFUSALS[failure as Refusal].says : FAILURES[failure as keyof typeof FAILURES];
}

function flowEnd(ip: string, port: number | null, identity: number, context: FlowContext): FlowEnd {
  const pod = context.podAt(ip);
  const service = pod === undefined ? (context.serviceAt(ip) ?? null) : null;
  const slash = pod?.indexOf("/") ?? -1;
  return {
    ip,
    port,
    identity,
    labels: context.labelsOf(identity),
    namespace: pod === undefined ? null : pod.slice(0, slash),
    pod: pod === undefined ? null : pod.slice(slash + 1),
    service,
  };
}
