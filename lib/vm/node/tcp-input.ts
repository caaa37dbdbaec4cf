/**
 * TCP's receiving side: what a segment does to the socket it is for (RFC 9293 section 3.10.7).
 */
import type { Errno } from "../errno.ts";
import { judgeSkb } from "./cgroup-skb.ts";
import { drop } from "./device.ts";
import { PROTOCOL, TCP_FLAG, decodeSegment, tosOf } from "./frame.ts";
import type { IpPacket, Segment } from "./frame.ts";
import type { Interface } from "./interface.ts";
import { findReceiver } from "./lookup.ts";
import { migrate } from "./reuseport.ts";
import type { Flow } from "./socket-table.ts";
import type { Skb } from "./skb.ts";
import { distance, isAfter, plus } from "./sequence.ts";
import type { StateName } from "./sock.ts";
import { CALLBACK, OP, callOps, hasCallback } from "./sock-ops.ts";
import { TIMESTAMP_BYTES, decodeOptions } from "./tcp-options.ts";
import type { TcpOptions } from "./tcp-options.ts";
import {
  answerWithReset,
  armRetransmit,
  delayAck,
  finish,
  initialTimeout,
  initialWindow,
  push,
  retransmitFirst,
  sendAck,
  sendReset,
  sendSynAck,
  syncMss,
} from "./tcp-output.ts";
import { setState } from "./tcp-state.ts";
import { QUICK_ACKS, RequestSock, TIME, TcpSock, WINDOW_SCALE, endOf } from "./tcp-sock.ts";
import type { Agreed } from "./tcp-sock.ts";

const { syn: SYN, fin: FIN, rst: RST, psh: PSH, ack: ACK, urg: URG, ece: ECE, cwr: CWR } = TCP_FLAG;

/** A segment with what came around it. */
interface Arrival {
  readonly segment: Segment;
  readonly options: TcpOptions;
  readonly flow: Flow;
  readonly skb: Skb;
  readonly ip: IpPacket;
  readonly device: Interface;
}

/** A segment for this host. */
export function receiveTcp(skb: Skb, ip: IpPacket, device: Interface): void {
  const { namespace } = device;
  const segment = decodeSegment(ip.payload);
  if (segment === null) return drop(namespace, "malformed", skb);
  const flow: Flow = {
    protocol: PROTOCOL.tcp,
    local: { address: ip.destination, port: segment.destinationPort },
    remote: { address: ip.source, port: segment.sourcePort },
    ifindex: device.ifindex,
  };
  const arrival = { segment, options: decodeOptions(segment.options), flow, skb, ip, device };
  const sock = findReceiver(namespace, flow, skb, ip);
  if (sock === null) return refuse(arrival, null);
  const owner = sock instanceof RequestSock ? sock.listener : sock;
  if (!judgeSkb(owner, skb, device, "ingress").allowed) return drop(namespace, "program", skb);
  if (sock instanceof RequestSock) receiveForRequest(sock, arrival);
  else if (sock instanceof TcpSock) receiveForSock(sock, arrival);
}

function receiveForSock(sock: TcpSock, arrival: Arrival): void {
  sock.counters.segsIn++;
  if (arrival.segment.payload.length > 0) sock.counters.dataSegsIn++;
  if (sock.state === "LISTEN") receiveForListener(sock, arrival);
  else if (sock.state === "SYN_SENT") receiveForSynSent(sock, arrival);
  else if (sock.state === "TIME_WAIT") receiveForTimeWait(sock, arrival);
  else receiveForConnection(sock, arrival);
}

/** Nobody takes it: a reset says so. */
function refuse({ segment, flow, skb, device }: Arrival, sock: TcpSock | null): void {
  drop(device.namespace, "no_socket", skb);
  answerWithReset(device.namespace, segment, { own: flow.local.address, peer: flow.remote.address }, sock);
}

// ---- a connection is asked for

function receiveForListener(listener: TcpSock, arrival: Arrival): void {
  const { flags } = arrival.segment;
  if ((flags & RST) !== 0) return;
  if ((flags & ACK) !== 0) return refuse(arrival, listener);
  if ((flags & SYN) === 0 || (flags & FIN) !== 0) return;
  if (listener.accepting.length > listener.backlog) return drop(listener.namespace, "queue_full", arrival.skb);
  const request = requestOf(listener, arrival);
  request.agreed = { ...request.agreed, ecn: agreesOnEcn(request, arrival) };
  if (!listener.namespace.sockets.connect(request)) return;
  listener.requests.add(request);
  answerRequest(request);
}

