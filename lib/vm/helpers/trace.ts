/** trace_printk, trace_vprintk, snprintf: text made of a format and values (printf.ts). */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { formatPieces, parseFormat } from "../printf.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";
import { probeBytes, probeString } from "./probe.ts";

/** trace_printk takes three values, the others twelve (MAX_BPRINTF_VARARGS). */
const FEW = 3;
const MANY = 12;
/** A line of trace, its end included, and the longest string that %s gives. */
const LINE = 1024;
const STRING = 512;

export const TRACE_HELPERS = {
  trace_printk: (host, r1, r2, r3, r4, r5) => trace(host, host.bytes(r1, u32(r2)), FEW, [r3, r4, r5]),
  trace_vprintk: (host, r1, r2, r3, r4) => {
    const values = valuesAt(host, r3, u32(r4));
    return values === null ? result(-ERRNO.EINVAL) : trace(host, host.bytes(r1, u32(r2)), values.length, values);
  },
  /** The length of the whole text with its final zero, though only what fits is stored. */
  snprintf: (host, r1, r2, r3, r4, r5) => {
    const into = host.bytes(r1, u32(r2), true);
    const values = valuesAt(host, r4, u32(r5));
    const line = values === null ? null : print(host, zeroTerminated(host, r3), values.length, values);
    if (line === null) return result(-ERRNO.EINVAL);
    const kept = line.subarray(0, Math.max(into.length - 1, 0));
    into.set(kept);
    if (into.length > 0) into[kept.length] = 0;
    return result(line.length + 1);
  },
} satisfies Implementations;

function trace(host: Host, format: Uint8Array, most: number, values: readonly bigint[]): bigint {
  const end = format.indexOf(0);
  const line = end === -1 ? null : print(host, format.subarray(0, end), most, values);
  if (line === null) return result(-ERRNO.EINVAL);
  host.run.trace.push(new TextDecoder().decode(line.subarray(0, LINE - 1)));
  return result(Math.min(line.length, LINE - 1));
}

function print(host: Host, format: Uint8Array, most: number, values: readonly bigint[]): Uint8Array | null {
  const pieces = parseFormat(latin1(format), most);
  if (pieces === null) return null;
  const text = formatPieces(pieces, values, {
    string: (address) => latin1(probeString(host, address, STRING) ?? new Uint8Array(0)),
    bytes: (address, size) => probeBytes(host, address, size),
  });
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Bytes as characters of the same number: text in another encoding comes out as it went in. */
function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** An array of 64-bit values; null when its size is not that of one, or of too many. */
function valuesAt(host: Host, register: bigint, size: number): bigint[] | null {
  if (size % 8 !== 0 || size > MANY * 8 || (size > 0 && register === 0n)) return null;
  const bytes = host.bytes(register, size);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: size / 8 }, (_, i) => view.getBigUint64(8 * i, true));
}

function zeroTerminated(host: Host, register: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let at = register; ; at++) {
    const [byte = 0] = host.bytes(at, 1);
    if (byte === 0) return Uint8Array.from(bytes);
    bytes.push(byte);
  }
}
