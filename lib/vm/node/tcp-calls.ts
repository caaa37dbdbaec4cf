/** What the calls of an application do to a TCP socket: connect, listen, accept, send, receive, shut down, close. */
import type { Errno } from "../errno.ts";
import { TCP_FLAG } from "./frame.ts";
import { ANY, isAny, unmapped } from "./endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import { routeOut } from "./ip.ts";
import { migrate } from "./reuseport.ts";
import { distance } from "./sequence.ts";
import { OP, callOps } from "./sock-ops.ts";
import { lingerOf } from "./socket-options.ts";
import type { StateName } from "./sock.ts";
import { becomeTimeWait, dropRequest, newSequence } from "./tcp-input.ts";
import {
  armRetransmit,
  finish,
  initialTimeout,
  initialWindow,
  mssOf,
  push,
  sendAck,
  sendReset,
  write,
  writeFlag,
} from "./tcp-output.ts";
import { CLOSING, setState } from "./tcp-state.ts";
import { TcpSock } from "./tcp-sock.ts";
import { anyMeansHere } from "./udp.ts";

/** connect() behind the programs: sends the SYN. Null: it is on its way. */
export function connectTcp(sock: TcpSock, to: Endpoint): Errno | null {
  const remote = anyMeansHere(sock, to.address);
  const wire = sock.wire(remote);
  if (sock.family === "inet6" && unmapped(remote) !== null && sock.option("IPV6_V6ONLY") !== 0) return "ENETUNREACH";
  if (isMulticast(wire)) return "ENETUNREACH";
  const way = routeOut(sock.namespace, wire, sock);
  if (typeof way === "string") return way;
  const source = isAny(sock.local.address) ? sock.namespace.sourceFor(wire, way.device) : sock.wire(sock.local.address);
  if (source === null) return "EADDRNOTAVAIL";
  sock.local = { ...sock.local, address: sock.own(source) };
  sock.remote = { address: remote, port: to.port };
  setState(sock, "SYN_SENT");
  if (!takePlace(sock)) {
    undoConnect(sock);
    return "EADDRNOTAVAIL";
  }
  startHandshake(sock, mssOf(way.device.mtu, wire.includes(":") ? "inet6" : "inet"));
  return null;
}

function isMulticast(address: string): boolean {
  const first = Number(address.split(".")[0]);
  return address === "255.255.255.255" || (first >= 224 && first < 240) || address.startsWith("ff");
}

/** Port and place in the table; a port that the system chooses may be anybody's, if the connection is not. */
function takePlace(sock: TcpSock): boolean {
  const { sockets } = sock.namespace;
  if (sock.local.port === 0 && sockets.takeAny(sock) === null) return false;
  return sockets.connect(sock);
}

function undoConnect(sock: TcpSock): void {
  setState(sock, "CLOSE");
  forgetPeer(sock);
}

/** What the system chose for a connection is taken back. */
function forgetPeer(sock: TcpSock): void {
  sock.remote = { address: ANY[sock.family], port: 0 };
  if (!sock.chosen.address) sock.local = { ...sock.local, address: ANY[sock.family] };
  if (!sock.chosen.port) sock.local = { ...sock.local, port: 0 };
}

/** tcp_connect */
function startHandshake(sock: TcpSock, mss: number): void {
  sock.iss = newSequence(sock);
  sock.sndUna = sock.sndNxt = sock.writeSeq = sock.smallEnd = sock.iss;
  sock.error = null;
  sock.shut.read = sock.shut.write = false;
  callOps(sock, OP.connect);
  callOps(sock, OP.rwndInit);
  sock.rcvWnd = initialWindow(sock.freeWindow, mss);
  sock.rto = initialTimeout(sock);
  sock.synSentAt = sock.kernel.clock.now;
  sock.ecn.asked = callOps(sock, OP.needsEcn) === 1;
  sock.ecn.seen = false;
  writeFlag(sock, sock.ecn.asked ? TCP_FLAG.syn | TCP_FLAG.ece | TCP_FLAG.cwr : TCP_FLAG.syn);
  push(sock);
}

