// Services and policy at the socket: connect() and sendmsg() to a service address go to a backend before the first packet exists,
// and getpeername() and recvmsg() show the address that was asked for. Policy never sees a service address.
//
// connect() also asks what policy says of the flow: one that is denied fails with EPERM at once instead of timing out, and one
// that HTTP rules decide goes to the waypoint's listener on the pod's loopback, which learns from `steered` where to. So do
// datagrams to DNS servers that DNS rules decide. This only makes it faster and possible; the authority is tcx, which denies the
// same flows when these programs are not there.
//
// What became of a socket's address is kept by the socket's cookie: for TCP in a ring, whose entries are written without looking
// for room (socket storage and LRU maps cost a connect() half a microsecond), so that getpeername() knows the last 65,536
// sockets; for UDP, where every datagram needs it, in an LRU map. A UDP socket may send to several services: it
// keeps the last one, and what it had before moves to `replies`, so that late answers still come from the address that was
// asked. As long as a UDP socket sends to one service it stays with its backend, as it would behind a packet translator; when
// that backend is gone, the next datagram picks again.
import {
  ArrayMap, Family, IpProtocol, LruHashMap, SockAddr, SockOps, Verdict, connect4, connect6, getpeername4, getpeername6,
  monotonicTime, random, recvmsg4, recvmsg6, sendmsg4, sendmsg6,
} from "ebpf-ts/std";
import { bswap16 } from "ebpf-ts/std/bpf";
import { count, tell, tellDrop } from "./events";
import { identify, judge } from "./judge";
import { OnStack, Packet, isMapped, mapped } from "./packet";
import { Backend, Service, ServiceKey, backendOf, pick, services } from "./services";
import {
  Action, Direction, DropReason, Endpoint, EndpointFlag, FlowEventKind, FlowKey, Settings, SettingsFlag, Steered, SteeredKey,
  endpoints, namespaces, proxied, settings, steered,
} from "./tables";

/** Entries of `origins`; a power of two. */
const RING: u32 = 65536;

