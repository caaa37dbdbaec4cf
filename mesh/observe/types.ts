/** Flows as people and tools read them: what `events` of the kernel and the waypoint's access log become. Plain values. */
import type { Direction, ObjectRef, Place, Protocol } from "../objects/types.ts";
import type { DropReason } from "./drop-reasons.ts";

/** Hubble's verdicts, as far as the mesh has them. */
export type FlowVerdict = "FORWARDED" | "DROPPED" | "REDIRECTED" | "AUDIT" | "TRANSLATED" | "ERROR";

/** One end of a flow. */
export interface FlowEnd {
  /** Canonical text. */
  readonly ip: string;
  /** Null: the protocol has none. */
  readonly port: number | null;
  readonly identity: number;
  /** Of the identity, as `k8s:app=backend`, sorted. */
  readonly labels: readonly string[];
  /** Null: no pod. */
  readonly namespace: string | null;
  readonly pod: string | null;
  /** `namespace/name` of the service whose address it is; null: none's. */
  readonly service: string | null;
}

/** Which rule decided. */
export interface FlowRule {
  readonly number: number;
  readonly object: ObjectRef;
  readonly spec: number;
  readonly section: "ingress" | "egress" | "ingressDeny" | "egressDeny";
  readonly index: number;
  readonly place: Place;
}

/** The HTTP request that a waypoint saw. */
export interface FlowHttp {
  readonly method: string;
  /** As sent, with the query. */
  readonly path: string;
  readonly host: string;
  /** `HTTP/1.1`. */
  readonly version: string;
  /** Of the answer; 0: there was none. */
  readonly status: number;
  /** From the request's head to the last byte of the answer. */
  readonly milliseconds: number;
  /** Why there was no answer of the server, in words; null: there was one, or the rules refused the request. */
  readonly failure: string | null;
}

/** The DNS question that a waypoint saw. */
export interface FlowDns {
  /** As sent; empty when it could not be read. */
  readonly query: string;
  /** `A`, `AAAA`, `TYPE123`. */
  readonly type: string;
  /** Of the answer that the client got; null: it got none. */
  readonly rcode: number | null;
  readonly addresses: readonly string[];
  /** Seconds, of the addresses. */
  readonly ttl: number;
  /** From the question to the answer. */
  readonly milliseconds: number;
  /** Why there was no answer of the server, in words; null: there was one, or the rules refused the question. */
  readonly failure: string | null;
}

export interface Flow {
  /** Milliseconds since the epoch, with fractions. */
  readonly time: number;
  /** Counts up by one; a reader that sees a gap has missed flows. */
  readonly sequence: number;
  readonly node: string;
  readonly verdict: FlowVerdict;
  /** Null unless dropped (or audited). */
  readonly reason: DropReason | null;
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
  /** Null: one that policies cannot name. */
  readonly protocol: Protocol | null;
  /** IANA number. */
  readonly protocolNumber: number;
  /** Of the endpoint that judged it. */
  readonly direction: Direction;
  /** `namespace/name` of the endpoint that judged it; null: none. */
  readonly endpoint: string | null;
  readonly isReply: boolean;
  /** Letters of the TCP header, as `SYN`, `ACK`; empty for others. */
  readonly tcpFlags: readonly string[];
  /** Null for ICMP's two families too when the type is not known. */
  readonly icmpType: number | null;
  /** Null: no rule decided. */
  readonly rule: FlowRule | null;
  /** The policies that closed the direction, where that is why it was dropped. */
  readonly closedBy: readonly ObjectRef[];
  /** The rules of whose HTTP rules a request had to match one; `rule` is the one that it matched, or the first of them. */
  readonly asked: readonly FlowRule[];
  /** Of the packet; for the end of a connection: of all packets to and from who opened it. */
  readonly bytes: number;
  readonly replyBytes: number;
  /** The end of a connection. */
  readonly closed: boolean;
  readonly http: FlowHttp | null;
  readonly dns: FlowDns | null;
}