/** tcp_ecn_create_request: a SYN that asks is answered; one that is marked itself, only when the programs want it. */
function agreesOnEcn(request: RequestSock, { segment: { flags }, skb }: Arrival): boolean {
  if ((flags & (ECE | CWR)) !== (ECE | CWR)) return false;
  const marked = (tosOf(skb.packet) & ECT_MASK) !== 0;
  return marked ? callOps(request, OP.needsEcn) === 1 : true;
}

const ECT_MASK = 3;

function requestOf(listener: TcpSock, { segment, options, flow, skb, device }: Arrival): RequestSock {
  const agreed: Agreed = {
    ecn: false,
    timestamps: options.timestamp !== undefined,
    sack: options.sackPermitted === true,
    peerScale: options.windowScale ?? 0,
    ownScale: options.windowScale === undefined ? 0 : WINDOW_SCALE,
    peerMss: options.mss ?? 536,
  };
  const iss = newSequence(listener);
  const request = new RequestSock(listener, {
    iss,
    peerSyn: segment,
    agreed,
    rto: TIME.initialRto,
    syn: skb.packet.slice(),
  });
  request.local = { address: listener.own(flow.local.address), port: flow.local.port };
  request.remote = { address: listener.own(flow.remote.address), port: flow.remote.port };
  request.peerTimestamp = options.timestamp?.value ?? 0;
  request.deviceIndex = listener.deviceIndex;
  for (const [key, value] of listener.values) request.values.set(key, value);
  request.ifindex = device.ifindex;
  return request;
}

/** Initial sequence numbers are far apart; nobody here needs to be kept from guessing them. */
export function newSequence({ kernel }: TcpSock): number {
  return (kernel.count("sequence") * 0x0100_0000) >>> 0;
}

/** tcp_conn_request: programs are asked, then SYN and ACK go out, again and again until they are acknowledged. */
function answerRequest(request: RequestSock): void {
  callOps(request, OP.rwndInit);
  request.rto = initialTimeout(request);
  sendSynAck(request);
  armSynAck(request);
}

/** net.ipv4.tcp_synack_retries */
const SYN_ACK_RETRIES = 5;

function armSynAck(request: RequestSock): void {
  const { kernel } = request;
  request.synAckTimer = kernel.clock.after(Math.min(request.rto * 2 ** request.retransmits, TIME.maxRto), () => {
    if (request.retransmits >= SYN_ACK_RETRIES) return dropRequest(request);
    request.retransmits++;
    sendSynAck(request);
    armSynAck(request);
  });
}

export function dropRequest(request: RequestSock): void {
  request.kernel.clock.cancel(request.synAckTimer);
  request.listener.requests.delete(request);
  request.namespace.sockets.disconnect(request);
}

// ---- its acknowledgement

function receiveForRequest(request: RequestSock, arrival: Arrival): void {
  const { segment } = arrival;
  if (!request.listener.listening) {
    const next = migrate(request.listener, request);
    if (!(next instanceof TcpSock) || !next.listening) {
      dropRequest(request);
      return receiveTcp(arrival.skb, arrival.ip, arrival.device);
    }
    request.listener.requests.delete(request);
    request.listener = next;
    next.requests.add(request);
  }
  const { listener } = request;
  const next = plus(request.peerSyn.seq, 1);
  if ((segment.flags & SYN) !== 0 && segment.seq === request.peerSyn.seq && (segment.flags & RST) === 0)
    return sendSynAck(request);
  if ((segment.flags & RST) !== 0) return segment.seq === next ? dropRequest(request) : undefined;
  if ((segment.flags & ACK) === 0) return;
  if (segment.ack !== plus(request.iss, 1)) return refuse(arrival, listener);
  if (listener.accepting.length > listener.backlog) return drop(listener.namespace, "queue_full", arrival.skb);
  const child = childOf(request, segment, arrival);
  dropRequest(request);
  request.namespace.sockets.inherit(child);
  request.namespace.sockets.hold(child, child.local.port);
  listener.accepting.push(child);
  becomeEstablished(child, arrival);
  listener.dataReady?.();
}

