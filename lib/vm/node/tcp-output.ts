/**
 * TCP's sending side: segments of the stream as far as windows and Nagle's algorithm let them, acknowledgements, resets,
 * and the timers that send again. RFC 9293, 6298 (retransmission), 8985 section 7 (tail loss probe).
 */
import { IP_HEADER, PROTOCOL, TCP_FLAG, TCP_HEADER, encodeIp, encodeSegment, joined } from "./frame.ts";
import type { Segment } from "./frame.ts";
import { familyOf } from "./endpoint.ts";
import type { Family } from "./endpoint.ts";
import type { Interface } from "./interface.ts";
import { output, routeOut } from "./ip.ts";
import type { SendFailure } from "./ip.ts";
import type { Namespace } from "./namespace.ts";
import { distance, isAfter, plus } from "./sequence.ts";
import { CALLBACK, OP, callOps, hasCallback, headerOptions, reservedOptions } from "./sock-ops.ts";
import { OPTIONS_MAX, TIMESTAMP_BYTES, encodeOptions } from "./tcp-options.ts";
import type { TcpOptions } from "./tcp-options.ts";
import { setState } from "./tcp-state.ts";
import { RequestSock, TIME, WINDOW_SCALE, endOf } from "./tcp-sock.ts";
import type { Piece, TcpSock } from "./tcp-sock.ts";

/** The longest IPv4 packet; IPv6 counts without its header. */
const LONGEST = 65_535;
const MIN_MSS = 88;

/** What an MTU leaves for a segment's data and options: the MSS that a SYN offers. */
export function mssOf(mtu: number, family: Family): number {
  const most = family === "inet" ? Math.min(mtu, LONGEST) : mtu;
  return most - IP_HEADER[family] - TCP_HEADER;
}

/** The device that the connection's packets leave by; null when there is no way. */
export function deviceOf(sock: TcpSock | RequestSock): Interface | null {
  const way = routeOut(sock.namespace, sock.wire(sock.remote.address), sock);
  return typeof way === "string" ? null : way.device;
}

function wireFamily(sock: TcpSock | RequestSock): Family {
  return familyOf(sock.wire(sock.remote.address));
}

/** tcp_sync_mss: the device's, the peer's, and at most half of the largest window. */
export function syncMss(sock: TcpSock): void {
  const device = deviceOf(sock);
  const family = wireFamily(sock);
  const own = mssOf(device?.mtu ?? 1500, family);
  const set = sock.values.get("6/2") || LONGEST;
  const options = sock.agreed.timestamps ? TIMESTAMP_BYTES : 0;
  const fits = Math.min(own, sock.peerMss, set) - options;
  const half = sock.maxWindow > 536 ? sock.maxWindow >> 1 : sock.maxWindow;
  sock.mss = half > 0 && fits > half ? Math.max(half, MIN_MSS - options) : fits;
}

/** The window that a SYN tells: whole segments. */
export function initialWindow(space: number, segment: number): number {
  const most = Math.min(space, LONGEST);
  return segment >= most ? most : most - (most % segment);
}

// ---- segments

/** Sends one piece of the stream, for the first time or again. */
function sendPiece(sock: TcpSock, piece: Piece): SendFailure {
  const syn = (piece.flags & TCP_FLAG.syn) !== 0;
  const flags = piece.flags | (syn ? 0 : TCP_FLAG.ack);
  const failure = sendSegment(sock, { seq: piece.seq, flags, payload: piece.data });
  if (piece.data.length > 0) {
    sock.counters.dataSegsOut++;
    sock.counters.bytesSent += piece.data.length;
    noteDataSent(sock);
  }
  return failure;
}

/** Answering at once within the time of a delayed acknowledgement means a dialogue: acknowledgements ride on the answers. */
function noteDataSent(sock: TcpSock): void {
  const { ack, kernel } = sock;
  if (ack.lastData >= 0 && kernel.clock.now - ack.lastData < TIME.delayedAck) ack.pingpong = true;
}

