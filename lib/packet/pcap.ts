/**
 * The classic capture file (tcpdump's), in both byte orders and both time resolutions.
 *
 *   file    magic u32 · major u16 · minor u16 · reserved u64 · snap length u32 · link type u32   (24 bytes)
 *   record  seconds u32 · fraction u32 · captured length u32 · original length u32 · bytes        (16 + captured)
 *
 * Source: draft-ietf-opsawg-pcap. The magic tells order and unit of the fraction: a1b2c3d4 microseconds, a1b23c4d
 * nanoseconds, in the writer's own byte order.
 */
import { Writer } from "../bytes/index.ts";
import { ETHERNET } from "./captured-packet.ts";
import type { CapturedPacket } from "./captured-packet.ts";
import { cutOff, impossible, packetError } from "./diagnostics.ts";

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
export const PCAP_MAGICS: readonly number[] = [MICROSECONDS, NANOSECONDS];
const FILE_HEADER = 24;
const LINK_TYPE = 20;
const RECORD_HEADER = 16;
/** What tcpdump takes for the largest believable record (MAXIMUM_SNAPLEN). */
const LARGEST_RECORD = 262_144;

/** Reads a file that starts with one of `PCAP_MAGICS`. Throws K002 when it is cut off, K003 for an impossible record. */
export function readPcap(bytes: Uint8Array, file: string): CapturedPacket[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER) throw cutOff(file, 0, `a header of ${FILE_HEADER} bytes`, bytes.length);
  const little = PCAP_MAGICS.includes(view.getUint32(0, true));
  const unit = view.getUint32(0, little) === NANOSECONDS ? 1n : 1000n;
  const linkType = view.getUint32(LINK_TYPE, little) & 0xffff;
  const packets: CapturedPacket[] = [];
  let at = FILE_HEADER;
  while (at < bytes.length) {
    if (at + RECORD_HEADER > bytes.length) {
      throw cutOff(file, at, `a record header of ${RECORD_HEADER} bytes`, bytes.length - at);
    }
    const length = view.getUint32(at + 8, little);
    if (length > LARGEST_RECORD) {
      throw impossible(file, at, `a captured length of at most ${LARGEST_RECORD} bytes`, `${length} bytes`);
    }
    const start = at + RECORD_HEADER;
    if (start + length > bytes.length) throw cutOff(file, at, `a packet of ${length} bytes`, bytes.length - start);
    packets.push({
      nanoseconds: BigInt(view.getUint32(at, little)) * 1_000_000_000n + BigInt(view.getUint32(at + 4, little)) * unit,
      originalLength: view.getUint32(at + 12, little),
      linkType,
      bytes: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return packets;
}

/** What `writePcap` needs to know of a packet; what is left out follows from the bytes. */
export type PacketToWrite = Pick<CapturedPacket, "bytes"> & Partial<CapturedPacket>;

/**
 * Writes a little-endian, nanosecond capture; `readCapture` gives the same packets back. Bare bytes are Ethernet frames of
 * time 0. Throws K005 for packets of several link layers: the format has one for all.
 */
export function writePcap(packets: readonly (PacketToWrite | Uint8Array)[]): Uint8Array {
  const records = packets.map((p) => (p instanceof Uint8Array ? { bytes: p } : p) as PacketToWrite);
  const linkTypes = new Set(records.map((p) => p.linkType ?? ETHERNET));
  if (linkTypes.size > 1) {
    const found = `link types ${[...linkTypes].join(", ")}`;
    throw packetError("K005", "a capture file has packets of one link layer", { expected: "one link type", found });
  }
  const out = new Writer();
  out
    .u32(NANOSECONDS)
    .u16(2)
    .u16(4)
    .u64(0n)
    .u32(LARGEST_RECORD)
    .u32([...linkTypes][0] ?? ETHERNET);
  for (const { bytes, nanoseconds = 0n, originalLength = bytes.length } of records) {
    out.u32(Number(nanoseconds / 1_000_000_000n)).u32(Number(nanoseconds % 1_000_000_000n));
    out.u32(bytes.length).u32(originalLength).put(bytes);
  }
  return out.finish();
}
