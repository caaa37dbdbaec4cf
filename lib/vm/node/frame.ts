/**
 * Packets as bytes: what sockets send is encoded here, what interfaces receive is decoded here, so that programs between
 * them see and may change real headers. Layouts: RFC 791 (IPv4), RFC 8200 (IPv6), RFC 9293 (TCP), RFC 768 (UDP).
 * Everything on the wire is big-endian.
 */
import { formatAddress } from "../../bytes/index.ts";
import { addSums, checksumOf, partialSum } from "../checksum.ts";
import { addressBytes, familyOf } from "./endpoint.ts";
import type { Family } from "./endpoint.ts";

export const ETHERNET_HEADER = 14;
/** EtherTypes. */
export const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
/** IP protocol numbers. */
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;
export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

/** Bytes of an IP header without options. */
export const IP_HEADER = { inet: 20, inet6: 40 } as const satisfies Record<Family, number>;
export const TCP_HEADER = 20;
export const UDP_HEADER = 8;
/** Offset of the checksum in the transport header. */
const CHECKSUM_AT: Readonly<Record<number, number>> = {
  [PROTOCOL.tcp]: 16,
  [PROTOCOL.udp]: 6,
  [PROTOCOL.icmpv6]: 2,
  [PROTOCOL.icmp]: 2,
};
const DEFAULT_TTL = 64;
/** Don't fragment. */
const DF = 0x4000;

/** What the IP header says. */
export interface IpPacket {
  readonly family: Family;
  readonly source: string;
  readonly destination: string;
  /** The next header's number. */
  readonly protocol: number;
  /** Time to live, hop limit. Default 64. */
  readonly ttl?: number;
  /** Type of service, traffic class. Default 0. */
  readonly tos?: number;
  /** What follows the IP header. */
  readonly payload: Uint8Array;
}

export interface Segment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As on the wire, not scaled. */
  readonly window: number;
  /** A multiple of 4 bytes. */
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** An IP packet with its transport checksum filled in. */
export function encodeIp(packet: IpPacket): Uint8Array {
  const { family, payload, ttl = DEFAULT_TTL, tos = 0, protocol } = packet;
  const header = IP_HEADER[family];
  const bytes = new Uint8Array(header + payload.length);
  const view = viewOf(bytes);
  if (family === "inet") {
    view.setUint8(0, 0x45);
    view.setUint8(1, tos);
    view.setUint16(2, bytes.length);
    view.setUint16(6, DF);
    view.setUint8(8, ttl);
    view.setUint8(9, protocol);
    bytes.set(addressBytes(packet.source), 12);
    bytes.set(addressBytes(packet.destination), 16);
    writeIpv4Checksum(bytes);
  } else {
    view.setUint32(0, (6 << 28) | (tos << 20));
    view.setUint16(4, payload.length);
    view.setUint8(6, protocol);
    view.setUint8(7, ttl);
    bytes.set(addressBytes(packet.source), 8);
    bytes.set(addressBytes(packet.destination), 24);
  }
  bytes.set(payload, header);
  fillTransportChecksum(bytes, packet);
  return bytes;
}

/** Computes the header checksum of an IPv4 packet anew. */
export function writeIpv4Checksum(bytes: Uint8Array): void {
  const header = bytes.subarray(0, ((bytes[0] ?? 0) & 15) * 4);
  header.fill(0, 10, 12);
  writeSum(header, 10, checksumOf(partialSum(header, 0)));
}

function fillTransportChecksum(bytes: Uint8Array, { family, protocol, source, destination }: IpPacket): void {
  const at = CHECKSUM_AT[protocol];
  const transport = bytes.subarray(IP_HEADER[family]);
  if (at === undefined || transport.length < at + 2) return;
  transport.fill(0, at, at + 2);
  // ICMP alone has no pseudo header.
  const seed = protocol === PROTOCOL.icmp ? 0 : pseudoHeaderSum(source, destination, protocol, transport.length);
  const sum = checksumOf(addSums(partialSum(transport, 0), seed));
  writeSum(transport, at, protocol === PROTOCOL.udp && sum === 0 ? 0xffff : sum);
}

