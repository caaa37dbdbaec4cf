/**
 * Addresses as the maps hold them: 16 bytes in network order, an IPv4 address as ::ffff:a.b.c.d; so that one table serves both
 * families, and an IPv4 prefix is 96 bits longer than it is written with.
 */
import { isIPv4, isIPv6 } from "node:net";
import { agentError } from "./diagnostics.ts";

export interface Prefix {
  /** 16 bytes; what is behind `bits` is zero. */
  readonly bytes: Uint8Array;
  /** 0 to 128. */
  readonly bits: number;
}

export const ADDRESS_BITS = 128;
const IPV4_BITS = 96;

/** `10.0.0.1`, `fd00::1`. Throws N006. */
export function parseAddress(text: string): Uint8Array {
  if (isIPv4(text)) return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...text.split(".").map(Number));
  if (!isIPv6(text) || text.includes("%")) throw agentError("N006", `${JSON.stringify(text)} is no address`);
  const [head = "", tail] = text.split("::");
  const [left, right] = [wordsOf(head), wordsOf(tail ?? "")];
  const words = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** The 16-bit words of a part without `::`; the last may be a dotted quad. */
function wordsOf(part: string): readonly number[] {
  return part.split(":").flatMap((word) => {
    if (word === "") return [];
    if (!word.includes(".")) return [Number.parseInt(word, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = word.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** `10.0.0.0/8`, `fd00::/64`; an address alone is a prefix of its whole length. Bits behind the length are cleared. Throws N006. */
export function parsePrefix(text: string): Prefix {
  const [address = "", length, more] = text.split("/");
  const bytes = parseAddress(address);
  const offset = isIPv4(address) ? IPV4_BITS : 0;
  const given = length === undefined ? ADDRESS_BITS - offset : /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  const bits = given + offset;
  if (more !== undefined || !(bits <= ADDRESS_BITS)) throw agentError("N006", `${JSON.stringify(text)} is no prefix`);
  return maskTo({ bytes, bits: ADDRESS_BITS }, bits);
}

/** The prefix of `bits` that holds this one. */
export function maskTo({ bytes }: Prefix, bits: number): Prefix {
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(Math.max(bits - i * 8, 0), 8)));
  return { bytes: masked, bits };
}
