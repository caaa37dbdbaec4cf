/**
 * sock_ops: programs of a connection's cgroup that are called at its turning points. Some are always called, others when
 * the connection has asked for them (bpf_sock_ops_cb_flags). What a program leaves in `reply` answers questions such as
 * the first retransmission timeout.
 */
import type { ContextInput } from "../context.ts";
import type { Effect } from "../host.ts";
import { FAMILY_NUMBERS } from "./endpoint.ts";
import { encodeSegment } from "./frame.ts";
import type { Segment } from "./frame.ts";
import { STATE } from "./sock.ts";
import { RequestSock, TcpSock } from "./tcp-sock.ts";

/**
 * Callbacks: BPF_SOCK_OPS_* of include/uapi/linux/bpf.h. What `args` are, and what the reply means:
 *
 *   timeoutInit       reply: retransmission timeout of the SYN (SYN-ACK), in ticks     rwndInit  reply: initial window, in segments
 *   connect, activeEstablished, passiveEstablished, listen   no arguments, no reply    needsEcn  reply: 1 to ask for ECN
 *   rto               retransmissions so far, timeout in ticks, whether it gives up    retrans   sequence number, segments, error
 *   state             state before, state next                                         rtt       round trip, smoothed (shifted by 3)
 *   parseHeader       the segment has options that TCP does not know (or all asked for)
 *   headerLength      how many bytes of options? (reserve_hdr_opt)                     writeHeader  write them (store_hdr_opt)
 */
// prettier-ignore
export const OP = {
  timeoutInit: 1, rwndInit: 2, connect: 3, activeEstablished: 4, passiveEstablished: 5, needsEcn: 6, baseRtt: 7, rto: 8,
  retrans: 9, state: 10, listen: 11, rtt: 12, parseHeader: 13, headerLength: 14, writeHeader: 15,
} as const;

/** BPF_SOCK_OPS_*_CB_FLAG. */
// prettier-ignore
export const CALLBACK = {
  rto: 1, retrans: 2, state: 4, rtt: 8, parseAll: 16, parseUnknown: 32, writeHeader: 64,
} as const;

/** Has the connection asked for a callback? */
export function hasCallback(sock: TcpSock, flag: number): boolean {
  return (sock.callbacks & flag) !== 0;
}

/** Calls the programs; gives the reply, which each may change, or -1 when one refuses. */
export function callOps(
  sock: TcpSock | RequestSock,
  op: number,
  args: readonly number[] = [],
  segment: Segment | null = null,
): number {
  return runOps(sock, { op, args, segment, seen: segment, room: 0 }).reply;
}

/** An event as programs see it. */
interface OpsEvent {
  readonly op: number;
  readonly args: readonly number[];
  /** The segment that it is about, and of that what programs can read: its header, or nothing. */
  readonly segment: Segment | null;
  readonly seen: Segment | null;
  /** Bytes that there are for header options. */
  readonly room: number;
}

interface OpsOutcome {
  readonly reply: number;
  readonly effects: readonly Effect[];
}

/** One event goes through all programs: arguments and room for options are what the one before left. */
function runOps(sock: TcpSock | RequestSock, event: OpsEvent): OpsOutcome {
  const owner = sock instanceof RequestSock ? sock.listener : sock;
  let shared: readonly number[] = event.args.map((arg) => arg >>> 0);
  let refused = false;
  const effects: Effect[] = [];
  for (const program of owner.cgroup.effective("cgroup_sock_ops")) {
    const context = { ...opsContext(sock, event.segment), op: event.op, args: shared };
    const packet = event.seen === null ? {} : { packet: encodeSegment({ ...event.seen, payload: NOTHING }) };
    const optionRoom = event.room - optionBytes(effects);
    const result = program.run("sock_ops", owner.namespace, { context, socket: sock.publish(), optionRoom, ...packet });
    shared = result.context["args"] as readonly number[];
    effects.push(...result.effects);
    if (sock instanceof TcpSock) sock.callbacks = Number(result.context["bpf_sock_ops_cb_flags"]);
    if (((result.returnValue ?? 0) & 1) === 0) refused = true;
  }
  return { reply: refused ? -1 : (shared[0] ?? 0) | 0, effects: refused ? [] : effects };
}

