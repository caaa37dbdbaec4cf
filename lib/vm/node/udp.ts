/**
 * UDP (RFC 768): datagrams out, and datagrams in to the queue of the socket they are for. A connected socket takes only
 * its peer's, and is told by ICMP when nobody takes its own.
 */
import { errnoName } from "../errno.ts";
import type { Errno } from "../errno.ts";
import { judgeSkb } from "./cgroup-skb.ts";
import { drop } from "./device.ts";
import { ANY, familyOf, isAny, unmapped } from "./endpoint.ts";
import type { Endpoint } from "./endpoint.ts";
import { PROTOCOL, decodeDatagram, encodeDatagram, encodeIp } from "./frame.ts";
import type { IpPacket } from "./frame.ts";
import { ICMP_ERRORS, decodeIcmpError } from "./icmp.ts";
import type { Interface } from "./interface.ts";
import { complain, output, routeOut } from "./ip.ts";
import { findReceiver } from "./lookup.ts";
import type { Flow } from "./socket-table.ts";
import type { Skb } from "./skb.ts";
import { judgeAddress } from "./sock-addr.ts";
import { Sock } from "./sock.ts";
import type { SockIdentity } from "./sock.ts";

/** A datagram in a receive queue. */
export interface Received {
  readonly data: Uint8Array;
  /** In the socket's own form of addresses. */
  readonly from: Endpoint;
}

/** What a queued datagram takes of the receive buffer beside its bytes (sizeof(struct sk_buff) and shared info). */
const OVERHEAD = 768;
/** 65535 less the headers of UDP and IPv4. */
const LARGEST = 65_507;

export class UdpSock extends Sock {
  readonly queue: Received[] = [];
  constructor(identity: Omit<SockIdentity, "protocol">) {
    super({ ...identity, protocol: PROTOCOL.udp }, "dgram");
  }

  get queued(): number {
    return this.queue.reduce((sum, { data }) => sum + data.length + OVERHEAD, 0);
  }
}

/** connect() behind the programs: the peer's address, and the own one where it has none. */
export function connectUdp(sock: UdpSock, to: Endpoint): Errno | null {
  const remote = anyMeansHere(sock, to.address);
  const wire = sock.wire(remote);
  const refused = refusedDestination(sock, wire);
  if (refused !== null) return refused;
  const way = routeOut(sock.namespace, wire, sock);
  if (typeof way === "string") return way;
  if (isAny(sock.local.address)) {
    const source = sock.namespace.sourceFor(wire, way.device);
    if (source === null) return "ENETUNREACH";
    sock.local = { ...sock.local, address: sock.own(source) };
  }
  sock.remote = { address: remote, port: to.port };
  sock.state = "ESTABLISHED";
  // A connected socket takes no part in its group any more.
  sock.reuseport?.remove(sock);
  sock.publish();
  return null;
}

/** connect() to AF_UNSPEC: what the system chose is taken back. */
export function disconnectUdp(sock: UdpSock): void {
  sock.remote = { address: ANY[sock.family], port: 0 };
  sock.state = "CLOSE";
  if (!sock.chosen.address) sock.local = { ...sock.local, address: ANY[sock.family] };
  if (!sock.chosen.port) {
    sock.namespace.sockets.release(sock);
    sock.local = { ...sock.local, port: 0 };
  }
}

/** The any address as a destination means this host. */
export function anyMeansHere(sock: Sock, address: string): string {
  if (!isAny(address)) return address;
  if (sock.family === "inet") return "127.0.0.1";
  return unmapped(address) === null ? "::1" : sock.own("127.0.0.1");
}

/** Broadcast is for those who ask for it. */
function refusedDestination(sock: Sock, address: string): Errno | null {
  return address === "255.255.255.255" && sock.option("SO_BROADCAST") === 0 ? "EACCES" : null;
}

/** sendmsg: `to` null is the connected peer. Gives the bytes sent, or the error. */
export function sendUdp(sock: UdpSock, data: Uint8Array, to: Endpoint | null): number | Errno {
  if (sock.shut.write) return "EPIPE";
  if (data.length > LARGEST) return "EMSGSIZE";
  if (to === null) return sendToPeer(sock, data);
  return sendToAddress(sock, data, to);
}

/** Programs are not asked again; but an IPv6 socket that talks IPv4 names its peer anew each time (udpv6_sendmsg). */
function sendToPeer(sock: UdpSock, data: Uint8Array): number | Errno {
  if (!sock.connected) return "EDESTADDRREQ";
  if (unmapped(sock.remote.address) !== null) return sendToAddress(sock, data, sock.remote);
  return emit(sock, data, sock.remote, sock.local.address) ?? data.length;
}

