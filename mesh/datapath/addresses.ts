/**
 * Addresses as the maps hold them: 16 bytes in network order, an IPv4 address as ::ffff:a.b.c.d; so that one table serves both
 * families, and an IPv4 prefix is 96 bits longer than it is written with.
 */
import { mappedBytes, mappedLength, parseAddressOrPrefix } from "../objects/address.ts";
import { agentError } from "./diagnostics.ts";

/** A prefix as a key of an LPM trie. */
export interface MappedPrefix {
  /** 16 bytes; what is behind `bits` is zero. */
  readonly bytes: Uint8Array;
  /** 0 to 128. */
  readonly bits: number;
}

export const ADDRESS_BITS = 128;

/** `10.0.0.0/8`, `fd00::/64`; an address alone is a prefix of its whole length. Throws N006. */
export function mapPrefix(text: string): MappedPrefix {
  const prefix = parseAddressOrPrefix(text);
  if (prefix === null) throw agentError("N006", `${JSON.stringify(text)} is neither address nor prefix`);
  return { bytes: mappedBytes(prefix), bits: mappedLength(prefix) };
}

/** `10.0.0.1`, `fd00::1`. Throws N006. */
export function mapAddress(text: string): Uint8Array {
  const { bytes, bits } = mapPrefix(text);
  if (bits !== ADDRESS_BITS) throw agentError("N006", `${JSON.stringify(text)} is no address`);
  return bytes;
}

/** The prefix of `bits` that holds this one. */
export function maskTo({ bytes }: MappedPrefix, bits: number): MappedPrefix {
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(Math.max(bits - i * 8, 0), 8)));
  return { bytes: masked, bits };
}