const NOTHING = new Uint8Array(0);

function optionBytes(effects: readonly Effect[]): number {
  return effects.reduce((sum, effect) => sum + bytesOf(effect), 0);
}

function bytesOf(effect: Effect): number {
  if (effect.kind === "reserve_options") return effect.bytes;
  return effect.kind === "header_option" ? effect.option.length : 0;
}

// ---- options in the header

/** What `args[0]` of headerLength says when no segment is being made: BPF_WRITE_HDR_TCP_CURRENT_MSS. */
const CURRENT_MSS = 1;
const NO_OPERATION = 1;

/** Bytes that programs ask for in the header of a segment (null: of any), a multiple of 4. */
export function reservedOptions(sock: TcpSock | RequestSock, segment: Segment | null, room: number): number {
  const owner = sock instanceof RequestSock ? sock.listener : sock;
  if (!hasCallback(owner, CALLBACK.writeHeader) || room === 0) return 0;
  const args = [segment === null ? CURRENT_MSS : 0];
  const { effects } = runOps(sock, { op: OP.headerLength, args, segment, seen: null, room });
  return Math.ceil(optionBytes(effects) / 4) * 4;
}

/** Options that programs add to a segment: they say how many bytes, then write them; what they leave is padding. */
export function headerOptions(sock: TcpSock | RequestSock, segment: Segment, room: number): Uint8Array {
  const length = reservedOptions(sock, segment, room);
  if (length === 0) return NOTHING;
  const { effects } = runOps(sock, { op: OP.writeHeader, args: [0], segment, seen: segment, room: length });
  const bytes = new Uint8Array(length).fill(NO_OPERATION);
  let at = 0;
  for (const effect of effects) {
    if (effect.kind !== "header_option") continue;
    bytes.set(effect.option, at);
    at += effect.option.length;
  }
  return bytes;
}

function opsContext(sock: TcpSock | RequestSock, segment: Segment | null): ContextInput {
  const { local4, remote4 } = sock.ipv4Ends;
  const common = {
    family: FAMILY_NUMBERS[sock.family],
    remote_ip4: remote4,
    local_ip4: local4,
    ...(sock.family === "inet6" ? { remote_ip6: sock.remote.address, local_ip6: sock.local.address } : {}),
    remote_port: sock.remote.port,
    local_port: sock.local.port,
    state: STATE[sock.state],
    ...(segment === null ? {} : { skb_len: segmentLength(segment), skb_tcp_flags: segment.flags }),
  };
  return sock instanceof RequestSock ? { ...common, is_fullsock: 0 } : { ...common, ...connectionContext(sock) };
}

function segmentLength({ options, payload }: Segment): number {
  return 20 + options.length + payload.length;
}

function connectionContext(sock: TcpSock): ContextInput {
  const { counters } = sock;
  return {
    is_fullsock: 1,
    snd_cwnd: sock.cwnd,
    srtt_us: sock.srtt >> 3,
    bpf_sock_ops_cb_flags: sock.callbacks,
    rtt_min: sock.rttMin,
    snd_ssthresh: sock.ssthresh,
    rcv_nxt: sock.rcvNxt,
    snd_nxt: sock.sndNxt,
    snd_una: sock.sndUna,
    mss_cache: sock.mss,
    packets_out: sock.inFlight,
    retrans_out: sock.retransOut,
    total_retrans: counters.totalRetrans,
    segs_in: counters.segsIn,
    data_segs_in: counters.dataSegsIn,
    segs_out: counters.segsOut,
    data_segs_out: counters.dataSegsOut,
    bytes_received: counters.bytesReceived,
    bytes_acked: counters.bytesAcked,
  };
}