/** The connection's own socket: options and callbacks are the listener's, the cookie is the request's. */
function childOf(request: RequestSock, segment: Segment, { options }: Arrival): TcpSock {
  const { listener, agreed } = request;
  const child = new TcpSock(listener, request.vm);
  child.kernel.host.cloneObject(listener.vm, child.vm);
  child.local = request.local;
  child.remote = request.remote;
  for (const [key, value] of listener.values) child.values.set(key, value);
  for (const [key, value] of listener.texts) child.texts.set(key, value);
  child.values.delete("6/2");
  child.deviceIndex = listener.deviceIndex;
  child.deviceName = listener.deviceName;
  child.callbacks = listener.callbacks;
  child.parent = listener;
  child.state = "SYN_RECV";
  child.passive = true;
  child.agreed = agreed;
  child.peerMss = agreed.peerMss;
  child.peerTimestamp = options.timestamp?.value ?? request.peerTimestamp;
  child.iss = request.iss;
  child.sndUna = child.sndNxt = child.writeSeq = child.smallEnd = plus(request.iss, 1);
  child.irs = request.peerSyn.seq;
  child.rcvNxt = child.rcvWup = plus(child.irs, 1);
  child.rcvWnd = initialWindow(listener.freeWindow, request.agreed.peerMss);
  child.sndWnd = segment.window * 2 ** agreed.peerScale;
  child.maxWindow = child.sndWnd;
  child.savedSyn = listener.option("TCP_SAVE_SYN") === 0 ? child.savedSyn : request.syn;
  return child;
}

function becomeEstablished(child: TcpSock, arrival: Arrival): void {
  const { segment } = arrival;
  child.counters.segsIn++;
  if (segment.payload.length > 0) child.counters.dataSegsIn++;
  sampleRtt(child, child.kernel.clock.now);
  syncMss(child);
  callOps(child, OP.passiveEstablished, [], segment);
  setState(child, "ESTABLISHED");
  takeData(child, arrival);
}

// ---- the answer to a SYN

function receiveForSynSent(sock: TcpSock, arrival: Arrival): void {
  const { segment, options } = arrival;
  const acks = (segment.flags & ACK) !== 0;
  if (acks && segment.ack !== sock.sndNxt) return refuse(arrival, sock);
  if ((segment.flags & RST) !== 0) return acks ? reset(sock) : undefined;
  if ((segment.flags & SYN) === 0) return;
  if (!acks) return openTogether(sock, arrival);
  sock.irs = segment.seq;
  sock.rcvNxt = sock.rcvWup = plus(segment.seq, 1);
  agree(sock, options, sock.ecn.asked && (segment.flags & (ECE | CWR)) === ECE);
  sock.sndWnd = sock.maxWindow = segment.window;
  if (!acknowledge(sock, arrival)) return;
  syncMss(sock);
  setState(sock, "ESTABLISHED");
  callOps(sock, OP.activeEstablished, [], segment);
  sendAck(sock);
}

function agree(sock: TcpSock, options: TcpOptions, ecn: boolean): void {
  sock.agreed = {
    ecn,
    timestamps: options.timestamp !== undefined,
    sack: options.sackPermitted === true,
    peerScale: options.windowScale ?? 0,
    ownScale: options.windowScale === undefined ? 0 : WINDOW_SCALE,
    peerMss: options.mss ?? 536,
  };
  sock.peerMss = sock.agreed.peerMss;
  sock.peerTimestamp = options.timestamp?.value ?? 0;
}

/** Two SYNs have crossed (RFC 9293 section 3.5, figure 7). */
function openTogether(sock: TcpSock, { segment, options }: Arrival): void {
  sock.irs = segment.seq;
  sock.rcvNxt = sock.rcvWup = plus(segment.seq, 1);
  agree(sock, options, false);
  sock.sndWnd = sock.maxWindow = segment.window;
  syncMss(sock);
  setState(sock, "SYN_RECV");
  retransmitFirst(sock);
}

// ---- a connection's segments