function pseudoHeaderSum(source: string, destination: string, protocol: number, length: number): number {
  const rest = Uint8Array.of(0, protocol, length >> 8, length & 0xff);
  return addSums(
    addSums(partialSum(addressBytes(source), 0), partialSum(addressBytes(destination), 0)),
    partialSum(rest, 0),
  );
}

/** Sums are little-endian numbers of words in memory order (checksum.ts). */
function writeSum(bytes: Uint8Array, at: number, sum: number): void {
  bytes[at] = sum & 0xff;
  bytes[at + 1] = sum >> 8;
}

/** Null for bytes that are no whole IP packet; bytes behind the packet's own length are left out. */
export function decodeIp(
  bytes: Uint8Array,
): (IpPacket & { readonly ttl: number; readonly tos: number; readonly headerLength: number }) | null {
  const version = (bytes[0] ?? 0) >> 4;
  const view = viewOf(bytes);
  if (version === 4 && bytes.length >= IP_HEADER.inet) {
    const headerLength = ((bytes[0] ?? 0) & 15) * 4;
    const total = view.getUint16(2);
    if (headerLength < IP_HEADER.inet || total < headerLength || total > bytes.length) return null;
    if (checksumOf(partialSum(bytes.subarray(0, headerLength), 0)) !== 0) return null;
    return {
      family: "inet",
      source: formatAddress(bytes.subarray(12, 16)),
      destination: formatAddress(bytes.subarray(16, 20)),
      protocol: view.getUint8(9),
      ttl: view.getUint8(8),
      tos: view.getUint8(1),
      headerLength,
      payload: bytes.subarray(headerLength, total),
    };
  }
  if (version === 6 && bytes.length >= IP_HEADER.inet6) {
    const length = view.getUint16(4);
    if (IP_HEADER.inet6 + length > bytes.length) return null;
    return {
      family: "inet6",
      source: formatAddress(bytes.subarray(8, 24)),
      destination: formatAddress(bytes.subarray(24, 40)),
      protocol: view.getUint8(6),
      ttl: view.getUint8(7),
      tos: (view.getUint16(0) >> 4) & 0xff,
      headerLength: IP_HEADER.inet6,
      payload: bytes.subarray(IP_HEADER.inet6, IP_HEADER.inet6 + length),
    };
  }
  return null;
}

