/**
 * What a TCP socket keeps: its state, the two streams, timers and counters. How they change is in tcp-input.ts,
 * tcp-output.ts and tcp-calls.ts.
 *
 *   sent and acknowledged | sent, not yet acknowledged | not yet sent      |
 *                         sndUna                       sndNxt              writeSeq
 *
 *   read | in the receive queue | what the window allows |
 *        |                      rcvNxt                   rcvNxt + window
 */
import { PROTOCOL } from "./frame.ts";
import type { Timer } from "./clock.ts";
import type { Segment } from "./frame.ts";
import { plus } from "./sequence.ts";
import { STATE, Sock } from "./sock.ts";
import type { SockIdentity, StateName } from "./sock.ts";
import type { Socket } from "../socket.ts";

/** A piece of the outgoing stream: as one segment carries it. SYN and FIN take a sequence number as a byte does. */
export interface Piece {
  readonly seq: number;
  data: Uint8Array;
  flags: number;
  /** When it was sent first (ms); null: not yet. */
  sentAt: number | null;
  /** How often it was sent again. */
  resent: number;
}

/** A connection asked for and not yet established: it has no socket of its own, only the listener's (NEW_SYN_RECV). */
export class RequestSock extends Sock {
  listener: TcpSock;
  readonly iss: number;
  readonly peerSyn: Segment;
  agreed: Agreed;
  synAckTimer: Timer | null = null;
  retransmits = 0;
  /** Milliseconds. */
  rto: number;
  peerTimestamp = 0;
  /** The interface that the SYN came in by. */
  ifindex = 0;
  /** The SYN packet from its network header on. */
  readonly syn: Uint8Array;

  constructor(
    listener: TcpSock,
    made: { iss: number; peerSyn: Segment; agreed: Agreed; rto: number; syn: Uint8Array },
  ) {
    super(listener, "stream");
    this.listener = listener;
    this.iss = made.iss;
    this.peerSyn = made.peerSyn;
    this.agreed = made.agreed;
    this.rto = made.rto;
    this.syn = made.syn;
    this.state = "NEW_SYN_RECV";
    this.passive = true;
  }
}

/** What the SYNs of a connection have settled. */
export interface Agreed {
  readonly ecn: boolean;
  readonly timestamps: boolean;
  readonly sack: boolean;
  /** How far the windows that the peer sends, and that it is sent, are shifted; both 0 when one end cannot. */
  readonly peerScale: number;
  readonly ownScale: number;
  /** The largest segment that the peer takes. */
  readonly peerMss: number;
}

/** As Linux offers them; RFC 6928 for the initial window. */
export const INITIAL_CWND = 10;
export const WINDOW_SCALE = 10;
/** Milliseconds: TCP_TIMEOUT_INIT, TCP_RTO_MIN, TCP_RTO_MAX, TCP_DELACK_MIN, TCP_TIMEWAIT_LEN. */
export const TIME = { initialRto: 1000, minRto: 200, maxRto: 120_000, delayedAck: 40, timeWait: 60_000 } as const;
/** TCP_MAX_QUICKACKS. */
export const QUICK_ACKS = 16;

export class TcpSock extends Sock {
  // ---- sending
  iss = 0;
  sndUna = 0;
  sndNxt = 0;
  writeSeq = 0;
  /** What the peer lets us have under way, and the largest it ever let us. */
  sndWnd = 0;
  maxWindow = 0;
  /** Unacknowledged and unsent pieces in order. */
  readonly pieces: Piece[] = [];
  mss = 536;
  /** The largest segment that the peer's SYN allowed. */
  peerMss = 536;
  cwnd = INITIAL_CWND;
  ssthresh = 0x7fff_ffff;
  /** The end of the last small segment sent: Nagle's algorithm holds the next back until it is acknowledged. */
  smallEnd = 0;

  // ---- receiving
  irs = 0;
  rcvNxt = 0;
  /** rcvNxt when the last window was sent, and that window. */
  rcvWup = 0;
  rcvWnd = 0;
  readonly queue: Uint8Array[] = [];
  /** Out of order, by sequence number. */
  readonly early = new Map<number, { readonly data: Uint8Array; readonly fin: boolean }>();
  finReceived = false;
  urgent: { seq: number; byte: number; read: boolean } | null = null;

  // ---- agreed on
  agreed: Agreed = { ecn: false, timestamps: false, sack: false, peerScale: 0, ownScale: 0, peerMss: 536 };
  peerTimestamp = 0;

  // ---- timers
  retransmitTimer: Timer | null = null;
  ackTimer: Timer | null = null;
  endTimer: Timer | null = null;
  rto: number = TIME.initialRto;
  retransmits = 0;
  backoff = 0;
  /** Acknowledgements in a row that acknowledged nothing new. */
  duplicates = 0;
  /** When the first SYN went out (ms). */
  synSentAt = 0;
  /** A tail loss probe was sent and nothing acknowledged since. */
  probed = false;
  /** Microseconds: smoothed round trip shifted left by 3, its deviation, the least seen. */
  srtt = 0;
  rttMin = 0xffff_ffff;

  // ---- acknowledging
  readonly ack = { pending: false, pushed: false, quick: 0, pingpong: false, started: false, lastData: -1 };

