/**
 * sk_skb: programs judge what a socket receives, before its application reads it.
 *
 *   data ──> [parser cuts the stream into messages] ──> verdict ──┬ pass      ──> the socket's own queue
 *                                                                ├ redirect  ──> another socket: its queue, or out of it
 *                                                                └ drop
 *
 * With a parser a verdict is asked for each message; without, for each segment or datagram as it comes.
 * Source: net/core/skmsg.c, net/strparser/strparser.c, Linux 6.18.
 */
import { ERRNO, errnoName } from "../errno.ts";
import type { Attachment } from "./attach.ts";
import { FAMILY_NUMBERS } from "./endpoint.ts";
import { etherTypeFor, joined } from "./frame.ts";
import type { Program } from "./program.ts";
import type { MapHook, Psock, Target } from "./psock.ts";
import type { Sock } from "./sock.ts";
import { sockOf } from "./sock.ts";
import { sendTcp } from "./tcp-calls.ts";
import { TcpSock } from "./tcp-sock.ts";
import { UdpSock, sendUdp } from "./udp.ts";

const SK_PASS = 1;

/** The socket has entered a map with programs for what it receives (sock_map_link). */
export function startJudging(psock: Psock, given: Partial<Record<MapHook, Attachment>>): void {
  if (psock.judging !== null) return;
  const { sk_skb_stream_parser: parser, sk_skb_stream_verdict: stream, sk_skb_verdict: packets } = given;
  if (parser !== undefined && stream !== undefined && psock.sock instanceof TcpSock) psock.judging = "parsed";
  else if (parser === undefined && stream !== undefined) psock.judging = "stream";
  else if (stream === undefined && packets !== undefined) psock.judging = "packets";
  else return;
  take(psock);
  // What has come before is judged as well.
  psock.sock.kernel.defer(() => psock.sock.dataReady?.());
}

export function stopJudging(psock: Psock): void {
  psock.judging = null;
  const { sock } = psock;
  if (sock instanceof TcpSock || sock instanceof UdpSock) sock.dataReady = null;
}

function take(psock: Psock): void {
  const { sock } = psock;
  if (sock instanceof TcpSock) sock.dataReady = () => judgeStream(sock, psock);
  if (sock instanceof UdpSock) sock.dataReady = () => judgeDatagrams(sock, psock);
}

// ---- streams

function judgeStream(sock: TcpSock, psock: Psock): void {
  if (psock.judging === "parsed") return parseStream(sock, psock);
  for (let data = sock.queue.shift(); data !== undefined; data = sock.queue.shift()) judge(psock, data);
  if (!sock.finReceived || psock.endJudged) return;
  psock.endJudged = true;
  judge(psock, NOTHING);
}

const NOTHING = new Uint8Array(0);

/** Cuts messages as long as the parser knows their length (__strp_recv). */
function parseStream(sock: TcpSock, psock: Psock): void {
  const parser = psock.programs.sk_skb_stream_parser;
  if (parser === undefined || psock.stopped) return;
  for (let data = sock.queue.shift(); data !== undefined; data = sock.queue.shift()) {
    for (let eaten = 0; eaten < data.length && !psock.stopped;) eaten = cutMessage(psock, parser, data, eaten);
    if (psock.stopped) return;
  }
}

/** Takes a segment in from `eaten` on, up to the end of a message at most; gives how much of it is taken. */
function cutMessage(psock: Psock, parser: Program, segment: Uint8Array, eaten: number): number {
  const partial = psock.partial ?? { bytes: NOTHING, start: eaten, length: 0 };
  partial.bytes = joined(partial.bytes, segment);
  psock.partial = partial;
  if (partial.length === 0) partial.length = runParser(psock, parser, partial.bytes);
  if (partial.length < 0 || partial.length > psock.sock.option("SO_RCVBUF")) {
    psock.stopped = true;
    psock.sock.error = errnoName(partial.length < 0 ? -partial.length : ERRNO.EMSGSIZE);
    return segment.length;
  }
  const end = partial.start + partial.length;
  if (partial.length === 0 || partial.bytes.length < end) return segment.length;
  psock.partial = null;
  judge(psock, partial.bytes, { start: partial.start, end });
  return end - (partial.bytes.length - segment.length);
}

function runParser({ sock }: Psock, parser: Program, bytes: Uint8Array): number {
  const result = parser.run("sk_skb_stream_parser", sock.namespace, {
    packet: bytes,
    socket: sock.publish(),
    context: packetContext(sock),
  });
  return result.returnValue ?? -ERRNO.EINVAL;
}

// ---- datagrams

function judgeDatagrams(sock: UdpSock, psock: Psock): void {
  for (let received = sock.queue.shift(); received !== undefined; received = sock.queue.shift())
    judge(psock, received.data);
}

// ---- verdicts

/** `message`: of what programs see, the part that the verdict is for. */
function judge(psock: Psock, data: Uint8Array, message: { start: number; end: number } | null = null): void {
  const { sock, programs } = psock;
  const program = programs.sk_skb_stream_verdict ?? programs.sk_skb_verdict;
  if (program === undefined) return;
  const hook = programs.sk_skb_stream_verdict === undefined ? "sk_skb_verdict" : "sk_skb_stream_verdict";
  const result = program.run(hook, sock.namespace, {
    packet: data,
    socket: sock.publish(),
    context: packetContext(sock),
  });
  if (result.returnValue !== SK_PASS) return;
  const whole = result.packet ?? data;
  const packet = message === null ? whole : whole.slice(message.start, message.end);
  const redirect = result.redirects.findLast(({ kind }) => kind === "socket");
  const target = redirect?.kind === "socket" ? sockOf(redirect.socket) : null;
  if (target === null || redirect?.kind !== "socket") psock.ingress.push(packet);
  else redirectPacket(psock, { sock: target, ingress: redirect.ingress }, packet);
}

/** The kernel leaves this to workers: the way into a queue is short, the one out through TCP and back is long. */
function redirectPacket({ sock: from }: Psock, { sock, ingress }: Target, packet: Uint8Array): void {
  if (sock.psock === null) return;
  if (ingress) from.kernel.defer(() => sock.psock?.ingress.push(packet));
  else from.kernel.later(() => sendOut(sock, packet));
}

function sendOut(sock: Sock, packet: Uint8Array): void {
  if (sock.psock === null) return;
  if (sock instanceof TcpSock) sendTcp(sock, packet);
  else if (sock instanceof UdpSock) sendUdp(sock, packet, null);
}

function packetContext(sock: Sock): Record<string, number | string> {
  const { local4, remote4 } = sock.ipv4Ends;
  return {
    protocol: etherTypeFor(sock.wire(sock.local.address)),
    family: FAMILY_NUMBERS[sock.family],
    local_ip4: local4,
    remote_ip4: remote4,
    ...(sock.family === "inet6" ? { local_ip6: sock.local.address, remote_ip6: sock.remote.address } : {}),
    local_port: sock.local.port,
    remote_port: sock.remote.port,
  };
}
