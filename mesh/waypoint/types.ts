/**
 * The seams of the waypoint: what a connection is to it, who judges requests, where they go, and who speaks the protocol.
 * Each is an interface with one implementation today; another protocol (HTTP/2), routing with retries, or encrypted transport
 * is another implementation and no change to the others.
 */
import type { SocketAddress } from "ebpf-ts/loader";
import type { Direction } from "../objects/types.ts";
import type { RequestHead } from "./http1/head.ts";
import type { Refusal } from "./http1/refusals.ts";

/** What the kernel knows of a connection that it handed over. */
export interface Origin {
  readonly direction: Direction;
  /** Number of the endpoint whose policy it is. */
  readonly endpoint: number;
  /** Of the other end: the client's for ingress, the server's for egress. */
  readonly identity: number;
  readonly client: SocketAddress;
  /** Where the client wanted to go. */
  readonly destination: SocketAddress;
  /** Number of the set of HTTP rules that its verdict names. */
  readonly l7: number;
  /** The rule of that verdict. */
  readonly rule: number;
}

/** Whose listener a connection came to. */
export interface ListenerRole {
  readonly endpoint: number;
  readonly direction: Direction;
}

/** A change to a head that is forwarded. Names in lower case. */
export type HeadEdit =
  | { readonly kind: "remove"; readonly name: string }
  | { readonly kind: "add"; readonly name: string; readonly value: string };

/** What becomes of one request. `rule`: the one that allowed it; 0: none did. */
export interface Judgement {
  readonly allow: boolean;
  readonly rule: number;
  readonly edits: readonly HeadEdit[];
}

/** Decides about requests: a set of rules that was made ready once. */
export interface RequestJudge {
  judge(head: RequestHead): Judgement;
}

/** The judge of a connection's requests, asked for each request, so that a change applies from the next one on. */
export interface ConnectionPolicy {
  /** Null: no rules are known any more; nothing passes and the connection ends. */
  readonly judge: RequestJudge | null;
}

/** Why a connection or a request ended without the server's answer. */
export type Failure =
  | Refusal
  | "denied"
  | "policyGone"
  | "connectFailed"
  | "upstreamReset"
  | "clientReset"
  | "headTimeout"
  | "idleTimeout";

/** One request, or a connection that never became one. */
export interface AccessRecord {
  /** Milliseconds since the epoch when the head was complete. */
  readonly time: number;
  /** Milliseconds until the last byte of the answer. */
  readonly duration: number;
  readonly origin: Origin;
  /** Empty when no head could be read. */
  readonly method: string;
  readonly path: string;
  readonly host: string;
  /** Of the answer that the client got; 0: none. */
  readonly status: number;
  /** `refused`: not HTTP/1.1 as strictly as it must be. `failed`: allowed, and the server did not answer. */
  readonly verdict: "forwarded" | "denied" | "refused" | "failed";
  readonly failure: Failure | null;
  readonly rule: number;
  /** Of the request's and the response's heads and bodies. */
  readonly requestBytes: number;
  readonly responseBytes: number;
}

/** The two sockets of a conversation, as its protocol sees them. Bytes are only valid during the call. */
export interface Wires {
  toClient(bytes: Buffer, from: number, to: number): void;
  /** Opens the connection to the server when it is the first. */
  toServer(bytes: Buffer, from: number, to: number): void;
  /** No more bytes come for the client; what was written still goes out. */
  endClient(): void;
  endServer(): void;
  /** The connection to the server ends now, without the end of what was sent. */
  abortServer(): void;
  /** Both connections end now, without the end of what was sent. */
  abort(): void;
  /** Whether the client is read from. */
  holdClient(hold: boolean): void;
  record(record: AccessRecord): void;
}

/** One client connection in some protocol: bytes in, bytes out, records. */
export interface Conversation {
  fromClient(bytes: Buffer, length: number): void;
  fromServer(bytes: Buffer, length: number): void;
  /** The client sends no more. */
  clientEnded(): void;
  serverEnded(): void;
  /** `connected`: whether the server had ever answered the connection attempt. Without a request under way it is a reset for the client. */
  serverFailed(connected: boolean): void;
  /** The client's connection broke. */
  clientFailed(): void;
  /** After the request that is under way, the connection ends. */
  drain(): void;
  /** The policy changed; null judges end the connection at once. */
  policyChanged(): void;
  /** A time-out of this kind has passed. */
  timedOut(kind: "headTimeout" | "idleTimeout"): void;
  /** What the client is waited for: a head that has begun, the next request, the exchange, or its end. */
  readonly waitsFor: "head" | "request" | "exchange" | "close";
}

/** Makes conversations: HTTP/1.1 is one. */
export interface Protocol {
  converse(origin: Origin, policy: ConnectionPolicy, wires: Wires): Conversation;
}

/** A connection to a server that has been begun. */
export interface Dialled {
  /** Whoever dialled owns it. */
  readonly fd: number;
  /** To be called when the connection has ended. */
  ended(): void;
}

/** Connections to servers: where and how. */
export interface Dialer {
  dial(origin: Origin): Dialled;
}
