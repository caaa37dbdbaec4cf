/**
 * The network layer: packets from sockets out through the interface that routes name, packets that came in to the sockets
 * of this host or, where forwarding is on, onward.
 */
import type { Errno } from "../errno.ts";
import { judgeSkb } from "./cgroup-skb.ts";
import { drop, loopbackFrame, transmit } from "./device.ts";
import { isLoopback } from "./endpoint.ts";
import {
  PROTOCOL,
  decodeIp,
  encodeFrame,
  etherTypeFor,
  transportChecksumIsRight,
  viewOf,
  writeIpv4Checksum,
} from "./frame.ts";
import type { IpPacket } from "./frame.ts";
import { encodeIcmpError } from "./icmp.ts";
import type { IcmpError } from "./icmp.ts";
import type { Interface } from "./interface.ts";
import type { DropReason } from "./log.ts";
import type { Namespace } from "./namespace.ts";
import { PACKET_TYPE, newSkb } from "./skb.ts";
import type { Skb } from "./skb.ts";
import type { Sock } from "./sock.ts";

export interface OutputOptions {
  /** Who sends it; its cgroup's programs are asked, its device is kept to. Default: the host itself. */
  readonly socket?: Sock;
  readonly mark?: number;
  readonly priority?: number;
}

/** Why a packet did not leave, or null: it did, though a program or a dead link may have swallowed it. */
export type SendFailure = Errno | null;

/** What a route that leads nowhere says to the sender. */
const UNROUTED = {
  blackhole: "EINVAL",
  unreachable: "EHOSTUNREACH",
  prohibit: "EACCES",
} as const satisfies Record<string, Errno>;

/** The device that packets to a destination leave by, or the error. */
export function routeOut(namespace: Namespace, destination: string, sock: Sock | null): Way | Errno {
  const bound = sock === null || sock.deviceIndex === 0 ? null : namespace.findInterface(sock.deviceIndex);
  if (bound === null && sock !== null && sock.deviceIndex !== 0) return "ENODEV";
  if (namespace.isLocal(destination))
    return namespace.lo.up ? { device: namespace.lo, next: destination } : "ENETUNREACH";
  const route = namespace.routeTo(destination, bound);
  if (route === null) return bound === null ? "ENETUNREACH" : { device: bound, next: destination };
  if (route.type !== "unicast") return UNROUTED[route.type];
  return route.device === null ? "ENETUNREACH" : { device: route.device, next: route.via ?? destination };
}

export interface Way {
  readonly device: Interface;
  /** The next hop. */
  readonly next: string;
}

/** Sends an IP packet of this host. */
export function output(namespace: Namespace, packet: Uint8Array, options: OutputOptions = {}): SendFailure {
  const ip = decodeIp(packet);
  if (ip === null) return "EINVAL";
  const { socket = null, mark = 0, priority = 0 } = options;
  const way = routeOut(namespace, ip.destination, socket);
  if (typeof way === "string") return way;
  const more = { socket, mark, priority, packetType: PACKET_TYPE.host };
  const skb = newSkb(packet, etherTypeFor(ip.destination), more);
  if (socket !== null) {
    const { allowed, congested } = judgeSkb(socket, skb, way.device, "egress");
    if (!allowed) drop(namespace, "program", skb);
    if (!allowed) return congested ? null : "EPERM";
  }
  sendTo(namespace, skb, way);
  return null;
}

/** Puts the link-layer header in front and sends. */
function sendTo(namespace: Namespace, skb: Skb, way: Way): void {
  const link = linkHeader(namespace, skb, way);
  if (link === null) return drop(namespace, "neighbour", skb);
  transmit(way.device, { ...skb, link });
}

function linkHeader(namespace: Namespace, skb: Skb, { device, next }: Way): Uint8Array | null {
  if (device.kind === "lo") return loopbackFrame(skb.packet).link;
  const mac = isBroadcast(next) ? new Uint8Array(6).fill(0xff) : namespace.neighbours.resolve(device, next, answersFor);
  return mac === null ? null : encodeFrame(device.mac, mac, skb.etherType, new Uint8Array(0));
}