function receiveForConnection(sock: TcpSock, arrival: Arrival): void {
  const { segment } = arrival;
  if (!isInWindow(sock, segment)) {
    if ((segment.flags & RST) === 0) sendAck(sock);
    return;
  }
  if ((segment.flags & RST) !== 0) return segment.seq === sock.rcvNxt ? reset(sock) : sendAck(sock);
  if ((segment.flags & SYN) !== 0) return sendAck(sock);
  parseHeader(sock, segment);
  if ((segment.flags & ACK) === 0) return;
  if (sock.agreed.ecn && (tosOf(arrival.skb.packet) & ECT_MASK) !== 0) sock.ecn.seen = true;
  if (arrival.options.timestamp !== undefined && !isAfter(segment.seq, sock.rcvNxt))
    sock.peerTimestamp = arrival.options.timestamp.value;
  if (!acknowledge(sock, arrival)) return;
  if (sock.state === "SYN_RECV") {
    callOps(sock, OP.passiveEstablished, [], segment);
    setState(sock, "ESTABLISHED");
  }
  afterAcknowledgement(sock);
  if (sock.state === "CLOSE" || sock.state === "TIME_WAIT") return;
  takeData(sock, arrival);
  if (STILL_OPEN.has(sock.state)) push(sock);
}

const STILL_OPEN: ReadonlySet<StateName> = new Set(["ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT1", "LAST_ACK", "CLOSING"]);

/** RFC 9293 section 3.4, table 6, as Linux does it (tcp_sequence). */
function isInWindow(sock: TcpSock, segment: Segment): boolean {
  const length = segment.payload.length + ((segment.flags & FIN) !== 0 ? 1 : 0);
  const window = Math.max(0, distance(plus(sock.rcvWup, sock.rcvWnd), sock.rcvNxt));
  return !isAfter(sock.rcvWup, plus(segment.seq, length)) && !isAfter(segment.seq, plus(sock.rcvNxt, window));
}

/** Options that programs want to see. */
function parseHeader(sock: TcpSock, segment: Segment): void {
  const all = hasCallback(sock, CALLBACK.parseAll) && !isPredicted(sock, segment);
  const unknown = hasCallback(sock, CALLBACK.parseUnknown) && hasUnknownOption(segment.options);
  if (all || unknown) callOps(sock, OP.parseHeader, [], segment);
}

/**
 * Header prediction (tcp_rcv_established): a segment in order, with nothing but data or an acknowledgement, takes a short way
 * that passes the programs by, even those that want to parse all options.
 */
function isPredicted(sock: TcpSock, segment: Segment): boolean {
  return (
    sock.state === "ESTABLISHED" &&
    (segment.flags & ~(ACK | PSH)) === 0 &&
    segment.seq === sock.rcvNxt &&
    segment.window * 2 ** sock.agreed.peerScale === sock.sndWnd &&
    segment.options.length === (sock.agreed.timestamps ? TIMESTAMP_BYTES : 0)
  );
}

/** Takes the acknowledgement in; false for one of what was never sent. */
function acknowledge(sock: TcpSock, { segment }: Arrival): boolean {
  if (isAfter(segment.ack, sock.sndNxt)) {
    sendAck(sock);
    return false;
  }
  if (isAfter(sock.sndUna, segment.ack)) return true;
  const window = segment.window * ((segment.flags & SYN) !== 0 ? 1 : 2 ** sock.agreed.peerScale);
  const opened = window > sock.sndWnd;
  sock.sndWnd = window;
  sock.maxWindow = Math.max(sock.maxWindow, window);
  const acked = distance(segment.ack, sock.sndUna);
  if (acked === 0) {
    if (opened) armRetransmit(sock);
    else countDuplicate(sock, segment);
    return true;
  }
  sock.sndUna = segment.ack;
  sock.counters.bytesAcked += acked;
  sock.duplicates = 0;
  const whole = removeAcknowledged(sock, segment.ack);
  const slowStart = sock.cwnd < sock.ssthresh;
  if (slowStart) sock.cwnd = Math.min(sock.cwnd + whole, sock.cwndClamp);
  sock.retransmits = sock.backoff = 0;
  sock.probed = false;
  armRetransmit(sock);
  return true;
}