interface Outgoing {
  readonly seq: number;
  readonly flags: number;
  readonly payload?: Uint8Array;
}

function sendSegment(sock: TcpSock, { seq, flags, payload = new Uint8Array(0) }: Outgoing): SendFailure {
  const syn = (flags & TCP_FLAG.syn) !== 0;
  const acknowledges = (flags & TCP_FLAG.ack) !== 0;
  const segment: Segment = {
    sourcePort: sock.local.port,
    destinationPort: sock.remote.port,
    seq,
    ack: acknowledges ? sock.rcvNxt : 0,
    flags,
    window: syn ? Math.min(sock.rcvWnd, LONGEST) : selectWindow(sock),
    options: encodeOptions(syn ? offered(sock) : running(sock)),
    payload,
  };
  sock.counters.segsOut++;
  if (acknowledges) noteAckSent(sock);
  // A SYN is marked when the programs asked for ECN, then all that carries data.
  const capable = syn ? sock.ecn.asked : sock.agreed.ecn && payload.length > 0;
  return sendFrom(sock, withProgramOptions(sock, segment), capable ? ECT_0 : 0);
}

/** Options that sock_ops programs add. */
function withProgramOptions(sock: TcpSock | RequestSock, segment: Segment): Segment {
  const more = headerOptions(sock, segment, OPTIONS_MAX - segment.options.length);
  if (more.length === 0) return segment;
  const options = new Uint8Array(segment.options.length + more.length);
  options.set(segment.options);
  options.set(more, segment.options.length);
  return { ...segment, options };
}

/** "ECN-capable transport" in the IP header. */
const ECT_0 = 2;

/** `ecn`: the two lowest bits of the type of service. */
function sendFrom(sock: TcpSock | RequestSock, segment: Segment, ecn: number): SendFailure {
  const from = sock instanceof RequestSock ? sock.listener : sock;
  const v4 = wireFamily(sock) === "inet";
  const packet = encodeIp({
    family: v4 ? "inet" : "inet6",
    source: sock.wire(sock.local.address),
    destination: sock.wire(sock.remote.address),
    protocol: PROTOCOL.tcp,
    payload: encodeSegment(segment),
    tos: sock.option(v4 ? "IP_TOS" : "IPV6_TCLASS") | ecn,
    ttl: sock.option(v4 ? "IP_TTL" : "IPV6_UNICAST_HOPS"),
  });
  const [mark, priority] = [sock.option("SO_MARK") >>> 0, sock.option("SO_PRIORITY") >>> 0];
  return output(sock.namespace, packet, { socket: from, mark, priority });
}

/** What a SYN offers. */
function offered(sock: TcpSock): TcpOptions {
  const mtu = deviceOf(sock)?.mtu ?? 1500;
  return {
    mss: Math.min(mssOf(mtu, wireFamily(sock)), sock.values.get("6/2") || LONGEST),
    sackPermitted: true,
    windowScale: WINDOW_SCALE,
    timestamp: { value: timestamp(sock), echo: 0 },
  };
}

/** What every other segment carries. */
function running(sock: TcpSock): TcpOptions {
  if (!sock.agreed.timestamps) return {};
  return { timestamp: { value: timestamp(sock), echo: sock.peerTimestamp } };
}

function timestamp({ kernel }: { readonly kernel: TcpSock["kernel"] }): number {
  return Math.floor(kernel.clock.now) >>> 0;
}

/** The window of a segment; what was promised before is never taken back. */
function selectWindow(sock: TcpSock): number {
  const promised = Math.max(0, distance(plus(sock.rcvWup, sock.rcvWnd), sock.rcvNxt));
  const scale = sock.agreed.ownScale;
  const wanted = Math.max(sock.freeWindow, promised);
  const window = Math.min(Math.ceil(wanted / 2 ** scale), LONGEST);
  sock.rcvWup = sock.rcvNxt;
  sock.rcvWnd = window * 2 ** scale;
  return window;
}

