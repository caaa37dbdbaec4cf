/**
 * TCP's states (RFC 9293 section 3.3.2): what closing makes of each, and telling of changes.
 */
import { leaveMaps } from "./psock.ts";
import { STATE } from "./sock.ts";
import type { StateName } from "./sock.ts";
import { CALLBACK, OP, callOps, hasCallback } from "./sock-ops.ts";
import type { TcpSock } from "./tcp-sock.ts";
import { formatEndpoint } from "./endpoint.ts";

/** What the state becomes when this end is closed, and whether a FIN goes out for it (new_state of net/ipv4/tcp.c). */
// prettier-ignore
export const CLOSING = {
  ESTABLISHED:  { next: "FIN_WAIT1", fin: true },
  SYN_SENT:     { next: "CLOSE",     fin: false },
  SYN_RECV:     { next: "FIN_WAIT1", fin: true },
  FIN_WAIT1:    { next: "FIN_WAIT1", fin: false },
  FIN_WAIT2:    { next: "FIN_WAIT2", fin: false },
  TIME_WAIT:    { next: "CLOSE",     fin: false },
  CLOSE:        { next: "CLOSE",     fin: false },
  CLOSE_WAIT:   { next: "LAST_ACK",  fin: true },
  LAST_ACK:     { next: "LAST_ACK",  fin: false },
  LISTEN:       { next: "CLOSE",     fin: false },
  CLOSING:      { next: "CLOSING",   fin: false },
  NEW_SYN_RECV: { next: "CLOSE",     fin: false },
} as const satisfies Record<StateName, { next: StateName; fin: boolean }>;

/** Changes the state; programs are told before it is so (tcp_set_state). CLOSE gives the connection's place free. */
export function setState(sock: TcpSock, next: StateName): void {
  const from = sock.state;
  if (hasCallback(sock, CALLBACK.state)) callOps(sock, OP.state, [STATE[from], STATE[next]]);
  if (next === "CLOSE") {
    leaveMaps(sock);
    leaveTable(sock);
  }
  sock.state = next;
  sock.publish();
  const socket = `${formatEndpoint(sock.local)} > ${formatEndpoint(sock.remote)}`;
  sock.kernel.log.add({ kind: "state", socket, from, to: next });
}

/** A port that bind() chose stays the socket's until it is closed. */
function leaveTable(sock: TcpSock): void {
  const { sockets } = sock.namespace;
  sockets.disconnect(sock);
  sock.reuseport?.stop(sock);
  if (sock.chosen.port && !sock.orphaned) return;
  sockets.release(sock);
}
