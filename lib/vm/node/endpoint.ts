/**
 * Socket addresses as text: `10.0.0.1:80`, `[fd00::1]:80`. Inside the node an address is always in canonical text
 * (RFC 5952), so that addresses are compared as strings.
 */
import { formatAddress } from "../../bytes/index.ts";
import { parseAddress } from "../address.ts";
import { vmError } from "../diagnostics.ts";

export type Family = "inet" | "inet6";

/** AF_INET, AF_INET6; include/linux/socket.h. */
export const FAMILY_NUMBERS = { inet: 2, inet6: 10 } as const satisfies Record<Family, number>;

/** INADDR_ANY, in6addr_any. */
export const ANY = { inet: "0.0.0.0", inet6: "::" } as const satisfies Record<Family, string>;

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export type EndpointText = `${string}:${number}`;

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** IPv4-mapped IPv6 addresses (RFC 4291 section 2.5.5.2). */
const MAPPED = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/;

/** The family of an address text. */
export function familyOf(address: string): Family {
  return address.includes(":") ? "inet6" : "inet";
}

/** Canonical text of an address. Throws V011 for anything else. */
export function canonicalAddress(text: string): string {
  return formatAddress(addressBytes(text));
}

/** The bytes of an address in network order. Throws V011 for what is none. */
export function addressBytes(address: string): Uint8Array {
  return parseAddress(address, familyOf(address) === "inet" ? "ipv4" : "ipv6");
}

/** Throws V011 for a text that is no address and port. */
export function parseEndpoint(text: string): Endpoint {
  const match = /^(?:\[(?<ipv6>[^\]]*)\]|(?<ipv4>[^:]*)):(?<port>\d+)$/.exec(text)?.groups;
  const port = Number(match?.["port"]);
  const address = match?.["ipv6"] ?? match?.["ipv4"];
  if (address === undefined || port > 0xffff)
    throw vmError("V011", `${JSON.stringify(text)} is not an address and port`, {
      expected: "such as 10.0.0.1:80 or [fd00::1]:80",
      found: text,
    });
  return { address: canonicalAddress(address), port };
}

export function formatEndpoint({ address, port }: Endpoint): EndpointText {
  return familyOf(address) === "inet6" ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The IPv4 address inside an IPv4-mapped one; null for others. */
export function unmapped(address: string): string | null {
  return MAPPED.test(address) ? addressBytes(address).subarray(12).join(".") : null;
}

/** `::ffff:a.b.c.d` in canonical text. */
export function mapped(ipv4: string): string {
  return canonicalAddress(`::ffff:${ipv4}`);
}

export function isAny(address: string): boolean {
  return address === ANY.inet || address === ANY.inet6 || unmapped(address) === ANY.inet;
}

export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}

/** A network in prefix notation: `10.0.0.0/8`. */
export interface Prefix {
  readonly address: string;
  readonly length: number;
}

/** `10.0.0.1/24`; without a length the whole address. Throws V011. */
export function parsePrefix(text: string): Prefix {
  const [address = "", length] = text.split("/");
  const bits = familyOf(address) === "inet" ? 32 : 128;
  const prefix = { address: canonicalAddress(address), length: length === undefined ? bits : Number(length) };
  if (!Number.isInteger(prefix.length) || prefix.length < 0 || prefix.length > bits)
    throw vmError("V011", `${JSON.stringify(text)} is not an address with a prefix length`, { found: text });
  return prefix;
}

export function contains({ address: network, length }: Prefix, address: string): boolean {
  if (familyOf(network) !== familyOf(address)) return false;
  const [a, b] = [addressBytes(network), addressBytes(address)];
  return a.every((byte, i) => {
    const bits = Math.min(8, Math.max(0, length - 8 * i));
    const mask = (0xff << (8 - bits)) & 0xff;
    return (byte & mask) === ((b[i] ?? 0) & mask);
  });
}
