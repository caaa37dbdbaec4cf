// First packets of flows, as bytes: Ethernet, IPv4 or IPv6, and TCP (SYN), UDP, SCTP or ICMP. Checksums are not filled in; the
// programs do not look at them.
const NUMBERS = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132 };
const [ETHERNET, IPV4, IPV6, TRANSPORT] = [14, 20, 40, 24];
const SYN = 0x02;

/** Client ports come by turns, so that no two packets are of one flow. */
let clientPort = 20_000;

/** `{ source, destination, protocol, port }`, port: of ICMP, the type. */
export function buildPacket({ source, destination, protocol, port }) {
  const isIpv6 = source.includes(":");
  const start = ETHERNET + (isIpv6 ? IPV6 : IPV4);
  const bytes = new Uint8Array(start + TRANSPORT);
  const view = new DataView(bytes.buffer);
  view.setUint16(12, isIpv6 ? 0x86dd : 0x0800);
  if (isIpv6) writeIpv6(view, bytes, source, destination, NUMBERS[protocol]);
  else writeIpv4(view, bytes, source, destination, NUMBERS[protocol]);
  writeTransport(view, start, protocol, port);
  return bytes;
}

function writeIpv4(view, bytes, source, destination, protocol) {
  view.setUint8(ETHERNET, 0x45);
  view.setUint16(ETHERNET + 2, IPV4 + TRANSPORT);
  view.setUint8(ETHERNET + 8, 64);
  view.setUint8(ETHERNET + 9, protocol);
  bytes.set(addressBytes(source), ETHERNET + 12);
  bytes.set(addressBytes(destination), ETHERNET + 16);
}

function writeIpv6(view, bytes, source, destination, protocol) {
  view.setUint32(ETHERNET, 0x6000_0000);
  view.setUint16(ETHERNET + 4, TRANSPORT);
  view.setUint8(ETHERNET + 6, protocol);
  view.setUint8(ETHERNET + 7, 64);
  bytes.set(addressBytes(source), ETHERNET + 8);
  bytes.set(addressBytes(destination), ETHERNET + 24);
}

function writeTransport(view, at, protocol, port) {
  clientPort = clientPort === 65_535 ? 20_000 : clientPort + 1;
  if (protocol === "ICMP" || protocol === "ICMPv6") {
    view.setUint8(at, port);
    view.setUint16(at + 4, clientPort);
    return;
  }
  view.setUint16(at, clientPort);
  view.setUint16(at + 2, port);
  if (protocol === "UDP") view.setUint16(at + 4, TRANSPORT);
  if (protocol !== "TCP") return;
  view.setUint8(at + 12, 0x50);
  view.setUint8(at + 13, SYN);
}

const known = new Map();

function addressBytes(text) {
  const bytes = known.get(text) ?? (text.includes(":") ? parseIpv6(text) : Uint8Array.from(text.split("."), Number));
  known.set(text, bytes);
  return bytes;
}

function parseIpv6(text) {
  const [head, tail] = text.split("::").map((part) => part.split(":").filter((group) => group !== ""));
  const groups =
    tail === undefined ? head : [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => "0"), ...tail];
  const view = new DataView(new ArrayBuffer(16));
  for (const [index, group] of groups.entries()) view.setUint16(2 * index, Number.parseInt(group, 16));
  return new Uint8Array(view.buffer);
}
