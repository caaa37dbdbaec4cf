// Services at the socket: connect() and sendmsg() to a service address go to a backend before the first packet exists, and
// getpeername() and recvmsg() show the address that was asked for. Policy never sees a service address.
//
// What a socket was translated to is kept on the socket, and goes with it. A UDP socket may send to several services: it
// keeps the last one, and what it had before moves to `replies`, so that late answers still come from the address that was
// asked. As long as a UDP socket sends to one service it stays with its backend, as it would behind a packet translator; when
// that backend is gone, the next datagram picks again.
import {
  LruHashMap, SockAddr, SocketStorage, Verdict, connect4, connect6, getpeername4, getpeername6, monotonicTime, recvmsg4, recvmsg6,
  sendmsg4, sendmsg6,
} from "ebpf-ts/std";
import { ServiceKey, backends, pick, services } from "./services";
import { DropReason, FlowEvent, FlowEventKind, Direction, events } from "./tables";

/** A translation of a socket. */
@unmanaged @final
export class Origin {
  /** What was asked for. */
  askedHi: u64;
  askedLo: u64;
  /** Where that went. */
  dialledHi: u64;
  dialledLo: u64;
  askedPort: u16;
  dialledPort: u16;
  /** Service.id; 0: no translation yet. */
  service: u32;
  /** Key of `backends`. */
  backend: u32;
  reserved: u32;
}

/** Who may have answered a UDP socket. */
@unmanaged @final
export class ReplyKey {
  cookie: u64;
  hi: u64;
  lo: u64;
  port: u16;
  reserved: u16;
  reserved2: u32;
}

/** The address that the socket asked for. */
@unmanaged @final
export class Asked {
  hi: u64;
  lo: u64;
  port: u16;
  reserved: u16;
  reserved2: u32;
}

export const origins = new SocketStorage<Origin>();
export const replies = new LruHashMap<ReplyKey, Asked>(16384);

// SOCK_DGRAM
const DATAGRAM: u32 = 2;
// The first half of the low word of ::ffff:a.b.c.d, as it lies in memory.
const MAPPED: u64 = 0xffff0000;

function addressHi(ctx: SockAddr, v6: bool): u64 {
  return v6 ? ctx.ip6High_be : 0;
}

function addressLo(ctx: SockAddr, v6: bool): u64 {
  return v6 ? ctx.ip6Low_be : (<u64>ctx.ip4_be << 32) | MAPPED;
}

function setAddress(ctx: SockAddr, v6: bool, hi: u64, lo: u64, port: u16): void {
  if (v6) {
    ctx.ip6High_be = hi;
    ctx.ip6Low_be = lo;
  } else {
    ctx.ip4_be = <u32>(lo >> 32);
  }
  ctx.port = port;
}

// Tells that a service has nobody behind it. The client's address is not known yet: its socket may be unbound.
function refuse(ctx: SockAddr, key: ServiceKey): Verdict {
  const event = events.reserve();
  if (!event) return Verdict.Deny;
  event.time = monotonicTime();
  event.sourceHi = 0;
  event.sourceLo = 0;
  event.destinationHi = key.hi;
  event.destinationLo = key.lo;
  event.bytes = 0;
  event.replyBytes = 0;
  event.sourceIdentity = 0;
  event.destinationIdentity = 0;
  event.endpoint = 0;
  event.rule = 0;
  event.sourcePort = 0;
  event.destinationPort = key.port;
  event.protocol = key.protocol;
  event.direction = <u8>Direction.Egress;
  event.kind = FlowEventKind.Dropped;
  event.reason = DropReason.NoBackend;
  event.tcpFlags = 0;
  event.isReply = 0;
  event.l7 = 0;
  event.length = 0;
  events.submit(event);
  return Verdict.Deny;
}

// Moves what the socket had to `replies`.
function remember(ctx: SockAddr, origin: Origin): void {
  const key = new ReplyKey();
  key.cookie = ctx.socketCookie;
  key.hi = origin.dialledHi;
  key.lo = origin.dialledLo;
  key.port = origin.dialledPort;
  const asked = new Asked();
  asked.hi = origin.askedHi;
  asked.lo = origin.askedLo;
  asked.port = origin.askedPort;
  replies.set(key, asked);
}

function translate(ctx: SockAddr, v6: bool, datagram: bool): Verdict {
  const key = new ServiceKey();
  key.hi = addressHi(ctx, v6);
  key.lo = addressLo(ctx, v6);
  key.port = ctx.port;
  key.protocol = <u8>ctx.protocol;
  const service = services.get(key);
  if (!service) return Verdict.Allow;
  const socket = ctx.socket;
  if (!socket) return Verdict.Deny;
  // Without it getpeername and recvmsg would show the backend: rather refuse than lie.
  const origin = origins.getOrCreate(socket);
  if (!origin) return Verdict.Deny;
  if (datagram && origin.service == service.id) {
    const last = backends.get(origin.backend);
    if (last && last.service == service.id) {
      setAddress(ctx, v6, last.hi, last.lo, last.port);
      return Verdict.Allow;
    }
  }
  const netns = ctx.netnsCookie;
  const number = pick(key, service, netns, netns);
  const backend = backends.get(number);
  if (!backend) return refuse(ctx, key);
  if (ctx.type == DATAGRAM && origin.service != 0) remember(ctx, origin);
  origin.askedHi = key.hi;
  origin.askedLo = key.lo;
  origin.askedPort = key.port;
  origin.dialledHi = backend.hi;
  origin.dialledLo = backend.lo;
  origin.dialledPort = backend.port;
  origin.service = service.id;
  origin.backend = number;
  setAddress(ctx, v6, backend.hi, backend.lo, backend.port);
  return Verdict.Allow;
}

// Shows the address that was asked for in place of where it went. These hooks may only allow.
function restore(ctx: SockAddr, v6: bool, datagram: bool): Verdict {
  const hi = addressHi(ctx, v6);
  const lo = addressLo(ctx, v6);
  const port = ctx.port;
  const socket = ctx.socket;
  if (!socket) return Verdict.Allow;
  const origin = origins.get(socket);
  if (!origin) return Verdict.Allow;
  // The socket may have been connected to something else since.
  if (origin.dialledLo == lo && origin.dialledHi == hi && origin.dialledPort == port) {
    setAddress(ctx, v6, origin.askedHi, origin.askedLo, origin.askedPort);
    return Verdict.Allow;
  }
  if (!datagram) return Verdict.Allow;
  const key = new ReplyKey();
  key.cookie = ctx.socketCookie;
  key.hi = hi;
  key.lo = lo;
  key.port = port;
  const asked = replies.get(key);
  if (asked) setAddress(ctx, v6, asked.hi, asked.lo, asked.port);
  return Verdict.Allow;
}

export const sock_connect4 = connect4((ctx) => translate(ctx, false, false));
export const sock_connect6 = connect6((ctx) => translate(ctx, true, false));
export const sock_sendmsg4 = sendmsg4((ctx) => translate(ctx, false, true));
export const sock_sendmsg6 = sendmsg6((ctx) => translate(ctx, true, true));
export const sock_recvmsg4 = recvmsg4((ctx) => restore(ctx, false, true));
export const sock_recvmsg6 = recvmsg6((ctx) => restore(ctx, true, true));
export const sock_peername4 = getpeername4((ctx) => restore(ctx, false, false));
export const sock_peername6 = getpeername6((ctx) => restore(ctx, true, false));