  // ---- accepting
  backlog = 0;
  readonly accepting: TcpSock[] = [];
  readonly requests = new Set<RequestSock>();
  /** The listener that this connection waits at; null once accepted. */
  parent: TcpSock | null = null;

  // ---- closing
  /** The application has closed it: nobody reads any more. */
  orphaned = false;

  // ---- programs
  /** Which callbacks of sock_ops it has: bpf_sock_ops_cb_flags. */
  callbacks = 0;
  /** What programs may set (TCP_BPF_*): the most that cwnd grows to, the longest that an acknowledgement waits, the least timeout (ms). */
  cwndClamp = 0xffff_ffff;
  delayedAckMax: number = TIME.delayedAck;
  rtoMin: number = TIME.minRto;
  /** Explicit congestion notification (RFC 3168): a SYN asked for it, both agreed, a marked packet came (ecn_flags). */
  readonly ecn = { asked: false, seen: false };

  // ---- counters, as in struct tcp_sock
  // prettier-ignore
  readonly counters = {
    segsIn: 0, segsOut: 0, dataSegsIn: 0, dataSegsOut: 0, bytesReceived: 0, bytesAcked: 0, bytesSent: 0, totalRetrans: 0, bytesRetrans: 0, dsackDups: 0,
  };

  /** `vm` and `cookie` of an accepted connection are its request's. */
  constructor(identity: Omit<SockIdentity, "protocol">, vm?: Socket) {
    super({ ...identity, protocol: PROTOCOL.tcp }, "stream", vm);
  }

  override get segmentSize(): number | null {
    return this.state === "CLOSE" || this.state === "LISTEN" ? null : this.mss;
  }

  override get info(): Uint8Array {
    return tcpInfo(this);
  }

  get queued(): number {
    return this.queue.reduce((sum, data) => sum + data.length, 0);
  }

  /** Segments under way. */
  get inFlight(): number {
    return this.pieces.filter((piece) => piece.sentAt !== null).length;
  }
  get retransOut(): number {
    return this.pieces.filter((piece) => piece.resent > 0).length;
  }
  /** Bytes written and not yet acknowledged. */
  get unacknowledged(): number {
    return this.pieces.reduce((sum, piece) => sum + piece.data.length, 0);
  }

  /** The window to tell the peer: half of the receive buffer, as Linux reserves the rest, less what is not yet read. */
  get freeWindow(): number {
    return Math.max(0, Math.floor(this.option("SO_RCVBUF") / 2) - this.queued);
  }

  /** Does the state let it send, as far as the peer is concerned? */
  get canSend(): boolean {
    return SENDING.has(this.state);
  }

  stopTimers(): void {
    for (const timer of [this.retransmitTimer, this.ackTimer, this.endTimer]) this.kernel.clock.cancel(timer);
    this.retransmitTimer = this.ackTimer = this.endTimer = null;
  }
}

const SENDING: ReadonlySet<StateName> = new Set(["ESTABLISHED", "CLOSE_WAIT"]);

/** The sequence number behind a piece. */
export function endOf(piece: Piece): number {
  return plus(piece.seq, piece.data.length + ((piece.flags & 3) !== 0 ? 1 : 0));
}

/** Bits of tcpi_options. */
const INFO_OPTIONS = { timestamps: 1, sack: 2, windowScale: 4, ecn: 8, ecnSeen: 16 } as const;

/** struct tcp_info (include/uapi/linux/tcp.h) as far as its first counters. */
function tcpInfo(sock: TcpSock): Uint8Array {
  const { agreed, ecn, counters } = sock;
  const bits = (Object.keys(INFO_OPTIONS) as (keyof typeof INFO_OPTIONS)[]).filter(
    (name) =>
      ({
        timestamps: agreed.timestamps,
        sack: agreed.sack,
        windowScale: agreed.ownScale > 0,
        ecn: agreed.ecn,
        ecnSeen: ecn.seen,
      })[name],
  );
  const options = bits.reduce((sum, name) => sum | INFO_OPTIONS[name], 0);
  const scales = agreed.peerScale | (agreed.ownScale << 4);
  const bytes = [STATE[sock.state], 0, sock.retransmits, 0, sock.backoff, options, scales, 0];
  // rto, ato, snd_mss, rcv_mss, unacked, sacked, lost, retrans, fackets, four times since, pmtu, rcv_ssthresh, rtt,
  // rttvar, snd_ssthresh, snd_cwnd, advmss, reordering, rcv_rtt, rcv_space, total_retrans
  // prettier-ignore
  const words = [
    sock.rto * 1000, TIME.delayedAck * 1000, sock.mss, sock.mss, sock.inFlight, 0, 0, sock.retransOut, 0, 0, 0, 0, 0, 0,
    sock.freeWindow, sock.srtt >> 3, 0, sock.ssthresh, sock.cwnd, sock.peerMss, 3, 0, sock.freeWindow, counters.totalRetrans,
  ];
  const info = new Uint8Array(bytes.length + 4 * words.length);
  info.set(bytes);
  words.forEach((word, i) => new DataView(info.buffer).setUint32(bytes.length + 4 * i, word, true));
  return info;
}