function noteAckSent(sock: TcpSock): void {
  const { ack } = sock;
  if (ack.quick > 0) ack.quick--;
  ack.pending = ack.pushed = false;
  sock.kernel.clock.cancel(sock.ackTimer);
  sock.ackTimer = null;
}

/** An acknowledgement alone. */
export function sendAck(sock: TcpSock): void {
  if (sock.state === "CLOSE") return;
  sendSegment(sock, { seq: sock.sndNxt, flags: TCP_FLAG.ack });
}

/** Acknowledges within 40 ms, unless a segment does before. */
export function delayAck(sock: TcpSock): void {
  sock.ack.pending = true;
  sock.ackTimer ??= sock.kernel.clock.after(Math.min(TIME.delayedAck, sock.delayedAckMax), () => {
    sock.ackTimer = null;
    if (sock.ack.pending) sendAck(sock);
  });
}

/** Tells the peer that the connection is gone (tcp_send_active_reset). */
export function sendReset(sock: TcpSock): void {
  sendSegment(sock, { seq: sock.sndNxt, flags: TCP_FLAG.rst | TCP_FLAG.ack });
}

/** A reset for a segment that belongs to no connection (tcp_v4_send_reset). */
export function answerWithReset(
  namespace: Namespace,
  segment: Segment,
  ends: { own: string; peer: string },
  sock: TcpSock | null,
): void {
  if ((segment.flags & TCP_FLAG.rst) !== 0) return;
  const acked = (segment.flags & TCP_FLAG.ack) !== 0;
  const length =
    segment.payload.length +
    ((segment.flags & TCP_FLAG.syn) !== 0 ? 1 : 0) +
    ((segment.flags & TCP_FLAG.fin) !== 0 ? 1 : 0);
  const reset = encodeSegment({
    sourcePort: segment.destinationPort,
    destinationPort: segment.sourcePort,
    seq: acked ? segment.ack : 0,
    ack: acked ? 0 : plus(segment.seq, length),
    flags: acked ? TCP_FLAG.rst : TCP_FLAG.rst | TCP_FLAG.ack,
    window: 0,
    options: new Uint8Array(0),
    payload: new Uint8Array(0),
  });
  const packet = encodeIp({
    family: familyOf(ends.own),
    source: ends.own,
    destination: ends.peer,
    protocol: PROTOCOL.tcp,
    payload: reset,
  });
  output(namespace, packet, sock === null ? {} : { socket: sock });
}

/** SYN and ACK for a request. */
export function sendSynAck(request: RequestSock): void {
  const { listener, agreed, peerSyn } = request;
  // tcp_v4_send_synack: the answer itself is marked when the programs want ECN.
  const marked = callOps(request, OP.needsEcn) === 1;
  const mtu = deviceOf(request)?.mtu ?? 1500;
  const mss = Math.min(mssOf(mtu, wireFamily(request)), listener.values.get("6/2") || LONGEST);
  const segment: Segment = {
    sourcePort: request.local.port,
    destinationPort: request.remote.port,
    seq: request.iss,
    ack: plus(peerSyn.seq, 1),
    flags: TCP_FLAG.syn | TCP_FLAG.ack | (agreed.ecn ? TCP_FLAG.ece : 0),
    window: requestWindow(request, mss),
    options: encodeOptions({
      mss,
      ...(agreed.sack ? { sackPermitted: true } : {}),
      ...(agreed.timestamps ? { timestamp: { value: timestamp(request), echo: request.peerTimestamp } } : {}),
      ...(agreed.ownScale > 0 ? { windowScale: agreed.ownScale } : {}),
    }),
    payload: new Uint8Array(0),
  };
  sendFrom(request, withProgramOptions(request, segment), marked ? ECT_0 : 0);
}

function requestWindow(request: RequestSock, mss: number): number {
  return initialWindow(request.listener.freeWindow, mss - (request.agreed.timestamps ? TIMESTAMP_BYTES : 0));
}

// ---- the stream