/** What became of the address that a socket was given. */
@unmanaged @final
export class Origin {
  /** The socket's cookie. */
  cookie: u64;
  /** What was asked for. */
  askedHi: u64;
  askedLo: u64;
  /** Who was meant: a backend, or what was asked for. */
  meantHi: u64;
  meantLo: u64;
  /** Where it went: to who was meant, or the waypoint. */
  dialledHi: u64;
  dialledLo: u64;
  askedPort: u16;
  meantPort: u16;
  dialledPort: u16;
  /** The set of rules, for the waypoint. */
  l7: u16;
  /** Service.id; 0: no service. */
  service: u32;
  /** Key of `backends`. */
  backend: u32;
  /** Endpoint.id when it went to the waypoint, else 0; and what was judged. */
  endpoint: u32;
  identity: u32;
  rule: u32;
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

/** struct sockaddr_in6, of which the first sixteen bytes are also a sockaddr_in. */
@unmanaged @final
class AnyAddress {
  family: u16;
  port_be: u16;
  flow: u32;
  a: u32;
  b: u32;
  c: u32;
  d: u32;
  scope: u32;
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

/** TCP, by the low bits of the socket's cookie: cookies are given in order. */
export const origins = new ArrayMap<Origin>(RING);
/** UDP, by socket cookie: those that are asking at once, mostly resolvers, which take a socket for each question; 74 for each pod. */
export const datagramOrigins = new LruHashMap<u64, Origin>(8192);
export const replies = new LruHashMap<ReplyKey, Asked>(8192);

// SOCK_DGRAM
const DATAGRAM: u32 = 2;
// 127.0.0.1, the low half of ::1, and the first byte of 127.0.0.0/8 within the low half of a mapped address; as they lie in memory.
const LOOPBACK4: u32 = 0x0100007f;
const LOOPBACK6: u64 = 0x0100000000000000;
const LOOPBACK_NET: u64 = 127;
/** The only port that DNS rules are about. */
const DNS_PORT: u16 = 53;
/** Where a port is looked for: half of Linux' own range, a power of two; and how often. */
const FIRST_PORT: u32 = 32768;
const PORTS: u32 = 16384;
const TRIES: u32 = 8;

function addressHi(ctx: SockAddr, v6: bool): u64 {
  return v6 ? ctx.ip6High_be : 0;
}

function addressLo(ctx: SockAddr, v6: bool): u64 {
  return v6 ? ctx.ip6Low_be : mapped(ctx.ip4_be);
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

/** The socket's pod, or null: somebody else's, who is none of ours. */
function endpointOf(ctx: SockAddr): Endpoint | null {
  const device = namespaces.get(ctx.netnsCookie);
  return device ? endpoints.get(device.value) : null;
}

/** Does the address never leave the pod: loopback, no address at all, or its own? */
function staysInside(hi: u64, lo: u64, endpoint: Endpoint): bool {
  if (isMapped(hi, lo)) {
    const address = lo >> 32;
    return lo == endpoint.lo4 || (address & 0xff) == LOOPBACK_NET || address == 0;
  }
  return (hi == 0 && (lo == LOOPBACK6 || lo == 0)) || (hi == endpoint.hi6 && lo == endpoint.lo6);
}

/** The flow of a socket that may not be bound yet: the pod's address, port 0. */
function setKey(key: FlowKey, endpoint: Endpoint | null, hi: u64, lo: u64, port: u16, protocol: u8): void {
  const v4 = isMapped(hi, lo);
  key.localHi = endpoint && !v4 ? endpoint.hi6 : 0;
  key.localLo = endpoint ? (v4 ? endpoint.lo4 : endpoint.lo6) : 0;
  key.remoteHi = hi;
  key.remoteLo = lo;
  key.remotePort = port;
  key.protocol = protocol;
}

function setEndpoint(packet: Packet, endpoint: Endpoint | null): void {
  if (!endpoint) return;
  packet.endpoint = endpoint.id;
  packet.endpointIdentity = endpoint.identity;
}

/** Counts and tells that the call fails. */
function refuse(key: FlowKey, packet: Packet, reason: u8): Verdict {
  packet.reason = reason;
  count<OnStack>(packet, Direction.Egress);
  tellDrop<OnStack>(key, packet, Direction.Egress);
  return Verdict.Deny;
}

// Moves what the socket had to `replies`.
function remember(cookie: u64, origin: Origin): void {
  const key = new ReplyKey();
  key.cookie = cookie;
  key.hi = origin.dialledHi;
  key.lo = origin.dialledLo;
  key.port = origin.dialledPort;
  const asked = new Asked();
  asked.hi = origin.askedHi;
  asked.lo = origin.askedLo;
  asked.port = origin.askedPort;
  replies.set(key, asked);
}

/** What is kept of a socket, or null. */
function originOf(cookie: u64, datagram: bool): Origin | null {
  if (datagram) return datagramOrigins.get(cookie);
  const origin = origins.get(<u32>cookie & (RING - 1));
  return origin && origin.cookie == cookie ? origin : null;
}

/** Keeps it; false: it could not be. */
function keep(cookie: u64, datagram: bool, origin: Origin): bool {
  origin.cookie = cookie;
  if (datagram) return datagramOrigins.set(cookie, origin) == 0;
  return origins.set(<u32>cookie & (RING - 1), origin) == 0;
}

function setAsked(origin: Origin, hi: u64, lo: u64, port: u16): void {
  origin.askedHi = hi;
  origin.askedLo = lo;
  origin.askedPort = port;
}

function setMeant(origin: Origin, backend: Backend, number: u32): void {
  origin.meantHi = backend.hi;
  origin.meantLo = backend.lo;
  origin.meantPort = backend.port;
  origin.dialledHi = backend.hi;
  origin.dialledLo = backend.lo;
  origin.dialledPort = backend.port;
  origin.service = backend.service;
  origin.backend = number;
}

/** The number of a backend for a socket that asks for a service; 0: there is none. */
function choose(ctx: SockAddr, key: ServiceKey, service: Service, endpoint: Endpoint | null): u32 {
  const netns = ctx.netnsCookie;
  let client = netns;
  if (endpoint) client = isMapped(key.hi, key.lo) ? endpoint.lo4 : endpoint.hi6 ^ endpoint.lo6;
  return pick(key, service, netns, client);
}

/** A datagram's or connection's service address becomes a backend's. Allow, unless there is nobody to send to. */
function translate(ctx: SockAddr, v6: bool, sends: bool, endpoint: Endpoint | null, current: Settings): Verdict {
  const key = new ServiceKey();
  key.hi = addressHi(ctx, v6);
  key.lo = addressLo(ctx, v6);
  key.port = ctx.port;
  key.protocol = <u8>ctx.protocol;
  const service = services.get(key);
  if (!service) return Verdict.Allow;
  const cookie = ctx.socketCookie;
  const udp = ctx.type == DATAGRAM;
  const before = udp ? datagramOrigins.get(cookie) : null;
  if (before && sends && before.service == service.id) {
    const last = backendOf(before.backend, service.id);
    if (last && last.lo == before.meantLo && last.hi == before.meantHi && last.port == before.meantPort) {
      // What went to the waypoint the last time may not now.
      setMeant(before, last, before.backend);
      setAddress(ctx, v6, last.hi, last.lo, last.port);
      return Verdict.Allow;
    }
  }
  const flow = new FlowKey();
  const packet = new Packet();
  const number = choose(ctx, key, service, endpoint);
  const backend = backendOf(number, service.id);
  if (!backend) {
    setKey(flow, endpoint, key.hi, key.lo, key.port, key.protocol);
    setEndpoint(packet, endpoint);
    return refuse(flow, packet, DropReason.NoBackend);
  }
  if (before) remember(cookie, before);
  const origin = new Origin();
  setAsked(origin, key.hi, key.lo, key.port);
  setMeant(origin, backend, number);
  // Without it getpeername and recvmsg would show the backend: rather refuse than lie.
  if (!keep(cookie, udp, origin)) return Verdict.Deny;
  setAddress(ctx, v6, backend.hi, backend.lo, backend.port);
  if (current.flags & SettingsFlag.FlowEvents) {
    setKey(flow, endpoint, key.hi, key.lo, key.port, key.protocol);
    setEndpoint(packet, endpoint);
    tell<OnStack>(flow, packet, Direction.Egress, FlowEventKind.Translated);
  }
  return Verdict.Allow;
}

function localPortOf(ctx: SockAddr): u16 {
  const socket = ctx.socket;
  return socket ? <u16>socket.localPort : 0;
}

/** Gives a datagram socket that connects a port now, since connect() does it too late to be told; 0: there was none. */
function bindSomewhere(ctx: SockAddr, v6: bool): u16 {
  const address = new AnyAddress();
  address.family = <u16>(v6 ? Family.Inet6 : Family.Inet);
  for (let tried: u32 = 0; tried < TRIES; tried++) {
    const port = <u16>(FIRST_PORT + (random() & (PORTS - 1)));
    address.port_be = <u16>bswap16(port);
    if (ctx.bind(address) == 0) return port;
  }
  return 0;
}

/** What `police` has just sent to the waypoint; null: it has not. */
function steeredOrigin(ctx: SockAddr, v6: bool): Origin | null {
  const origin = datagramOrigins.get(ctx.socketCookie);
  if (!origin || origin.endpoint == 0 || origin.dialledPort != ctx.port) return null;
  return origin.dialledLo == addressLo(ctx, v6) && origin.dialledHi == addressHi(ctx, v6) ? origin : null;
}

/** Tells the waypoint whose datagrams come from a port and where to. On loopback any address of the pod's may be their source. */
function announceDatagrams(origin: Origin, port: u16): Verdict {
  if (port == 0) return Verdict.Deny;
  const sender = new SteeredKey();
  sender.clientPort = port;
  sender.serverPort = origin.dialledPort;
  sender.endpoint = origin.endpoint;
  tellWaypoint(sender, origin);
  return Verdict.Allow;
}

/** A connection whose HTTP rules decide goes to the waypoint's listener in the pod, as do questions that DNS rules decide. */
function steerOut(ctx: SockAddr, v6: bool, key: FlowKey, packet: Packet, endpoint: Endpoint, current: Settings): Verdict {
  if (current.waypointPort == 0 || !(endpoint.flags & EndpointFlag.WaypointUp)) {
    return refuse(key, packet, DropReason.WaypointDown);
  }
  const cookie = ctx.socketCookie;
  const udp = ctx.type == DATAGRAM;
  const origin = new Origin();
  origin.meantHi = key.remoteHi;
  origin.meantLo = key.remoteLo;
  origin.meantPort = key.remotePort;
  // What the service's translation left just now, or an earlier call.
  const translated = originOf(cookie, udp);
  if (translated && translated.meantHi == key.remoteHi && translated.meantLo == key.remoteLo && translated.meantPort == key.remotePort) {
    setAsked(origin, translated.askedHi, translated.askedLo, translated.askedPort);
    origin.service = translated.service;
    origin.backend = translated.backend;
  } else setAsked(origin, key.remoteHi, key.remoteLo, key.remotePort);
  const v4 = isMapped(key.remoteHi, key.remoteLo);
  origin.dialledHi = 0;
  origin.dialledLo = v4 ? mapped(LOOPBACK4) : LOOPBACK6;
  origin.dialledPort = <u16>current.waypointPort;
  origin.endpoint = endpoint.id;
  origin.identity = packet.identity;
  origin.rule = packet.rule;
  origin.l7 = packet.l7;
  if (!keep(cookie, udp, origin)) return Verdict.Deny;
  setAddress(ctx, v6, origin.dialledHi, origin.dialledLo, origin.dialledPort);
  if (current.flags & SettingsFlag.FlowEvents) tell<OnStack>(key, packet, Direction.Egress, FlowEventKind.Redirected);
  return Verdict.Allow;
}

/** What policy says of a connection that is about to be made, or of a datagram to a DNS server. */
function police(ctx: SockAddr, v6: bool, endpoint: Endpoint, current: Settings): Verdict {
  const hi = addressHi(ctx, v6);
  const lo = addressLo(ctx, v6);
  if (staysInside(hi, lo, endpoint)) return Verdict.Allow;
  const key = new FlowKey();
  const packet = new Packet();
  setKey(key, endpoint, hi, lo, ctx.port, <u8>ctx.protocol);
  setEndpoint(packet, endpoint);
  if (endpoint.flags & EndpointFlag.LockedDown) return refuse(key, packet, DropReason.LockedDown);
  identify<OnStack>(packet, key);
  judge<OnStack>(packet, endpoint.policy, Direction.Egress, key.protocol, key.remotePort);
  if (packet.action == Action.Allow) return Verdict.Allow;
  if (packet.action == Action.Deny) {
    if (current.flags & SettingsFlag.Audit || mayAnswer(ctx)) return Verdict.Allow;
    return refuse(key, packet, packet.rule != 0 ? DropReason.PolicyDeny : DropReason.PolicyDenied);
  }
  if (isProxied(ctx, key)) return Verdict.Allow;
  return steerOut(ctx, v6, key, packet, endpoint, current);
}

/** A datagram socket that is bound may be about to answer somebody: only tcx knows the flow. */
function mayAnswer(ctx: SockAddr): bool {
  return ctx.type == DATAGRAM && localPortOf(ctx) != 0;
}

/** The waypoint's own connection from inside the pod: bound, and announced before it connects. */
function isProxied(ctx: SockAddr, key: FlowKey): bool {
  key.localPort = localPortOf(ctx);
  return key.localPort != 0 && proxied.get(key) != null;
}

function connect(ctx: SockAddr, v6: bool): Verdict {
  const current = settings.get(0);
  if (!current) return Verdict.Deny;
  if (ctx.protocol != IpProtocol.Tcp && ctx.protocol != IpProtocol.Udp) return Verdict.Allow;
  const endpoint = endpointOf(ctx);
  if (translate(ctx, v6, false, endpoint, current) == Verdict.Deny) return Verdict.Deny;
  if (!endpoint) return Verdict.Allow;
  if (ctx.port != DNS_PORT && mayAnswer(ctx)) return Verdict.Allow;
  if (police(ctx, v6, endpoint, current) == Verdict.Deny) return Verdict.Deny;
  const origin = ctx.type == DATAGRAM ? steeredOrigin(ctx, v6) : null;
  if (!origin) return Verdict.Allow;
  const port = localPortOf(ctx);
  return announceDatagrams(origin, port != 0 ? port : bindSomewhere(ctx, v6));
}

function send(ctx: SockAddr, v6: bool): Verdict {
  const current = settings.get(0);
  if (!current) return Verdict.Deny;
  const endpoint = endpointOf(ctx);
  if (translate(ctx, v6, true, endpoint, current) == Verdict.Deny) return Verdict.Deny;
  if (!endpoint || ctx.port != DNS_PORT) return Verdict.Allow;
  if (police(ctx, v6, endpoint, current) == Verdict.Deny) return Verdict.Deny;
  const origin = steeredOrigin(ctx, v6);
  return origin ? announceDatagrams(origin, localPortOf(ctx)) : Verdict.Allow;
}

// Shows the address that was asked for in place of where it went. These hooks may only allow.
function restore(ctx: SockAddr, v6: bool): Verdict {
  const hi = addressHi(ctx, v6);
  const lo = addressLo(ctx, v6);
  const port = ctx.port;
  const cookie = ctx.socketCookie;
  const datagram = ctx.type == DATAGRAM;
  const origin = originOf(cookie, datagram);
  if (!origin) return Verdict.Allow;
  // The socket may have been connected to something else since.
  if (origin.dialledLo == lo && origin.dialledHi == hi && origin.dialledPort == port) {
    setAddress(ctx, v6, origin.askedHi, origin.askedLo, origin.askedPort);
    return Verdict.Allow;
  }
  if (!datagram) return Verdict.Allow;
  const key = new ReplyKey();
  key.cookie = cookie;
  key.hi = hi;
  key.lo = lo;
  key.port = port;
  const asked = replies.get(key);
  if (asked) setAddress(ctx, v6, asked.hi, asked.lo, asked.port);
  return Verdict.Allow;
}

/** sock_ops, before the SYN is sent: tells the waypoint who will call it and where to. `key`: the socket's own addresses. */
export function announce(ctx: SockOps, key: FlowKey): void {
  const origin = originOf(ctx.socketCookie, false);
  if (!origin || origin.endpoint == 0) return;
  if (origin.dialledLo != key.remoteLo || origin.dialledHi != key.remoteHi || origin.dialledPort != key.remotePort) return;
  const connection = new SteeredKey();
  connection.clientHi = key.localHi;
  connection.clientLo = key.localLo;
  connection.serverHi = key.remoteHi;
  connection.serverLo = key.remoteLo;
  connection.clientPort = key.localPort;
  connection.serverPort = key.remotePort;
  connection.endpoint = origin.endpoint;
  tellWaypoint(connection, origin);
}

function tellWaypoint(key: SteeredKey, origin: Origin): void {
  const what = new Steered();
  what.time = monotonicTime();
  what.originalHi = origin.meantHi;
  what.originalLo = origin.meantLo;
  what.originalPort = origin.meantPort;
  what.l7 = origin.l7;
  what.identity = origin.identity;
  what.endpoint = origin.endpoint;
  what.rule = origin.rule;
  what.direction = Direction.Egress;
  steered.set(key, what);
}

export const sock_connect4 = connect4((ctx) => connect(ctx, false));
export const sock_connect6 = connect6((ctx) => connect(ctx, true));
export const sock_sendmsg4 = sendmsg4((ctx) => send(ctx, false));
export const sock_sendmsg6 = sendmsg6((ctx) => send(ctx, true));
export const sock_recvmsg4 = recvmsg4((ctx) => restore(ctx, false));
export const sock_recvmsg6 = recvmsg6((ctx) => restore(ctx, true));
export const sock_peername4 = getpeername4((ctx) => restore(ctx, false));
export const sock_peername6 = getpeername6((ctx) => restore(ctx, true));
