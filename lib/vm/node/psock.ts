/**
 * What a socket has while it is in a sockmap or sockhash, `struct sk_psock`: the programs that the map had when the socket
 * entered (later changes of the map do not reach it), and the data that they hold up or pass on.
 */
import type { SocketMap } from "../maps/index.ts";
import type { Program } from "./program.ts";
import type { Sock } from "./sock.ts";

/** The programs that a map has for its sockets, by attach type. */
export const MAP_HOOKS = ["sk_msg_verdict", "sk_skb_stream_parser", "sk_skb_stream_verdict", "sk_skb_verdict"] as const;
export type MapHook = (typeof MAP_HOOKS)[number];
export type MapPrograms = { readonly [hook in MapHook]?: Program | undefined };

/** Where a program has sent a message or packet. */
export interface Target {
  readonly sock: Sock;
  /** Into the socket's receive queue; else out through the socket. */
  readonly ingress: boolean;
}

/** What is being sent, and what programs have said of it: that stays with the message when it is judged again. */
export interface Message {
  bytes: Uint8Array;
  /** msg_apply_bytes, msg_cork_bytes; 0: not called. */
  apply: number;
  cork: number;
  target: Target | null;
}

/** Where the judgement of what is being sent stands. */
export type Eval = "none" | "pass" | "drop" | "redirect";

export class Psock {
  readonly sock: Sock;
  readonly programs: { [hook in MapHook]?: Program } = {};
  /** The maps that it is in, once for each entry. */
  readonly links: SocketMap[] = [];

  // ---- sending (sk_msg)
  /** Bytes for which the last verdict still counts; 0: for the message alone. */
  apply = 0;
  /** A message that waits for more, and how many bytes it waits for. */
  cork: Message | null = null;
  corkBytes = 0;
  eval: Eval = "none";
  target: Target | null = null;

  // ---- receiving (sk_skb)
  /** Passed by a verdict, or redirected here: read before what TCP has. */
  readonly ingress: Uint8Array[] = [];
  /** Judges what comes in; null: nobody does. */
  judging: "stream" | "parsed" | "packets" | null = null;
  /**
   * The segments that the message being received lies in, whole: programs see them so. `start` is where the message
   * begins, `length` how long the parser says it is (0: it does not know yet). Null: between messages.
   */
  partial: { bytes: Uint8Array; readonly start: number; length: number } | null = null;
  /** The end of the stream was judged, as an empty packet. */
  endJudged = false;
  /** The parser has failed: nothing more is judged or read. */
  stopped = false;

  constructor(sock: Sock) {
    this.sock = sock;
  }

  get queued(): number {
    return this.ingress.reduce((sum, data) => sum + data.length, 0);
  }
}

/** A closed socket is in no map. */
export function leaveMaps(sock: Sock): void {
  for (const map of [...(sock.psock?.links ?? [])]) map.dropObject(sock.vm);
}
