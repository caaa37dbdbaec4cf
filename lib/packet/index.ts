/** Packets: builders, a dissector, comparison and printing, all from one header table; capture files. */
export { PACKET_DIAGNOSTICS } from "./diagnostics.ts";
export type { PacketCode } from "./diagnostics.ts";
export { readCapture, readFrames } from "./capture.ts";
export { ETHERNET } from "./captured-packet.ts";
export type { CapturedPacket } from "./captured-packet.ts";
export { writePcap } from "./pcap.ts";
export type { PacketToWrite } from "./pcap.ts";
export { formatAddress, parseAddress } from "../bytes/index.ts";
export type { AddressFamily } from "../bytes/index.ts";
export { formatHex, parseHex } from "./hex.ts";
export { checksum } from "./checksum.ts";
export { HEADERS, HEADER_KINDS } from "./headers.ts";
export type { BytesLayer, Fields, Header, HeaderKind, HeaderLayer, HeaderSpec, Layer, LayerSpec } from "./headers.ts";
export type { FieldValue } from "./formats.ts";
export type { HeaderOption } from "./options.ts";
export { packet } from "./packet.ts";
export type { Path } from "./packet.ts";
export {
  arp,
  authentication,
  destinationOptions,
  ethernet,
  fragment,
  hopByHop,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  padding,
  payload,
  routing,
  tcp,
  udp,
  vlan,
} from "./layers.ts";
export type { Some } from "./layers.ts";
export { fragments } from "./fragments.ts";
export { dissect } from "./dissect.ts";
export type { Start } from "./dissect.ts";
export { formatLayers, formatPacket } from "./print.ts";
export { comparePacket } from "./match.ts";
export type { Difference } from "./match.ts";
