export { PACKET_DIAGNOSTICS } from "./diagnostics.ts";
export type { PacketCode } from "./diagnostics.ts";
export { ETHERNET, readFrames, readPcap, writePcap } from "./pcap.ts";
export type { Capture, CapturedPacket } from "./pcap.ts";
export { formatHex, parseHex } from "./hex.ts";
export { TCP_FLAGS, buildFrame, checksum, parseIpv4 } from "./build.ts";
export type { FrameOptions } from "./build.ts";