function isBroadcast(address: string): boolean {
  return address === "255.255.255.255";
}

// A host answers for all its addresses, whichever interface they are on (arp_ignore 0).
function answersFor(device: Interface, address: string): boolean {
  return device.namespace.isLocal(address) && !isLoopback(address);
}

/** The link-layer header for a packet that is to leave by `device`: redirect_neigh. */
export function nextHop(skb: Skb, device: Interface): Uint8Array | null {
  const { namespace } = device;
  const ip = decodeIp(skb.packet);
  const route = ip === null ? null : namespace.routeTo(ip.destination, device);
  if (ip === null || route === null) return null;
  return linkHeader(namespace, skb, { device, next: route.via ?? ip.destination });
}

// ---- in

/** A packet came in and no program took it. */
export function receive(skb: Skb, device: Interface): void {
  const { namespace } = device;
  // What is not IP, such as ARP, nobody here takes.
  const ip = decodeIp(skb.packet);
  if (skb.packetType === PACKET_TYPE.otherhost) return drop(namespace, "not_local", skb);
  if (ip === null || etherTypeFor(ip.destination) !== skb.etherType) return drop(namespace, "malformed", skb);
  // What follows the packet in its frame is cut off.
  const trimmed = { ...skb, packet: skb.packet.subarray(0, ip.headerLength + ip.payload.length) };
  if (namespace.isLocal(ip.destination) || isBroadcast(ip.destination)) return deliver(trimmed, ip, device);
  if (!namespace.forwarding) return drop(namespace, "not_local", skb);
  forward(trimmed, ip, device);
}

function deliver(skb: Skb, ip: IpPacket, device: Interface): void {
  const { namespace } = device;
  if (!transportChecksumIsRight(ip)) return drop(namespace, "malformed", skb);
  const transport = namespace.kernel.up.transports.get(ip.protocol);
  if (transport === undefined) return drop(namespace, "no_socket", skb);
  transport(skb, ip, device);
}

function forward(skb: Skb, ip: IpPacket & { readonly ttl: number }, device: Interface): void {
  const { namespace } = device;
  if (ip.ttl <= 1) return refuse(namespace, skb, "ttl", "ttl");
  const way = routeOut(namespace, ip.destination, null);
  if (way === "EACCES") return refuse(namespace, skb, "prohibit", "no_route");
  if (way === "EHOSTUNREACH") return refuse(namespace, skb, "host", "no_route");
  if (typeof way === "string") return refuse(namespace, skb, "network", "no_route");
  sendTo(namespace, { ...skb, packet: decrementTtl(skb.packet) }, way);
}

function decrementTtl(packet: Uint8Array): Uint8Array {
  const next = packet.slice();
  const v4 = (next[0] ?? 0) >> 4 === 4;
  const at = v4 ? 8 : 7;
  viewOf(next).setUint8(at, (next[at] ?? 1) - 1);
  if (v4) writeIpv4Checksum(next);
  return next;
}

function refuse(namespace: Namespace, skb: Skb, error: IcmpError, reason: DropReason): void {
  drop(namespace, reason, skb);
  complain(namespace, skb, error);
}

/** Tells a packet's sender by ICMP; never about ICMP. */
export function complain(namespace: Namespace, skb: Skb, error: IcmpError): void {
  const ip = decodeIp(skb.packet);
  if (ip === null || ip.protocol === PROTOCOL.icmp || ip.protocol === PROTOCOL.icmpv6) return;
  const from = namespace.isLocal(ip.destination) ? ip.destination : namespace.sourceFor(ip.source, null);
  const packet = from === null ? null : encodeIcmpError(error, skb.packet, from);
  if (packet !== null) output(namespace, packet);
}
