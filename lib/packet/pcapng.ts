/**
 * Capture files of Wireshark and newer tcpdumps: sections of blocks.
 *
 *   block      type u32 · length u32 · body · length u32        length: all of it, a multiple of 4
 *   section    0a0d0d0a: byte-order magic 1a2b3c4d · version u16 u16 · section length u64 · options
 *   interface  1: link type u16 · reserved u16 · snap length u32 · options     numbered from 0 in each section
 *   packet     6: interface u32 · time u32 u32 (high, low) · captured u32 · original u32 · bytes · options
 *              3: original u32 · bytes           of interface 0, without time
 *              2: interface u16 · drops u16 · time u32 u32 · captured u32 · original u32 · bytes     (obsolete)
 *
 * Others are passed over. An interface's options tell the unit of its times (9, if_tsresol: a power of 10, or of 2 with the
 * highest bit set; microseconds without) and an offset in seconds (14, if_tsoffset).
 * Source: draft-ietf-opsawg-pcapng.
 */
import { cutOff, impossible } from "./diagnostics.ts";
import type { CapturedPacket } from "./captured-packet.ts";

export const PCAPNG_MAGIC = 0x0a0d0d0a;
const BYTE_ORDER = 0x1a2b3c4d;
const SMALLEST_BLOCK = 12;

const INTERFACE = 1;
const OLD_PACKET = 2;
const SIMPLE_PACKET = 3;
const PACKET = 6;

const TIME_RESOLUTION = 9;
const TIME_OFFSET = 14;

interface Interface {
  readonly linkType: number;
  /** 0: no limit. */
  readonly snapLength: number;
  readonly ticksPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

/** Where a reader is, and what the section has said so far. */
interface Section {
  readonly view: DataView;
  readonly file: string;
  little: boolean;
  interfaces: Interface[];
}

/** Reads a file that starts with `PCAPNG_MAGIC`. Throws K002 when it is cut off, K003 for an impossible block. */
export function readPcapng(bytes: Uint8Array, file: string): CapturedPacket[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const section: Section = { view, file, little: true, interfaces: [] };
  const packets: CapturedPacket[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + readLength(section, at);
    const packet = readBlock(section, at, end - 4);
    if (packet !== null) packets.push(packet);
    at = end;
  }
  return packets;
}

/** The length of the block, as both of its ends say; a new section sets the byte order. */
function readLength(section: Section, at: number): number {
  const { view, file } = section;
  const left = view.byteLength - at;
  if (left < SMALLEST_BLOCK) throw cutOff(file, at, `a block of at least ${SMALLEST_BLOCK} bytes`, left);
  if (view.getUint32(at) === PCAPNG_MAGIC) {
    const little = [true, false].find((order) => view.getUint32(at + 8, order) === BYTE_ORDER);
    if (little === undefined)
      throw impossible(file, at + 8, "byte-order magic 1a2b3c4d", view.getUint32(at + 8).toString(16));
    section.little = little;
    section.interfaces = [];
  }
  const length = view.getUint32(at + 4, section.little);
  if (length < SMALLEST_BLOCK || length % 4 !== 0) {
    throw impossible(file, at + 4, `a block length that is a multiple of 4, from ${SMALLEST_BLOCK}`, String(length));
  }
  if (length > left) throw cutOff(file, at, `a block of ${length} bytes`, left);
  const again = view.getUint32(at + length - 4, section.little);
  if (again !== length) throw impossible(file, at + length - 4, `the block's length again, ${length}`, String(again));
  return length;
}

function readBlock(section: Section, at: number, end: number): CapturedPacket | null {
  const { view, little } = section;
  const u16 = (offset: number): number => view.getUint16(within(section, at + offset, 2, end), little);
  const u32 = (offset: number): number => view.getUint32(within(section, at + offset, 4, end), little);
  const time = (offset: number): bigint => (BigInt(u32(offset)) << 32n) | BigInt(u32(offset + 4));
  switch (view.getUint32(at, little)) {
    case INTERFACE:
      section.interfaces.push({ linkType: u16(8), snapLength: u32(12), ...readTimes(section, at + 16, end) });
      return null;
    case PACKET:
      return readPacket(section, {
        at: at + 28,
        end,
        number: u32(8),
        time: time(12),
        captured: u32(20),
        original: u32(24),
      });
    case OLD_PACKET:
      return readPacket(section, {
        at: at + 28,
        end,
        number: u16(8),
        time: time(12),
        captured: u32(20),
        original: u32(24),
      });
    case SIMPLE_PACKET: {
      const captured = Math.min(u32(8), section.interfaces[0]?.snapLength || u32(8));
      return readPacket(section, { at: at + 12, end, number: 0, time: 0n, captured, original: u32(8) });
    }
    default:
      return null;
  }
}

interface Record {
  readonly at: number;
  readonly end: number;
  readonly number: number;
  readonly time: bigint;
  readonly captured: number;
  readonly original: number;
}

function readPacket(section: Section, { at, end, number, time, captured, original }: Record): CapturedPacket {
  const { view, file, interfaces } = section;
  const from = interfaces[number];
  if (from === undefined)
    throw impossible(file, at, `an interface of the section, of which there are ${interfaces.length}`, String(number));
  const start = within(section, at, captured, end);
  return {
    nanoseconds: from.offsetSeconds * 1_000_000_000n + (time * 1_000_000_000n) / from.ticksPerSecond,
    originalLength: original,
    linkType: from.linkType,
    bytes: new Uint8Array(view.buffer, view.byteOffset + start, captured),
  };
}

/** Options are number u16 · length u16 · data, each filled up to a multiple of 4; number 0 ends them. */
function readTimes(section: Section, from: number, end: number): Pick<Interface, "ticksPerSecond" | "offsetSeconds"> {
  const { view, little } = section;
  let ticksPerSecond = 1_000_000n;
  let offsetSeconds = 0n;
  for (let at = from; at + 4 <= end;) {
    const code = view.getUint16(at, little);
    const length = view.getUint16(at + 2, little);
    const data = within(section, at + 4, length, end);
    if (code === 0) break;
    if (code === TIME_RESOLUTION && length >= 1) {
      const resolution = view.getUint8(data);
      ticksPerSecond = (resolution & 0x80 ? 2n : 10n) ** BigInt(resolution & 0x7f);
    }
    if (code === TIME_OFFSET && length >= 8) offsetSeconds = view.getBigInt64(data, little);
    at = data + Math.ceil(length / 4) * 4;
  }
  return { ticksPerSecond, offsetSeconds };
}

/** `at`, when `size` bytes from there are in the block. */
function within({ file }: Section, at: number, size: number, end: number): number {
  if (at + size <= end) return at;
  throw impossible(file, at, `${size} bytes up to the end of the block`, `${Math.max(end - at, 0)} bytes`);
}