/** Gives how many pieces are done. The round trip is measured on one that was sent once (Karn's algorithm). */
function removeAcknowledged(sock: TcpSock, upTo: number): number {
  let count = 0;
  let measured: number | null = null;
  for (
    let first = sock.pieces[0];
    first !== undefined && first.sentAt !== null && !isAfter(endOf(first), upTo);
    first = sock.pieces[0]
  ) {
    sock.pieces.shift();
    count++;
    measured = first.resent === 0 ? first.sentAt : null;
  }
  const first = sock.pieces[0];
  const part = first === undefined || first.sentAt === null ? 0 : distance(upTo, first.seq);
  if (first !== undefined && part > 0) sock.pieces[0] = { ...first, seq: upTo, data: first.data.slice(part) };
  if (measured !== null) sampleRtt(sock, measured);
  return count;
}

/** RFC 6298 in the kernel's arithmetic (tcp_rtt_estimator); a round trip is at least a microsecond. */
function sampleRtt(sock: TcpSock, sentAt: number): void {
  const rtt = Math.max(1, Math.round((sock.kernel.clock.now - sentAt) * 1000));
  sock.srtt = sock.srtt === 0 ? rtt << 3 : Math.max(1, sock.srtt + rtt - (sock.srtt >> 3));
  sock.rttMin = Math.min(sock.rttMin, rtt);
  sock.rto = Math.max(sock.rtoMin, Math.ceil(sock.srtt / 8000)) + (sock.srtt >> 3) / 1000;
  if (hasCallback(sock, CALLBACK.rtt)) callOps(sock, OP.rtt, [rtt, sock.srtt]);
}

/** Three duplicates mean that a segment is lost (RFC 5681). */
function countDuplicate(sock: TcpSock, segment: Segment): void {
  if (segment.payload.length > 0 || sock.inFlight === 0 || (segment.flags & FIN) !== 0) return;
  sock.duplicates++;
  if (sock.duplicates !== 3) return;
  sock.ssthresh = Math.max(sock.cwnd >> 1, 2);
  sock.cwnd = sock.ssthresh;
  retransmitFirst(sock);
}

/** What an acknowledged FIN of ours means. */
function afterAcknowledgement(sock: TcpSock): void {
  if (sock.pieces.length > 0) return;
  if (sock.state === "FIN_WAIT1") {
    setState(sock, "FIN_WAIT2");
    if (sock.orphaned) becomeTimeWait(sock);
  } else if (sock.state === "CLOSING") {
    becomeTimeWait(sock);
  } else if (sock.state === "LAST_ACK") {
    finish(sock);
  }
}

// ---- data

function takeData(sock: TcpSock, { segment }: Arrival): void {
  const fin = (segment.flags & FIN) !== 0;
  const length = segment.payload.length;
  if (length === 0 && !fin) return;
  const offset = distance(sock.rcvNxt, segment.seq);
  if (length > 0 && sock.shut.read && sock.orphaned && offset < length) return refuseData(sock);
  if (offset >= length + (fin ? 1 : 0)) return sendAck(sock);
  if (offset < 0) {
    sock.early.set(segment.seq, { data: segment.payload.slice(), fin });
    return sendAck(sock);
  }
  if ((segment.flags & URG) !== 0) takeUrgent(sock, segment);
  let grew = append(sock, segment.payload.slice(offset), fin);
  for (let next = takeEarly(sock); next !== null; next = takeEarly(sock))
    grew = append(sock, next.data, next.fin) || grew;
  scheduleAck(sock, segment, fin);
  if (grew) sock.dataReady?.();
}

/** Data for a socket that nobody reads any more (RFC 9293 section 3.10.7.4, and RFC 2525 section 2.17). */
function refuseData(sock: TcpSock): void {
  sendReset(sock);
  finish(sock);
}

function takeEarly(sock: TcpSock): { data: Uint8Array; fin: boolean } | null {
  for (const [seq, { data, fin }] of sock.early) {
    const offset = distance(sock.rcvNxt, seq);
    if (offset < 0) continue;
    sock.early.delete(seq);
    if (offset <= data.length) return { data: data.slice(offset), fin };
  }
  return null;
}

function append(sock: TcpSock, data: Uint8Array, fin: boolean): boolean {
  if (data.length > 0) {
    if (!sock.shut.read) sock.queue.push(data);
    sock.rcvNxt = plus(sock.rcvNxt, data.length);
    sock.counters.bytesReceived += data.length;
  }
  if (fin && !sock.finReceived) takeFin(sock);
  return data.length > 0 || fin;
}

/** The urgent byte is the last one that the pointer covers; it is read by MSG_OOB alone. */
function takeUrgent(sock: TcpSock, { seq, payload }: Segment): void {
  const byte = payload.at(-1);
  if (byte !== undefined) sock.urgent = { seq: plus(seq, payload.length - 1), byte, read: false };
}

