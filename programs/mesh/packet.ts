// Reading packets: Ethernet, IPv4 with options, IPv6 with extension headers, fragments, and the ports that policies speak of.
//
//   Ethernet ─┬─ ARP                             "for the link itself": passes
//             ├─ IPv4 ─┐           ┌─ TCP UDP SCTP     ports
//             └─ IPv6 ─┴─ fragment ┼─ ICMP             echo identifier, type; an error names the packet that caused it
//                                  └─ anything else    no ports: only L3 decides
//
// Headers are read in place. Where a device left them outside of the linear part the reader says Reading.Pull, and is asked
// again once they are there: pulling always would copy the head of every packet that TCP still holds.
import { EtherType, Ethernet, Icmp, IpProtocol, Ipv4, Ipv6, PerCpuArrayMap, SkBuff, Tcp, TcpFlag, Udp, noInline } from "ebpf-ts/std";
import { bswap16 } from "ebpf-ts/std/bpf";
import { Direction, DropReason, FlowKey, FragmentKey, FragmentPorts, ICMP_TYPE, fragments } from "./tables";

/** The port of a later fragment whose first nobody saw. */
export const UNKNOWN_PORT: u32 = 0x10000;

/** What is known of a packet, and what becomes of it. */
@unmanaged @final
export class Packet {
  /** From the Ethernet header on. */
  length: u32;
  /** By which policies judge it: the destination's port, ICMP_TYPE | type, 0, or UNKNOWN_PORT. */
  port: u32;
  /** Where the transport header starts. */
  transport: u32;
  /** Of this fragment, in bytes. */
  fragmentOffset: u32;
  fragmentId: u32;
  moreFragments: u8;
  hopLimit: u8;
  tcpFlags: u8;
  /** PacketKind. */
  kind: u8;
  icmpType: u8;
  icmpCode: u8;
  /** DropReason, 0: it passes. */
  reason: u8;
  /** Action of the verdict. */
  action: u8;
  /** Of the remote end; 0: not asked yet. */
  identity: u32;
  rule: u32;
  l7: u16;
  isReply: u8;
  /** Policy denies it, and only says so. */
  audited: u8;
  /** Whose it is. */
  endpoint: u32;
  endpointIdentity: u32;
  /** The service's address that the pod sent it to, or asked when this is the answer. */
  askedHi: u64;
  askedLo: u64;
  /** 0: none. */
  askedPort: u16;
  reserved: u16;
  reserved2: u32;
}

export namespace PacketKind {
  export const Other: u8 = 0;
  /** SYN without ACK. */
  export const Opens: u8 = 1;
  /** An ICMP error. */
  export const Error: u8 = 2;
}

/** What a reader found, besides a DropReason. */
export namespace Reading {
  export const Whole: u32 = 0;
  /** ARP, neighbour discovery, multicast membership: what a link needs. */
  export const Link: u32 = 1;
  /** The headers are not in the linear part. */
  export const Pull: u32 = 2;
}

/**
 * Where packets are worked on: one at a time on each CPU, because a device's programs run with softirqs off. In maps and not on
 * the stack, so that the verifier need not follow what each way through the headers leaves there.
 */
export const workPackets = new PerCpuArrayMap<Packet>(1);
/** The packet's own key, and that of the packet in an ICMP error. */
export const workKeys = new PerCpuArrayMap<FlowKey>(2);

/**
 * Where a function that is not inlined finds its packet and key: compiled once for each. Programs at sockets have them on the
 * stack, because they run in process context, where a device's program may come in between.
 */
@unmanaged @final
export class InMap {}
@unmanaged @final
export class OnStack {}

/** How much of a packet is made linear: an Ethernet header, the longest IPv4 header, TCP; or IPv6 with some extensions. */
export const HEADERS: u32 = 192;

/** RFC 8200 4.3, 4.4, 4.6: hop-by-hop options, routing header, destination options. */
@unmanaged @final
class Extension {
  nextHeader: u8;
  /** Without the first eight bytes, in units of eight bytes (authentication header: of four). */
  length: u8;
  type: u8;
  segmentsLeft: u8;
}

/** RFC 8200 4.5. */
@unmanaged @final
class FragmentHeader {
  nextHeader: u8;
  reserved: u8;
  offset_be: u16;
  id_be: u32;
}

namespace NextHeader {
  export const HopByHop: u8 = 0;
  export const Routing: u8 = 43;
  export const Fragment: u8 = 44;
  export const Authentication: u8 = 51;
  export const DestinationOptions: u8 = 60;
}

