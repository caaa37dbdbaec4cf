/**
 * Whom a packet is for: the socket that a program of tcx gave it, else the connection it belongs to, else the socket that
 * an sk_lookup program chooses, else the one bound to its address; of a reuseport group, the member that its program or the
 * flow's hash chooses.
 */
import type { IpPacket } from "./frame.ts";
import type { Namespace } from "./namespace.ts";
import { selectReuseport } from "./reuseport.ts";
import { runLookup } from "./sk-lookup.ts";
import type { Skb } from "./skb.ts";
import type { Flow } from "./socket-table.ts";
import type { Sock } from "./sock.ts";

/** `skb` null: nobody sent a packet, a program just asks. */
export function findReceiver(namespace: Namespace, flow: Flow, skb: Skb | null, ip: IpPacket | null): Sock | null {
  // Even before the connection that it belongs to (inet_steal_sock).
  const assigned = skb?.assigned ?? null;
  if (assigned !== null) return assigned;
  const connection = namespace.sockets.connection(flow);
  if (connection !== null) return connection;
  return findUnconnected(namespace, flow, ip);
}

function findUnconnected(namespace: Namespace, flow: Flow, ip: IpPacket | null): Sock | null {
  const bound = namespace.sockets.bound(flow);
  // A connected datagram socket comes before the programs.
  if (bound?.connected === true) return bound;
  const chosen = runLookup(namespace, flow);
  if (chosen === "refused") return null;
  if (chosen !== null) return chosen.reuseport ? selectReuseport(chosen.sock, flow, ip) : chosen.sock;
  return bound === null ? null : selectReuseport(bound, flow, ip);
}