/** Adds bytes to the stream; segments are cut when the window of each piece is known. */
export function write(sock: TcpSock, data: Uint8Array): void {
  // Options of programs take from what a segment can carry (tcp_current_mss).
  const room = OPTIONS_MAX - (sock.agreed.timestamps ? TIMESTAMP_BYTES : 0);
  const mss = sock.mss - reservedOptions(sock, null, room);
  let rest = data;
  while (rest.length > 0) {
    const last = sock.pieces.at(-1);
    const room = last === undefined || last.sentAt !== null || last.flags !== TCP_FLAG.psh ? 0 : mss - last.data.length;
    if (last !== undefined && room > 0) {
      last.data = joined(last.data, rest.subarray(0, room));
      sock.writeSeq = plus(sock.writeSeq, Math.min(room, rest.length));
      rest = rest.subarray(room);
      continue;
    }
    const part = rest.slice(0, mss);
    sock.pieces.push({ seq: sock.writeSeq, data: part, flags: TCP_FLAG.psh, sentAt: null, resent: 0 });
    sock.writeSeq = plus(sock.writeSeq, part.length);
    rest = rest.subarray(part.length);
  }
}

/** Adds a SYN or FIN. */
export function writeFlag(sock: TcpSock, flag: number): void {
  sock.pieces.push({ seq: sock.writeSeq, data: new Uint8Array(0), flags: flag, sentAt: null, resent: 0 });
  sock.writeSeq = plus(sock.writeSeq, 1);
}

/** Sends what may be sent (tcp_write_xmit). `more`: a short last piece waits for more. */
export function push(sock: TcpSock, more = false): void {
  let sent = false;
  for (const piece of sock.pieces) {
    if (piece.sentAt !== null) continue;
    if (!maySend(sock, piece, more)) break;
    piece.sentAt = sock.kernel.clock.now;
    sock.sndNxt = endOf(piece);
    if (piece.data.length > 0 && piece.data.length < sock.mss) sock.smallEnd = endOf(piece);
    sendPiece(sock, piece);
    sent = true;
  }
  if (sent || sock.retransmitTimer === null) armRetransmit(sock);
}

function maySend(sock: TcpSock, piece: Piece, more: boolean): boolean {
  if ((piece.flags & TCP_FLAG.syn) !== 0) return true;
  if (sock.inFlight >= sock.cwnd) return false;
  if (distance(endOf(piece), plus(sock.sndUna, sock.sndWnd)) > ((piece.flags & TCP_FLAG.fin) !== 0 ? 1 : 0))
    return false;
  if ((piece.flags & TCP_FLAG.fin) !== 0) return true;
  const small = piece.data.length < sock.mss;
  const last = sock.pieces.at(-1) === piece;
  if (!small || !last) return true;
  if (more || sock.option("TCP_CORK") !== 0) return false;
  const outstanding = isAfter(sock.smallEnd, sock.sndUna) && !isAfter(sock.smallEnd, sock.sndNxt);
  return sock.option("TCP_NODELAY") !== 0 || sock.inFlight === 0 || !outstanding;
}

// ---- timers

/** Starts the timer anew, or stops it when nothing waits for an answer. */
export function armRetransmit(sock: TcpSock): void {
  const { kernel } = sock;
  kernel.clock.cancel(sock.retransmitTimer);
  sock.retransmitTimer = null;
  const waiting = sock.inFlight > 0;
  const stuck = !waiting && sock.pieces.length > 0 && sock.sndWnd === 0;
  if (!waiting && !stuck) return;
  const ms = Math.min(sock.rto * 2 ** sock.backoff, TIME.maxRto);
  sock.retransmitTimer = kernel.clock.after(ms, () => {
    sock.retransmitTimer = null;
    if (stuck) probeWindow(sock);
    else retransmitOrGiveUp(sock);
  });
}

/** The peer's window is closed: a segment that it answers with the window that it has now. */
function probeWindow(sock: TcpSock): void {
  sendSegment(sock, { seq: plus(sock.sndUna, -1), flags: TCP_FLAG.ack });
  sock.backoff++;
  armRetransmit(sock);
}