export function encodeSegment(segment: Segment): Uint8Array {
  const header = TCP_HEADER + segment.options.length;
  const bytes = new Uint8Array(header + segment.payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.seq);
  view.setUint32(8, segment.ack);
  view.setUint8(12, (header / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  bytes.set(segment.options, TCP_HEADER);
  bytes.set(segment.payload, header);
  return bytes;
}

/** Null for bytes that are no whole TCP header. */
export function decodeSegment(bytes: Uint8Array): Segment | null {
  if (bytes.length < TCP_HEADER) return null;
  const view = viewOf(bytes);
  const header = (view.getUint8(12) >> 4) * 4;
  if (header < TCP_HEADER || header > bytes.length) return null;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    options: bytes.subarray(TCP_HEADER, header),
    payload: bytes.subarray(header),
  };
}

export function encodeDatagram({ sourcePort, destinationPort, payload }: Datagram): Uint8Array {
  const bytes = new Uint8Array(UDP_HEADER + payload.length);
  const view = viewOf(bytes);
  view.setUint16(0, sourcePort);
  view.setUint16(2, destinationPort);
  view.setUint16(4, bytes.length);
  bytes.set(payload, UDP_HEADER);
  return bytes;
}

/** Null for bytes that are no whole datagram. */
export function decodeDatagram(bytes: Uint8Array): Datagram | null {
  if (bytes.length < UDP_HEADER) return null;
  const view = viewOf(bytes);
  const length = view.getUint16(4);
  if (length < UDP_HEADER || length > bytes.length) return null;
  return {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: bytes.subarray(UDP_HEADER, length),
  };
}

/** Is the checksum behind the IP header right? A UDP checksum of zero over IPv4 means none. */
export function transportChecksumIsRight({ family, source, destination, protocol, payload }: IpPacket): boolean {
  const at = CHECKSUM_AT[protocol];
  if (at === undefined || payload.length < at + 2) return true;
  if (protocol === PROTOCOL.udp && family === "inet" && payload[at] === 0 && payload[at + 1] === 0) return true;
  const seed = protocol === PROTOCOL.icmp ? 0 : pseudoHeaderSum(source, destination, protocol, payload.length);
  return checksumOf(addSums(partialSum(payload, 0), seed)) === 0;
}

/** An Ethernet frame around a packet. */
export function encodeFrame(source: Uint8Array, destination: Uint8Array, type: number, packet: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(ETHERNET_HEADER + packet.length);
  bytes.set(destination, 0);
  bytes.set(source, 6);
  viewOf(bytes).setUint16(12, type);
  bytes.set(packet, ETHERNET_HEADER);
  return bytes;
}

/** Type of service or traffic class of a packet; the lowest two bits are ECN's (RFC 3168). */
export function tosOf(packet: Uint8Array): number {
  return (packet[0] ?? 0) >> 4 === 4 ? (packet[1] ?? 0) : (viewOf(packet).getUint16(0) >> 4) & 0xff;
}

/** The EtherType of a frame; 0 for one that is too short. */
export function etherTypeOf(frame: Uint8Array): number {
  return frame.length < ETHERNET_HEADER ? 0 : viewOf(frame).getUint16(12);
}

/** The EtherType that carries packets of a family. */
export function etherTypeFor(address: string): number {
  return familyOf(address) === "inet" ? ETHERTYPE.ipv4 : ETHERTYPE.ipv6;
}

/** The bytes of both, one behind the other. */
export function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One line about an IP packet, for logs: `TCP 10.0.0.1:32768 > 10.0.0.2:80 [S]`. */
export function describeIp(bytes: Uint8Array): string {
  const ip = decodeIp(bytes);
  if (ip === null) return `${bytes.length} bytes that are no IP packet`;
  const port = (n: number): string => `:${n}`;
  const view = viewOf(ip.payload);
  if (ip.protocol === PROTOCOL.tcp && ip.payload.length >= TCP_HEADER) {
    const { sourcePort, destinationPort, flags, payload } = decodeSegment(ip.payload) ?? {
      sourcePort: 0,
      destinationPort: 0,
      flags: 0,
      payload: [],
    };
    const data = payload.length > 0 ? ` ${payload.length} bytes` : "";
    return `TCP ${ip.source}${port(sourcePort)} > ${ip.destination}${port(destinationPort)} [${flagLetters(flags)}]${data}`;
  }
  if (ip.protocol === PROTOCOL.udp && ip.payload.length >= UDP_HEADER)
    return `UDP ${ip.source}${port(view.getUint16(0))} > ${ip.destination}${port(view.getUint16(2))} ${ip.payload.length - UDP_HEADER} bytes`;
  return `protocol ${ip.protocol} ${ip.source} > ${ip.destination} ${ip.payload.length} bytes`;
}

/** As tcpdump writes them. */
const LETTERS = [
  [TCP_FLAG.syn, "S"],
  [TCP_FLAG.fin, "F"],
  [TCP_FLAG.rst, "R"],
  [TCP_FLAG.psh, "P"],
  [TCP_FLAG.ack, "."],
] as const;

function flagLetters(flags: number): string {
  return LETTERS.map(([bit, letter]) => ((flags & bit) !== 0 ? letter : "")).join("");
}