/** connect() to AF_UNSPEC: the connection is gone, and the socket as it was before (tcp_disconnect). */
export function disconnectTcp(sock: TcpSock): void {
  if (sock.state === "LISTEN") stopListening(sock);
  else if (NEEDS_RESET.has(sock.state)) sendReset(sock);
  else if (sock.state === "SYN_SENT") sock.error = "ECONNRESET";
  if (sock.state !== "CLOSE") finish(sock);
  forgetPeer(sock);
  sock.shut.read = sock.shut.write = false;
  sock.queue.length = 0;
  sock.finReceived = false;
}

/** tcp_need_reset */
const NEEDS_RESET: ReadonlySet<StateName> = new Set([
  "ESTABLISHED",
  "CLOSE_WAIT",
  "FIN_WAIT1",
  "FIN_WAIT2",
  "SYN_RECV",
]);

export function listenTcp(sock: TcpSock, backlog: number): Errno | null {
  sock.backlog = backlog;
  if (sock.state === "LISTEN") return null;
  if (sock.state !== "CLOSE") return "EINVAL";
  const { sockets } = sock.namespace;
  if (sock.local.port === 0 && sockets.takeAny(sock) === null) return "EADDRINUSE";
  setState(sock, "LISTEN");
  if (!sockets.take(sock, sock.local.port)) {
    setState(sock, "CLOSE");
    return "EADDRINUSE";
  }
  sockets.group(sock);
  callOps(sock, OP.listen);
  return null;
}

/** The next established connection; null: none waits. */
export function acceptTcp(sock: TcpSock): TcpSock | null {
  const child = sock.accepting.shift() ?? null;
  if (child !== null) child.parent = null;
  return child;
}

/** sendmsg: the bytes taken, or the error. */
export function sendTcp(sock: TcpSock, data: Uint8Array, more = false): number | Errno {
  const { error } = sock;
  if (error !== null) {
    sock.error = null;
    return error;
  }
  if (sock.shut.write) return "EPIPE";
  if (!sock.canSend) return sock.state === "SYN_SENT" || sock.state === "SYN_RECV" ? "EAGAIN" : "EPIPE";
  const room = SEND_BUFFER - sock.unacknowledged;
  if (room <= 0) return "EAGAIN";
  const taken = data.subarray(0, room);
  write(sock, taken);
  push(sock, more);
  return taken.length;
}

/** What may wait in a connection: SO_SNDBUF grows to this as the connection does. */
const SEND_BUFFER = 2_626_560;

/** recvmsg: at most `length` bytes, none at the end of the stream. */
export function receiveTcpData(sock: TcpSock, length: number, peek = false): Uint8Array | Errno {
  const passed = sock.psock?.ingress ?? [];
  if (passed.length > 0) return takeBytes(passed, length, peek);
  if (sock.psock?.stopped === true) return "EAGAIN";
  if (sock.queue.length === 0) return nothingToRead(sock);
  const out = takeBytes(sock.queue, length, peek);
  if (!peek) afterRead(sock, out.length);
  return out;
}

function nothingToRead(sock: TcpSock): Uint8Array | Errno {
  const end = new Uint8Array(0);
  if (sock.finReceived) return end;
  if (sock.error !== null) {
    const { error } = sock;
    sock.error = null;
    return error;
  }
  if (sock.shut.read) return end;
  if (sock.state === "CLOSE" || sock.state === "LISTEN") return "ENOTCONN";
  return "EAGAIN";
}

/** At most `length` bytes of a queue; with `peek` they stay. */
export function takeBytes(queue: Uint8Array[], length: number, peek: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  let index = 0;
  // An empty packet that a program has passed ends the read, as the end of a stream does.
  const empty = queue[0]?.length === 0;
  if (empty && !peek) queue.shift();
  while (!empty && size < length && index < queue.length) {
    const first = queue[index] ?? new Uint8Array(0);
    const part = first.subarray(0, length - size);
    parts.push(part);
    size += part.length;
    if (peek) index++;
    else if (part.length === first.length) queue.shift();
    else queue[0] = first.subarray(part.length);
  }
  return concat(parts, size);
}

