/**
 * Makes the frames that tests and the simulated demo send: Ethernet, IPv4, TCP or UDP, with right lengths and checksums.
 * Layouts: RFC 791 (IPv4), RFC 9293 (TCP), RFC 768 (UDP). Everything on the wire is big-endian.
 */

export interface FrameOptions {
  /** Dotted addresses. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: "tcp" | "udp";
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** TCP only; default SYN. */
  readonly flags?: number;
  readonly payload?: Uint8Array;
  readonly sourceMac?: Uint8Array;
  readonly destinationMac?: Uint8Array;
}

export const TCP_FLAGS = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

const ETHERNET_HEADER = 14;
const IPV4_HEADER = 20;
const PROTOCOLS = {
  tcp: { number: 6, header: 20, checksum: 16 },
  udp: { number: 17, header: 8, checksum: 6 },
} as const;

/** A whole Ethernet frame. */
export function buildFrame(options: FrameOptions): Uint8Array {
  const { number, header } = PROTOCOLS[options.protocol];
  const payload = options.payload ?? new Uint8Array(0);
  const frame = new Uint8Array(ETHERNET_HEADER + IPV4_HEADER + header + payload.length);
  frame.set(options.destinationMac ?? [2, 0, 0, 0, 0, 2], 0);
  frame.set(options.sourceMac ?? [2, 0, 0, 0, 0, 1], 6);
  frame.set([0x08, 0x00], 12);
  const ip = frame.subarray(ETHERNET_HEADER);
  const view = viewOf(ip);
  view.setUint8(0, 0x45); // version 4, five words
  view.setUint16(2, ip.length);
  view.setUint16(6, 0x4000); // don't fragment
  view.setUint8(8, 64);
  view.setUint8(9, number);
  ip.set(parseIpv4(options.source), 12);
  ip.set(parseIpv4(options.destination), 16);
  view.setUint16(10, checksum(ip.subarray(0, IPV4_HEADER)));
  ip.set(payload, IPV4_HEADER + header);
  writeTransport(ip, options);
  return frame;
}

function writeTransport(ip: Uint8Array, options: FrameOptions): void {
  const { number, checksum: at } = PROTOCOLS[options.protocol];
  const segment = ip.subarray(IPV4_HEADER);
  const view = viewOf(segment);
  view.setUint16(0, options.sourcePort);
  view.setUint16(2, options.destinationPort);
  if (options.protocol === "tcp") {
    view.setUint8(12, 5 << 4); // five words
    view.setUint8(13, options.flags ?? TCP_FLAGS.syn);
    view.setUint16(14, 65_535);
  } else {
    view.setUint16(4, segment.length);
  }
  // The pseudo header: addresses, protocol, length.
  const pseudo = sum(ip.subarray(12, 20)) + number + segment.length;
  const value = fold(pseudo + sum(segment));
  view.setUint16(at, options.protocol === "udp" && value === 0 ? 0xffff : value);
}

/** Four bytes of a dotted address. Throws `RangeError` when it is none. */
export function parseIpv4(text: string): Uint8Array {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((p) => p > 255)) throw new RangeError(`not an IPv4 address: ${text}`);
  return Uint8Array.from(parts);
}

/** The internet checksum (RFC 1071) of a range whose checksum field is zero; over a right packet it is 0. */
export function checksum(bytes: Uint8Array): number {
  return fold(sum(bytes));
}

function sum(bytes: Uint8Array): number {
  let total = 0;
  for (const [i, byte] of bytes.entries()) total += i % 2 === 0 ? byte << 8 : byte;
  return total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
