/**
 * trace_printk: a format as printk knows it, with at most three values.
 * Conversions: %d %i %u %x %X %p %c %s %% with the length modifiers h, l, ll, z, flags and width; %pI4 and %pI6.
 */
import { formatAddress } from "../../bytes/index.ts";
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const CONVERSION = /%(?<flags>[-0 +#]*)(?<width>\d*)(?<length>hh|h|ll|l|z)?(?<type>pI4|pI6c?|[diuxXpcs%])|%/g;
const BITS: Readonly<Record<string, number>> = { hh: 8, h: 16, l: 64, ll: 64, z: 64 };
/** Longest string that %s takes; the kernel's buffer for a whole line is of that size. */
const MAX_STRING = 512;

export const TRACE_HELPERS = {
  trace_printk: (host, r1, r2, r3, r4, r5) => {
    const format = text(host.bytes(r1, u32(r2)));
    const line = formatText(host, format, [r3, r4, r5]);
    if (line === null) return result(-ERRNO.EINVAL);
    host.run.trace.push(line);
    return result(new TextEncoder().encode(line).length);
  },
} satisfies Implementations;

/** Null for a format that the kernel refuses: an unknown conversion, or more than three values. */
function formatText(host: Host, format: string, values: readonly bigint[]): string | null {
  let used = 0;
  let bad = false;
  const line = format.replace(CONVERSION, (...found) => {
    const groups = found.at(-1) as Readonly<Record<string, string | undefined>>;
    const type = groups["type"];
    if (type === "%") return "%";
    const value = values[used++];
    if (type === undefined || value === undefined) bad = true;
    return type === undefined || value === undefined ? "" : pad(convert(host, type, groups, value), groups);
  });
  return bad ? null : line;
}

type Groups = Readonly<Record<string, string | undefined>>;

function convert(host: Host, type: string, groups: Groups, value: bigint): string {
  const bits = BITS[groups["length"] ?? ""] ?? 32;
  const prefix = (groups["flags"] ?? "").includes("#") ? "0x" : "";
  switch (type) {
    case "d":
    case "i":
      return BigInt.asIntN(bits, value).toString();
    case "u":
      return BigInt.asUintN(bits, value).toString();
    case "x":
      return prefix + BigInt.asUintN(bits, value).toString(16);
    case "X":
      return prefix + BigInt.asUintN(bits, value).toString(16).toUpperCase();
    case "c":
      return String.fromCharCode(Number(value & 0xffn));
    case "s":
      return text(string(host, value));
    case "pI4":
      return formatAddress(host.bytes(value, 4));
    case "pI6":
    case "pI6c":
      return formatAddress(host.bytes(value, 16));
    default:
      return value.toString(16).padStart(16, "0");
  }
}

function pad(converted: string, { flags = "", width = "" }: Groups): string {
  if (width === "") return converted;
  if (flags.includes("-")) return converted.padEnd(Number(width));
  return converted.padStart(Number(width), flags.includes("0") ? "0" : " ");
}

/** The bytes at an address up to a zero byte. */
function string(host: Host, address: bigint): Uint8Array {
  const bytes: number[] = [];
  while (bytes.length < MAX_STRING) {
    const [byte = 0] = host.bytes(address + BigInt(bytes.length), 1);
    if (byte === 0) break;
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end === -1 ? bytes : bytes.subarray(0, end));
}