/** Extension headers before the transport header; more are refused. */
const MAX_EXTENSIONS = 6;
const ETHERNET: u32 = 14;
/** The low half of ::ffff:0:0/96, raw. */
const MAPPED: u64 = 0xffff0000;

/** The low half of an IPv4 address as the tables have it. */
export function mapped(address_be: u32): u64 {
  return ((<u64>address_be) << 32) | MAPPED;
}

/** Does it stand for an IPv4 address? An IPv6 header must not name such. */
export function isMapped(high: u64, low: u64): bool {
  return high == 0 && <u32>low == <u32>MAPPED;
}

/** Forgets the packet before. */
export function clear(key: FlowKey, packet: Packet): void {
  setAddresses(key, Direction.Ingress, 0, 0, 0, 0);
  setPorts(key, Direction.Ingress, 0, 0);
  key.protocol = 0;
  packet.port = 0;
  packet.tcpFlags = 0;
  packet.kind = PacketKind.Other;
  packet.icmpType = 0;
  packet.icmpCode = 0;
  packet.reason = 0;
  packet.action = 0;
  packet.identity = 0;
  packet.rule = 0;
  packet.l7 = 0;
  packet.isReply = 0;
  packet.audited = 0;
  packet.endpoint = 0;
  packet.endpointIdentity = 0;
  packet.askedPort = 0;
}

export function setAddresses(key: FlowKey, direction: u32, sourceHi: u64, sourceLo: u64, destinationHi: u64, destinationLo: u64): void {
  const out = direction == Direction.Egress;
  key.localHi = out ? sourceHi : destinationHi;
  key.localLo = out ? sourceLo : destinationLo;
  key.remoteHi = out ? destinationHi : sourceHi;
  key.remoteLo = out ? destinationLo : sourceLo;
}

export function setPorts(key: FlowKey, direction: u32, source: u16, destination: u16): void {
  const out = direction == Direction.Egress;
  key.localPort = out ? source : destination;
  key.remotePort = out ? destination : source;
}

/** Why nothing is at an offset below `end`: it is elsewhere, or the packet ends before. */
function missing(skb: SkBuff, end: u32): u32 {
  return end <= skb.length ? Reading.Pull : <u32>DropReason.InvalidPacket;
}

/** Fills in the flow's key and the packet; a Reading or a DropReason. */
export function read(skb: SkBuff, key: FlowKey, packet: Packet, direction: u32): u32 {
  noInline();
  clear(key, packet);
  packet.length = skb.length;
  const ethernet = skb.at<Ethernet>(0);
  if (!ethernet) return missing(skb, ETHERNET);
  if (skb.vlanPresent) return DropReason.UnsupportedL3;
  const type = ethernet.type;
  if (type == EtherType.Arp) return Reading.Link;
  let found: u32 = DropReason.UnsupportedL3;
  if (type == EtherType.Ipv4) found = readIpv4(skb, key, packet, direction);
  else if (type == EtherType.Ipv6) found = readIpv6(skb, key, packet, direction);
  return found == Reading.Whole ? readTransport(skb, key, packet, direction) : found;
}

function readIpv4(skb: SkBuff, key: FlowKey, packet: Packet, direction: u32): u32 {
  const ip = skb.at<Ipv4>(ETHERNET);
  if (!ip) return missing(skb, ETHERNET + 20);
  if (ip.version != 4 || ip.headerLength < 20) return DropReason.InvalidPacket;
  setAddresses(key, direction, 0, mapped(ip.saddr_be), 0, mapped(ip.daddr_be));
  key.protocol = ip.protocol;
  packet.hopLimit = ip.ttl;
  packet.transport = ETHERNET + ip.headerLength;
  packet.fragmentOffset = ip.fragmentOffset;
  packet.fragmentId = ip.id_be;
  packet.moreFragments = ip.moreFragments ? 1 : 0;
  return Reading.Whole;
}