function concat(parts: readonly Uint8Array[], size: number): Uint8Array {
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Reading acknowledges what waited for it, and tells of a window that has opened (tcp_cleanup_rbuf). */
function afterRead(sock: TcpSock, read: number): void {
  const { ack } = sock;
  const drained = read > 0 && sock.queue.length === 0 && ack.pushed && !ack.pingpong;
  if (ack.pending && (drained || distance(sock.rcvNxt, sock.rcvWup) > sock.mss)) return sendAck(sock);
  const now = Math.max(0, sock.rcvWnd - distance(sock.rcvNxt, sock.rcvWup));
  if (read > 0 && !sock.shut.read && sock.freeWindow >= 2 * now) sendAck(sock);
}

/** shutdown() of the sending direction: a FIN behind what was written. */
export function shutdownTcp(sock: TcpSock): void {
  sock.shut.write = true;
  if (SHUTTABLE.has(sock.state)) sendFin(sock);
}

/** tcp_shutdown */
const SHUTTABLE: ReadonlySet<StateName> = new Set(["ESTABLISHED", "SYN_SENT", "CLOSE_WAIT"]);

function sendFin(sock: TcpSock): void {
  const { next, fin } = CLOSING[sock.state];
  setState(sock, next);
  if (!fin) return;
  writeFlag(sock, TCP_FLAG.fin);
  push(sock);
}

/** close(): nobody holds the socket any more. */
export function closeTcp(sock: TcpSock): void {
  const unread = sock.queue.length > 0;
  sock.shut.read = sock.shut.write = true;
  sock.orphaned = true;
  sock.queue.length = 0;
  if (sock.state === "LISTEN") {
    stopListening(sock);
    finish(sock);
  } else if (unread && sock.state !== "CLOSE") {
    // RFC 2525 section 2.17: data that nobody read is lost, and the peer must know.
    const reset = sock.state !== "TIME_WAIT";
    setState(sock, "CLOSE");
    if (reset) sendReset(sock);
    finishQuietly(sock);
  } else if (lingerOf(sock) === 0 && sock.state !== "CLOSE") {
    if (NEEDS_RESET.has(sock.state)) sendReset(sock);
    finish(sock);
  } else {
    closeInOrder(sock);
  }
  if (sock.state === "CLOSE") sock.unhash();
}

function closeInOrder(sock: TcpSock): void {
  if (sock.state === "FIN_WAIT2") return becomeTimeWait(sock);
  if (sock.state === "TIME_WAIT" || sock.state === "CLOSE") return;
  if (CLOSING[sock.state].next === "CLOSE") return finish(sock);
  if (CLOSING[sock.state].fin) sendFin(sock);
  else armRetransmit(sock);
}

function finishQuietly(sock: TcpSock): void {
  sock.stopTimers();
  sock.pieces.length = 0;
}

/**
 * The listener is no more: connections that nobody has accepted, and requests, move to another listener of its group where
 * a program says so; else they are reset and forgotten.
 */
function stopListening(sock: TcpSock): void {
  sock.reuseport?.stop(sock);
  for (const child of sock.accepting.splice(0)) {
    const next = migrate(sock, child);
    if (next instanceof TcpSock && next.listening) handOver(child, next);
    else forget(child);
  }
  // Requests look for another listener when their acknowledgement comes (tcp-input.ts).
  const group = sock.reuseport;
  if (group === null || !group.migrates) for (const request of [...sock.requests]) dropRequest(request);
}

function handOver(child: TcpSock, listener: TcpSock): void {
  child.parent = listener;
  listener.accepting.push(child);
}

function forget(child: TcpSock): void {
  sendReset(child);
  child.orphaned = true;
  finish(child);
  child.unhash();
}
