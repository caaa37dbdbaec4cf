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
import type { DiagnosticError } from "../diag/index.ts";
import { packetError } from "./diagnostics.ts";

export interface CapturedPacket {
  /** Since the epoch. */
  readonly nanoseconds: bigint;
  /** Length on the wire; `bytes` may be shorter. */
  readonly originalLength: number;
  readonly bytes: Uint8Array;
}

export interface Capture {
  /** LINKTYPE number; 1 is Ethernet. */
  readonly linkType: number;
  readonly packets: readonly CapturedPacket[];
}

/** LINKTYPE_ETHERNET. */
export const ETHERNET = 1;

const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const PCAPNG = 0x0a0d0d0a;
const FILE_HEADER = 24;
const LINK_TYPE = 20;
const RECORD_HEADER = 16;
/** What tcpdump takes for the largest believable record (MAXIMUM_SNAPLEN). */
const LARGEST_RECORD = 262_144;

/**
 * Reads a capture. `file` names it in diagnostics; packets are views into `bytes`.
 * Throws `DiagnosticError`: K001 not a capture, K002 cut off, K003 impossible record.
 */
export function readPcap(bytes: Uint8Array, file: string): Capture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FILE_HEADER) throw cutOff(file, 0, `a header of ${FILE_HEADER} bytes`, bytes.length);
  const { little, nano } = readMagic(view, file);
  const packets: CapturedPacket[] = [];
  let at = FILE_HEADER;
  while (at < bytes.length) {
    if (at + RECORD_HEADER > bytes.length) {
      throw cutOff(file, at, `a record header of ${RECORD_HEADER} bytes`, bytes.length - at);
    }
    const length = view.getUint32(at + 8, little);
    if (length > LARGEST_RECORD) throw impossible(file, at, length);
    const start = at + RECORD_HEADER;
    if (start + length > bytes.length) throw cutOff(file, at, `a packet of ${length} bytes`, bytes.length - start);
    const fraction = BigInt(view.getUint32(at + 4, little)) * (nano ? 1n : 1000n);
    packets.push({
      nanoseconds: BigInt(view.getUint32(at, little)) * 1_000_000_000n + fraction,
      originalLength: view.getUint32(at + 12, little),
      bytes: bytes.subarray(start, start + length),
    });
    at = start + length;
  }
  return { linkType: view.getUint32(LINK_TYPE, little) & 0xffff, packets };
}

/** The packets of a capture of Ethernet frames. Throws as `readPcap`, and K004 for another link layer. */
export function readFrames(bytes: Uint8Array, file: string): readonly CapturedPacket[] {
  const { linkType, packets } = readPcap(bytes, file);
  if (linkType === ETHERNET) return packets;
  const place = { kind: "offset", file, offset: LINK_TYPE } as const;
  const more = { place, expected: `link type ${ETHERNET} (Ethernet)`, found: `link type ${linkType}` };
  throw packetError("K004", `${file} has no Ethernet frames`, more);
}

/** Writes a little-endian, nanosecond capture; `readPcap` gives the same value back. */
export function writePcap(capture: Capture): Uint8Array {
  const out = new Writer();
  out.u32(NANOSECONDS).u16(2).u16(4).u64(0n).u32(LARGEST_RECORD).u32(capture.linkType);
  for (const packet of capture.packets) {
    out.u32(Number(packet.nanoseconds / 1_000_000_000n)).u32(Number(packet.nanoseconds % 1_000_000_000n));
    out.u32(packet.bytes.length).u32(packet.originalLength).put(packet.bytes);
  }
  return out.finish();
}

function readMagic(view: DataView, file: string): { little: boolean; nano: boolean } {
  for (const little of [true, false]) {
    const magic = view.getUint32(0, little);
    if (magic === MICROSECONDS || magic === NANOSECONDS) return { little, nano: magic === NANOSECONDS };
  }
  const magic = view.getUint32(0, false);
  const converted = magic === PCAPNG ? { remedy: "convert it: editcap -F pcap in.pcapng out.pcap" } : {};
  throw packetError("K001", magic === PCAPNG ? `${file} is a pcapng capture` : `${file} is not a capture`, {
    place: { kind: "offset", file, offset: 0 },
    expected: "the magic number of a classic capture, a1b2c3d4 or a1b23c4d in either byte order",
    found: magic.toString(16).padStart(8, "0"),
    ...converted,
  });
}

function cutOff(file: string, offset: number, expected: string, left: number): DiagnosticError {
  const place = { kind: "offset", file, offset } as const;
  return packetError("K002", `${file} ends in the middle`, { place, expected, found: `${left} bytes up to the end` });
}

function impossible(file: string, offset: number, length: number): DiagnosticError {
  const place = { kind: "offset", file, offset } as const;
  const expected = `a captured length of at most ${LARGEST_RECORD} bytes`;
  return packetError("K003", `${file} has a record that cannot be`, { place, expected, found: `${length} bytes` });
}