function readIpv6(skb: SkBuff, key: FlowKey, packet: Packet, direction: u32): u32 {
  const ip = skb.at<Ipv6>(ETHERNET);
  if (!ip) return missing(skb, ETHERNET + 40);
  if (ip.version != 6) return DropReason.InvalidPacket;
  if (isMapped(ip.saddrHigh_be, ip.saddrLow_be) || isMapped(ip.daddrHigh_be, ip.daddrLow_be)) return DropReason.InvalidPacket;
  setAddresses(key, direction, ip.saddrHigh_be, ip.saddrLow_be, ip.daddrHigh_be, ip.daddrLow_be);
  packet.hopLimit = ip.hopLimit;
  packet.fragmentOffset = 0;
  packet.moreFragments = 0;
  let next = ip.nextHeader;
  let at: u32 = ETHERNET + 40;
  for (let i = 0; i < MAX_EXTENSIONS; i++) {
    if (next == NextHeader.Fragment) {
      const fragment = skb.at<FragmentHeader>(at);
      if (!fragment) return missing(skb, at + 8);
      const offset = bswap16(fragment.offset_be);
      next = fragment.nextHeader;
      at += 8;
      packet.fragmentOffset = offset & 0xfff8;
      packet.fragmentId = fragment.id_be;
      packet.moreFragments = <u8>(offset & 1);
      // What follows in a later fragment is no header.
      if (packet.fragmentOffset != 0) break;
    } else if (
      next == NextHeader.HopByHop || next == NextHeader.Routing || next == NextHeader.DestinationOptions ||
      next == NextHeader.Authentication
    ) {
      const extension = skb.at<Extension>(at);
      if (!extension) return missing(skb, at + 4);
      // The address that a packet is judged by would not be where it ends up.
      if (next == NextHeader.Routing && extension.segmentsLeft != 0) return DropReason.InvalidExtension;
      at += next == NextHeader.Authentication ? (<u32>extension.length + 2) << 2 : (<u32>extension.length + 1) << 3;
      next = extension.nextHeader;
    } else break;
  }
  if (next == NextHeader.HopByHop || next == NextHeader.Routing || next == NextHeader.DestinationOptions) return DropReason.InvalidExtension;
  key.protocol = next;
  packet.transport = at;
  return Reading.Whole;
}

function readTransport(skb: SkBuff, key: FlowKey, packet: Packet, direction: u32): u32 {
  noInline();
  const at = packet.transport;
  const protocol = key.protocol;
  if (packet.fragmentOffset != 0) return readFragment(key, packet, direction);
  if (protocol == IpProtocol.Tcp) {
    const tcp = skb.at<Tcp>(at);
    if (!tcp) return missing(skb, at + 20);
    packet.tcpFlags = tcp.flags;
    packet.kind = (tcp.flags & (TcpFlag.Syn | TcpFlag.Ack)) == TcpFlag.Syn ? PacketKind.Opens : PacketKind.Other;
    packet.port = tcp.dport;
    setPorts(key, direction, tcp.sport, tcp.dport);
  } else if (protocol == IpProtocol.Udp || protocol == IpProtocol.Sctp) {
    // SCTP starts as UDP does.
    const udp = skb.at<Udp>(at);
    if (!udp) return missing(skb, at + 8);
    packet.port = udp.dport;
    setPorts(key, direction, udp.sport, udp.dport);
  } else if (isIcmp(key)) {
    const icmp = skb.at<Icmp>(at);
    if (!icmp) return missing(skb, at + 8);
    if (protocol == IpProtocol.Icmpv6 && isForLink(icmp.type, packet.hopLimit, direction)) return Reading.Link;
    packet.icmpType = icmp.type;
    packet.icmpCode = icmp.code;
    packet.port = ICMP_TYPE | icmp.type;
    packet.kind = isError(protocol, icmp.type) ? PacketKind.Error : PacketKind.Other;
    setIcmpPorts(key, direction, icmp.type, icmp.id);
  } else {
    packet.port = 0;
  }
  if (packet.moreFragments) keepPorts(key, packet, direction);
  return Reading.Whole;
}

/** Of the family of its addresses; the other family's is a protocol like any other. */
function isIcmp(key: FlowKey): bool {
  return key.protocol == (isMapped(key.localHi, key.localLo) ? IpProtocol.Icmp : IpProtocol.Icmpv6);
}

