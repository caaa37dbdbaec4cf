/**
 * Formats of header fields: how bits become the value that tests read and write, and back. A row is a codec over
 * unsigned numbers of up to 32 bits, or over the bytes of an address.
 */
import { formatAddress, formatMac, parseAddress, parseMac } from "../bytes/index.ts";
import type { DiagnosticError } from "../diag/index.ts";
import { packetError } from "./diagnostics.ts";
import { NUMBERS } from "./numbers.ts";
import type { NumberSpace } from "./numbers.ts";

interface NumberFormat<V> {
  readonly of: "number";
  readonly decode: (raw: number) => V;
  /** NaN for a value that the format does not have. */
  readonly encode: (value: V) => number;
  readonly print: (value: V) => string;
  /** What values look like, for messages. */
  readonly like: string;
}
interface BytesFormat {
  readonly of: "bytes";
  readonly decode: (bytes: Uint8Array) => string;
  readonly encode: (value: string) => Uint8Array | null;
  readonly like: string;
}

const identity = (value: number): number => value;
const number: NumberFormat<number> = { of: "number", decode: identity, encode: identity, print: String, like: "80" };
const hex: NumberFormat<number> = { ...number, print: (v) => `0x${v.toString(16)}`, like: "0x1f" };

/** A length in units of `unit` bytes above `base`; values are bytes. */
const words = (unit: number, base = 0): NumberFormat<number> => ({
  of: "number",
  decode: (raw) => raw * unit + base,
  encode: (value) => (Number.isInteger((value - base) / unit) ? (value - base) / unit : Number.NaN),
  print: String,
  like: base === 0 ? `a multiple of ${unit}` : `${base} plus a multiple of ${unit}`,
});

/** A number of a space, printed with its name. */
const named = (space: NumberSpace, plain: NumberFormat<number>): NumberFormat<number> => ({
  ...plain,
  print: (v) => {
    const name = (NUMBERS[space].names as Readonly<Record<number, string>>)[v];
    return name === undefined ? plain.print(v) : `${plain.print(v)} (${name})`;
  },
});

/** By bit from the lowest, as tcpdump and scapy write them: FIN SYN RST PSH ACK URG ECE CWR. */
const TCP_FLAG_LETTERS = "FSRPAUEC";

/** Letters of the bits that are set, lowest first: `"SA"` is SYN and ACK. Any order is read. */
const tcpFlags: NumberFormat<string> = {
  of: "number",
  decode: (raw) => [...TCP_FLAG_LETTERS].filter((_, bit) => (raw >> bit) & 1).join(""),
  encode: (letters) =>
    [...letters.toUpperCase()].reduce((bits, letter) => {
      const bit = TCP_FLAG_LETTERS.indexOf(letter);
      return bit < 0 ? Number.NaN : bits + (Math.floor(bits / 2 ** bit) % 2 === 0 ? 2 ** bit : 0);
    }, 0),
  print: (letters) => (letters === "" ? "none" : letters),
  like: `letters of ${TCP_FLAG_LETTERS}`,
};

const flag: NumberFormat<boolean> = {
  of: "number",
  decode: (raw) => raw === 1,
  encode: Number,
  print: String,
  like: "true",
};

// prettier-ignore
export const FORMATS = {
  number, hex, flag, tcpFlags,
  words4: words(4), words8: words(8), words8from8: words(8, 8), words4from8: words(4, 8),
  etherType: named("etherType", hex), ipProtocol: named("ipProtocol", number), arp: named("arp", number),
  mac:  { of: "bytes", decode: formatMac,     encode: parseMac,                           like: '"02:00:00:00:00:01"' },
  ipv4: { of: "bytes", decode: formatAddress, encode: (text) => parseAddress(text, "ipv4"), like: '"10.0.0.1"' },
  ipv6: { of: "bytes", decode: formatAddress, encode: (text) => parseAddress(text, "ipv6"), like: '"fd00::1"' },
} as const satisfies Record<string, NumberFormat<number> | NumberFormat<boolean> | NumberFormat<string> | BytesFormat>;
export type FormatName = keyof typeof FORMATS;

/** The JavaScript type of a format's values. */
export type FormatValue<F extends FormatName> = (typeof FORMATS)[F] extends NumberFormat<infer V> ? V : string;
export type FieldValue = number | boolean | string;

const formatOf = (name: FormatName): NumberFormat<FieldValue> | BytesFormat =>
  FORMATS[name] as unknown as NumberFormat<FieldValue> | BytesFormat;

/** The value of `width` bits at `bit` (0: the highest bit of the first byte). */
export function readField(bytes: Uint8Array, bit: number, width: number, format: FormatName): FieldValue {
  const row = formatOf(format);
  if (row.of === "bytes") return row.decode(bytes.subarray(bit / 8, (bit + width) / 8));
  return row.decode(readBits(bytes, bit, width));
}

/** Puts the value there; throws K012 for a value that the field does not have. `field`: how messages call it. */
export function writeField(
  bytes: Uint8Array,
  bit: number,
  width: number,
  format: FormatName,
  value: FieldValue,
  field: string,
): void {
  const row = formatOf(format);
  if (row.of === "bytes") {
    const raw = typeof value === "string" ? row.encode(value) : null;
    if (raw === null) throw unfit(field, row.like, value);
    bytes.set(raw, bit / 8);
    return;
  }
  const raw = row.encode(value);
  if (!Number.isInteger(raw) || raw < 0 || raw >= 2 ** width) {
    throw unfit(field, `${row.like}, in ${width} ${width === 1 ? "bit" : "bits"}`, value);
  }
  writeBits(bytes, bit, width, raw);
}

/** Whether two spellings mean the same bits: `fd00::1` and `fd00:0::1`, `"SA"` and `"AS"`. */
export function sameField(format: FormatName, a: FieldValue, b: FieldValue): boolean {
  const { encode } = formatOf(format);
  return String(encode(a as never)) === String(encode(b as never));
}

/** The value as messages show it. */
export function printField(format: FormatName, value: FieldValue): string {
  const row = formatOf(format);
  return row.of === "bytes" ? String(value) : row.print(value);
}

/** An unsigned number of up to 32 bits, anywhere. */
export function readBits(bytes: Uint8Array, bit: number, width: number): number {
  let value = 0;
  for (let done = 0; done < width;) {
    const { byte, take, shift } = piece(bytes, bit + done, width - done);
    value = value * 2 ** take + ((byte >> shift) & ((1 << take) - 1));
    done += take;
  }
  return value;
}

export function writeBits(bytes: Uint8Array, bit: number, width: number, value: number): void {
  for (let done = 0; done < width;) {
    const { at, byte, take, shift } = piece(bytes, bit + done, width - done);
    const mask = (1 << take) - 1;
    const part = Math.floor(value / 2 ** (width - done - take)) & mask;
    bytes[at] = (byte & ~(mask << shift)) | (part << shift);
    done += take;
  }
}

/** The part of a range of bits that lies in its first byte. */
function piece(
  bytes: Uint8Array,
  bit: number,
  width: number,
): { at: number; byte: number; take: number; shift: number } {
  const at = bit >> 3;
  const left = 8 - (bit & 7);
  const take = Math.min(left, width);
  return { at, byte: bytes[at] ?? 0, take, shift: left - take };
}

function unfit(field: string, expected: string, value: unknown): DiagnosticError {
  return packetError("K012", `${field} cannot have this value`, {
    expected,
    found: JSON.stringify(value) ?? "undefined",
  });
}