/** What a FIN makes of each state (tcp_fin). */
function takeFin(sock: TcpSock): void {
  sock.finReceived = true;
  sock.shut.read = true;
  sock.rcvNxt = plus(sock.rcvNxt, 1);
  if (sock.state === "ESTABLISHED" || sock.state === "SYN_RECV") setState(sock, "CLOSE_WAIT");
  else if (sock.state === "FIN_WAIT1") setState(sock, "CLOSING");
  else if (sock.state === "FIN_WAIT2") {
    sendAck(sock);
    becomeTimeWait(sock);
  }
}

/** At once at first, for every second full segment, and out of the ordinary; else within 40 ms. */
function scheduleAck(sock: TcpSock, segment: Segment, fin: boolean): void {
  if (sock.state === "TIME_WAIT" || sock.state === "CLOSE") return;
  const { ack } = sock;
  if (segment.payload.length > 0) {
    if (!ack.started) ack.quick = QUICK_ACKS;
    ack.started = true;
    ack.lastData = sock.kernel.clock.now;
    ack.pushed = true;
  }
  const unacknowledged = distance(sock.rcvNxt, sock.rcvWup);
  if (fin || sock.early.size > 0 || unacknowledged > sock.mss || (ack.quick > 0 && !ack.pingpong)) sendAck(sock);
  else delayAck(sock);
}

// ---- the end

/** A reset came (tcp_reset). */
function reset(sock: TcpSock): void {
  sock.error = RESET_ERRORS[sock.state] ?? "ECONNRESET";
  sock.queue.length = 0;
  finish(sock);
  sock.dataReady?.();
}

const RESET_ERRORS: Readonly<Partial<Record<StateName, Errno>>> = { SYN_SENT: "ECONNREFUSED", CLOSE_WAIT: "EPIPE" };

/**
 * The last acknowledgement may be lost: the connection's place is kept for a minute. For programs the socket is closed
 * (tcp_time_wait replaces it by another that they do not see).
 */
export function becomeTimeWait(sock: TcpSock): void {
  sock.stopTimers();
  setState(sock, "CLOSE");
  sock.shut.read = sock.shut.write = true;
  sock.state = "TIME_WAIT";
  const { sockets } = sock.namespace;
  sockets.inherit(sock);
  sockets.hold(sock, sock.local.port);
  sock.endTimer = sock.kernel.clock.after(TIME.timeWait, () => endTimeWait(sock));
}

function endTimeWait(sock: TcpSock): void {
  sock.kernel.clock.cancel(sock.endTimer);
  sock.namespace.sockets.remove(sock);
  sock.state = "CLOSE";
}

function receiveForTimeWait(sock: TcpSock, arrival: Arrival): void {
  const { segment, flow, skb, device } = arrival;
  if ((segment.flags & RST) !== 0) return endTimeWait(sock);
  if ((segment.flags & SYN) !== 0 && isAfter(segment.seq, sock.rcvNxt)) {
    endTimeWait(sock);
    const next = findReceiver(device.namespace, flow, skb, null);
    return next instanceof TcpSock ? receiveForSock(next, arrival) : refuse(arrival, null);
  }
  if ((segment.flags & FIN) !== 0 && segment.seq === sock.rcvNxt) {
    sock.rcvNxt = plus(sock.rcvNxt, 1);
    sock.finReceived = true;
  }
  if (segment.payload.length > 0 && !sock.finReceived) {
    answerWithReset(device.namespace, segment, { own: flow.local.address, peer: flow.remote.address }, null);
    return endTimeWait(sock);
  }
  if (segment.payload.length > 0 || (segment.flags & (SYN | FIN)) !== 0) sendAck(sock);
}

/** Option kinds that TCP itself understands (tcp_parse_options). */
const KNOWN_OPTIONS: ReadonlySet<number> = new Set([0, 1, 2, 3, 4, 5, 8, 19, 34]);

function hasUnknownOption(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at] ?? 0;
    if (kind === 0) return false;
    if (!KNOWN_OPTIONS.has(kind)) return true;
    at += kind === 1 ? 1 : Math.max(2, bytes[at + 1] ?? 2);
  }
  return false;
}
