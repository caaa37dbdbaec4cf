/** A conversation without sockets: what it sends to both sides and records, as a value to compare. */
import { Http1 } from "../../../mesh/waypoint/http1/conversation.ts";
import { HTTP_LIMITS } from "../../../mesh/waypoint/http1/refusals.ts";
import type { AccessRecord, ConnectionPolicy, Conversation, Origin, Wires } from "../../../mesh/waypoint/types.ts";

const ORIGIN: Origin = {
  direction: "ingress",
  endpoint: 1,
  identity: 300,
  client: { address: "10.0.0.1", port: 40_000 },
  destination: { address: "10.0.0.2", port: 80 },
  l7: 1,
  rule: 9,
};
const PROTOCOL = new Http1(HTTP_LIMITS);

/** Everything that can be seen of a conversation. `ends`: what ended, in order. */
export interface Transcript {
  toServer: string;
  toClient: string;
  readonly ends: string[];
  readonly records: (Pick<AccessRecord, "method" | "path" | "status" | "verdict" | "failure"> & { bytes: string })[];
}

export class Machine {
  readonly conversation: Conversation;
  readonly seen: Transcript = { toServer: "", toClient: "", ends: [], records: [] };
  held = false;

  constructor(policy: ConnectionPolicy) {
    const { seen } = this;
    const wires: Wires = {
      toClient: (bytes, from, to) => (seen.toClient += bytes.toString("latin1", from, to)),
      toServer: (bytes, from, to) => (seen.toServer += bytes.toString("latin1", from, to)),
      endClient: () => seen.ends.push("client ends"),
      endServer: () => seen.ends.push("server ends"),
      abortServer: () => seen.ends.push("server aborted"),
      abort: () => seen.ends.push("aborted"),
      holdClient: (hold) => (this.held = hold),
      record: ({ method, path, status, verdict, failure, requestBytes, responseBytes }) =>
        seen.records.push({ method, path, status, verdict, failure, bytes: `${requestBytes}/${responseBytes}` }),
    };
    this.conversation = PROTOCOL.converse(ORIGIN, policy, wires);
  }

  /** The piece is overwritten afterwards, as a socket's buffer would be. */
  client(piece: string | Buffer): this {
    const bytes = Buffer.from(piece as string, "latin1");
    this.conversation.fromClient(bytes, bytes.length);
    bytes.fill(0xee);
    return this;
  }

  server(piece: string | Buffer): this {
    const bytes = Buffer.from(piece as string, "latin1");
    this.conversation.fromServer(bytes, bytes.length);
    bytes.fill(0xee);
    return this;
  }
}

/** The pieces of a text cut at these places. */
export function cut(text: string, ...places: readonly number[]): string[] {
  const all = [0, ...places, text.length];
  return all.slice(1).map((end, i) => text.slice(all[i], end));
}

/** Numbers from 0 to below 1, the same for a seed. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 4_294_967_296;
  };
}