/** net.ipv4.tcp_retries2, tcp_orphan_retries (0 means 8), tcp_syn_linear_timeouts. */
const RETRIES = { established: 15, orphaned: 8, linearSyn: 4 };

/** tcp_retransmit_timer */
function retransmitOrGiveUp(sock: TcpSock): void {
  if (mayProbeTail(sock)) return probeTail(sock);
  const expired = hasGivenUp(sock);
  const timeout = ticks(sock.rto * 2 ** sock.backoff);
  if (hasCallback(sock, CALLBACK.rto)) callOps(sock, OP.rto, [sock.retransmits, timeout, Number(expired)]);
  if (expired) return timeOut(sock);
  sock.ssthresh = Math.max(sock.cwnd >> 1, 2);
  sock.cwnd = 1;
  sock.retransmits++;
  retransmitFirst(sock);
  // The first retransmissions of a SYN come at the same distance.
  if (sock.state !== "SYN_SENT" || sock.retransmits > RETRIES.linearSyn) sock.backoff++;
  armRetransmit(sock);
  // Has the route gone bad? The kernel asks for the timeout once more to tell (tcp_retries1).
  if (sock.state === "SYN_SENT") callOps(sock, OP.timeoutInit);
}

/** tcp_write_timeout: too many retransmissions, or as long as that many would take. */
function hasGivenUp(sock: TcpSock): boolean {
  if (sock.state !== "SYN_SENT") return sock.retransmits >= (sock.orphaned ? RETRIES.orphaned : RETRIES.established);
  const retries = sock.option("TCP_SYNCNT");
  if (sock.retransmits >= retries + RETRIES.linearSyn) return true;
  if (sock.retransmits === 0) return false;
  const base = initialTimeout(sock);
  return sock.kernel.clock.now - sock.synSentAt >= (2 ** (retries + 1) - 1) * base;
}

/** tcp_timeout_init: what programs say, or a second. Milliseconds. */
export function initialTimeout(sock: TcpSock | RequestSock): number {
  const timeout = callOps(sock, OP.timeoutInit);
  return timeout > 0 ? Math.min(timeout * MS_PER_TICK, TIME.maxRto) : TIME.initialRto;
}

/** In an established connection the last segment is sent once more before it counts as lost. */
function mayProbeTail(sock: TcpSock): boolean {
  return !sock.probed && sock.retransmits === 0 && sock.state !== "SYN_SENT" && sock.state !== "SYN_RECV";
}

function probeTail(sock: TcpSock): void {
  sock.probed = true;
  const last = sock.pieces.findLast((piece) => piece.sentAt !== null);
  if (last !== undefined) retransmit(sock, last);
  armRetransmit(sock);
}

/** Sends the first unacknowledged piece again. */
export function retransmitFirst(sock: TcpSock): void {
  const first = sock.pieces[0];
  if (first !== undefined && first.sentAt !== null) retransmit(sock, first);
}

function retransmit(sock: TcpSock, piece: Piece): void {
  piece.resent++;
  const failure = sendPiece(sock, piece);
  sock.counters.totalRetrans++;
  sock.counters.bytesRetrans += piece.data.length;
  if (hasCallback(sock, CALLBACK.retrans)) callOps(sock, OP.retrans, [piece.seq, 1, failure === null ? 0 : -1]);
}

/** CONFIG_HZ of the node, in which programs are told times and tell them: 250 a second. */
const MS_PER_TICK = 4;

function ticks(ms: number): number {
  return Math.ceil(ms / MS_PER_TICK);
}

/** Nobody answers any more (tcp_write_err). */
function timeOut(sock: TcpSock): void {
  sock.error = "ETIMEDOUT";
  finish(sock);
}

/** The connection is over (tcp_done). */
export function finish(sock: TcpSock): void {
  sock.stopTimers();
  sock.shut.read = sock.shut.write = true;
  setState(sock, "CLOSE");
  sock.pieces.length = 0;
}