/** RFC 792 and 4443: destination unreachable, (packet too big), time exceeded, parameter problem. Not redirects. */
function isError(protocol: u8, type: u8): bool {
  return protocol == IpProtocol.Icmp ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

/** RFC 4861, which only counts with a hop limit of 255, and 2710 and 3810 (multicast membership), with 1. */
function isForLink(type: u8, hopLimit: u8, direction: u32): bool {
  const solicits = type == 135 || type == 136;
  if (direction == Direction.Ingress) return hopLimit == 255 ? solicits || type == 134 : hopLimit == 1 && type == 130;
  return hopLimit == 255 ? solicits || type == 133 : hopLimit == 1 && (type == 131 || type == 132 || type == 143);
}

function setIcmpPorts(key: FlowKey, direction: u32, type: u8, id: u16): void {
  const asks: u8 = key.protocol == IpProtocol.Icmp ? 8 : 128;
  const answers: u8 = key.protocol == IpProtocol.Icmp ? 0 : 129;
  if (type == asks) setPorts(key, direction, id, 0);
  else if (type == answers) setPorts(key, direction, 0, id);
  else if (key.protocol == IpProtocol.Icmp && type >= 13 && type <= 18) {
    // Time stamp, information, address mask (RFC 792, 950): requests are odd, and their answers the next.
    if (type & 1) setPorts(key, direction, id, type);
    else setPorts(key, direction, type - 1, id);
  } else setPorts(key, direction, type, type);
}

function setFragmentKey(fragment: FragmentKey, key: FlowKey, packet: Packet, direction: u32): void {
  const out = direction == Direction.Egress;
  fragment.sourceHi = out ? key.localHi : key.remoteHi;
  fragment.sourceLo = out ? key.localLo : key.remoteLo;
  fragment.destinationHi = out ? key.remoteHi : key.localHi;
  fragment.destinationLo = out ? key.remoteLo : key.localLo;
  fragment.id = packet.fragmentId;
  fragment.protocol = key.protocol;
}

function keepPorts(key: FlowKey, packet: Packet, direction: u32): void {
  const out = direction == Direction.Egress;
  const fragment = new FragmentKey();
  setFragmentKey(fragment, key, packet, direction);
  const ports = new FragmentPorts();
  ports.sourcePort = out ? key.localPort : key.remotePort;
  ports.destinationPort = out ? key.remotePort : key.localPort;
  ports.port = <u16>packet.port;
  fragments.set(fragment, ports);
}

/** The ports of a later fragment are those of the first. */
function readFragment(key: FlowKey, packet: Packet, direction: u32): u32 {
  // It would overwrite the header that the first was judged by (RFC 1858).
  if (key.protocol == IpProtocol.Tcp && packet.fragmentOffset < 24) return DropReason.InvalidPacket;
  packet.port = UNKNOWN_PORT;
  const fragment = new FragmentKey();
  setFragmentKey(fragment, key, packet, direction);
  const ports = fragments.get(fragment);
  if (ports) {
    packet.port = ports.port;
    setPorts(key, direction, ports.sourcePort, ports.destinationPort);
  }
  return Reading.Whole;
}

/**
 * The key of the flow that the packet inside of an ICMP error belongs to; false: it cannot be told.
 * @param outer - the error's own: of the same IP version.
 * @param key - filled in.
 */
export function readInner(skb: SkBuff, packet: Packet, outer: FlowKey, key: FlowKey, direction: u32): bool {
  noInline();
  const at = packet.transport + 8;
  // Whom the error is sent to sent the packet.
  const sent: u32 = direction == Direction.Ingress ? Direction.Egress : Direction.Ingress;
  let transport: u32 = 0;
  if (isMapped(outer.remoteHi, outer.remoteLo)) {
    const ip = new Ipv4();
    if (skb.loadBytes<Ipv4>(at, ip) != 0 || ip.headerLength < 20 || ip.fragmentOffset != 0) return false;
    setAddresses(key, sent, 0, mapped(ip.saddr_be), 0, mapped(ip.daddr_be));
    key.protocol = ip.protocol;
    transport = at + ip.headerLength;
  } else {
    const ip = new Ipv6();
    if (skb.loadBytes<Ipv6>(at, ip) != 0) return false;
    setAddresses(key, sent, ip.saddrHigh_be, ip.saddrLow_be, ip.daddrHigh_be, ip.daddrLow_be);
    key.protocol = ip.nextHeader;
    transport = at + 40;
  }
  const first = new Icmp();
  if (skb.loadBytes<Icmp>(transport, first) != 0) return false;
  if (isIcmp(key)) setIcmpPorts(key, sent, first.type, first.id);
  else if (key.protocol == IpProtocol.Tcp || key.protocol == IpProtocol.Udp || key.protocol == IpProtocol.Sctp) {
    const ports = changetype<Udp>(first);
    setPorts(key, sent, ports.sport, ports.dport);
  }
  return true;
}