function sendToAddress(sock: UdpSock, data: Uint8Array, to: Endpoint): number | Errno {
  if (to.port === 0) return "EINVAL";
  const family = sock.family === "inet6" && unmapped(to.address) === null ? "inet6" : "inet";
  const asked = { ...to, address: family === "inet" ? sock.wire(to.address) : to.address };
  const own = family === "inet" ? sock.wire(sock.local.address) : sock.local.address;
  const judged = judgeAddress(sock, "sendmsg", family, asked, own === ANY.inet6 && family === "inet" ? ANY.inet : own);
  if (judged.retval !== 0) return judged.retval < 0 ? errnoName(-judged.retval) : judged.retval;
  // An IPv6 program may not turn the datagram into an IPv4 one.
  if (family === "inet6" && unmapped(judged.endpoint.address) !== null) return "ENOTSUPP";
  if (judged.endpoint.port === 0) return "EINVAL";
  return emit(sock, data, judged.endpoint, judged.source) ?? data.length;
}

function emit(sock: UdpSock, data: Uint8Array, to: Endpoint, from: string): Errno | null {
  const destination = sock.wire(isAny(to.address) ? anyOf(sock, to.address) : to.address);
  const refused = refusedDestination(sock, destination);
  if (refused !== null) return refused;
  const way = routeOut(sock.namespace, destination, sock);
  if (typeof way === "string") return way;
  const source = isAny(from) ? sock.namespace.sourceFor(destination, way.device) : sock.wire(from);
  if (source === null) return "ENETUNREACH";
  if (!sock.namespace.isLocal(source)) return "EINVAL";
  if (familyOf(source) !== familyOf(destination)) return "ENETUNREACH";
  const family = familyOf(destination);
  const payload = encodeDatagram({ sourcePort: sock.local.port, destinationPort: to.port, payload: data });
  const v4 = family === "inet";
  const packet = encodeIp({
    family,
    source,
    destination,
    protocol: PROTOCOL.udp,
    payload,
    tos: sock.option(v4 ? "IP_TOS" : "IPV6_TCLASS"),
    ttl: sock.option(v4 ? "IP_TTL" : "IPV6_UNICAST_HOPS"),
  });
  if (packet.length > way.device.mtu) return "EMSGSIZE";
  // What an earlier datagram met with is told when the next is about to leave, after the programs (sock_alloc_send_skb).
  const error = sock.takeError();
  if (error !== 0) return errnoName(error);
  const [mark, priority] = [sock.option("SO_MARK") >>> 0, sock.option("SO_PRIORITY") >>> 0];
  return output(sock.namespace, packet, { socket: sock, mark, priority });
}

function anyOf(sock: Sock, address: string): string {
  return familyOf(address) === "inet" ? "127.0.0.1" : anyMeansHere(sock, address);
}

/** A datagram for this host. */
export function receiveUdp(skb: Skb, ip: IpPacket, device: Interface): void {
  const { namespace } = device;
  const datagram = decodeDatagram(ip.payload);
  if (datagram === null) return drop(namespace, "malformed", skb);
  const flow: Flow = {
    protocol: PROTOCOL.udp,
    local: { address: ip.destination, port: datagram.destinationPort },
    remote: { address: ip.source, port: datagram.sourcePort },
    ifindex: device.ifindex,
  };
  const sock = findReceiver(namespace, flow, skb, ip);
  if (!(sock instanceof UdpSock)) {
    drop(namespace, "no_socket", skb);
    return complain(namespace, skb, "port");
  }
  if (!judgeSkb(sock, skb, device, "ingress").allowed) return drop(namespace, "program", skb);
  const from = { address: sock.own(ip.source), port: datagram.sourcePort };
  const data = datagram.payload.slice();
  queueUdp(sock, { data, from }, skb);
}

export function queueUdp(sock: UdpSock, received: Received, skb: Skb): void {
  if (sock.queued + received.data.length + OVERHEAD > sock.option("SO_RCVBUF"))
    return drop(sock.namespace, "queue_full", skb);
  sock.queue.push(received);
  sock.dataReady?.();
}

/** An ICMP error came: the connected socket whose datagram it quotes has it as its error. */
export function receiveIcmp(_skb: Skb, ip: IpPacket, device: Interface): void {
  const complaint = decodeIcmpError(ip);
  if (complaint === null || complaint.protocol !== PROTOCOL.udp) return;
  const { source, destination, error } = complaint;
  const flow = { protocol: PROTOCOL.udp, local: source, remote: destination, ifindex: device.ifindex };
  const sock = device.namespace.sockets.bound(flow);
  if (sock?.connected === true) sock.error = ICMP_ERRORS[error].errno;
}
