/**
 * IP addresses and prefixes of both families: text to number and back, and which lies in which.
 *
 * One shape serves both: an address is its bits as a number, and a prefix keeps only the bits that count. Text is strict, as
 * Go's netip: no leading zeros, no zones, and no IPv4 inside IPv6: the programs write IPv4 addresses as ::ffff:a.b.c.d
 * (programs/mesh/tables.ts), so that a mapped prefix in a policy would reach every IPv4 address.
 */

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  /** All bits; the first of the text is the highest. */
  readonly bits: bigint;
}

export interface Prefix {
  readonly family: Family;
  /** Bits after `length` are zero. */
  readonly bits: bigint;
  /** 0 to 32 or 128. */
  readonly length: number;
}

const WIDTH: Record<Family, number> = { 4: 32, 6: 128 };
/** ::ffff:0:0/96, where IPv4 lies in IPv6. */
const MAPPED = 0xffffn;

/** `10.0.0.1` or `fd00::1`; null: neither. */
export function parseAddress(text: string): Address | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** `10.0.0.0/8`; bits after the length are cleared. Null: no prefix, also when the length is missing. */
export function parsePrefix(text: string): Prefix | null {
  const [, host = "", digits = ""] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const address = parseAddress(host);
  const length = Number(digits);
  if (address === null || length > WIDTH[address.family]) return null;
  return { family: address.family, bits: address.bits & maskOf(address.family, length), length };
}

/** An address is the prefix of just itself. */
export function parseAddressOrPrefix(text: string): Prefix | null {
  if (text.includes("/")) return parsePrefix(text);
  const address = parseAddress(text);
  return address === null ? null : prefixOf(address);
}

/** The prefix of one address. */
export function prefixOf(address: Address): Prefix {
  return { ...address, length: WIDTH[address.family] };
}

/** Does the prefix hold all of `inner`? Families never hold each other. */
export function contains(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.family === inner.family &&
    outer.length <= inner.length &&
    (inner.bits & maskOf(outer.family, outer.length)) === outer.bits
  );
}

/** Canonical text: RFC 5952 for IPv6. */
export function formatAddress({ family, bits }: Address): string {
  return family === 4 ? formatIpv4(bits) : formatIpv6(bits);
}

/** Canonical text with the length. */
export function formatPrefix(prefix: Prefix): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

/**
 * The 16 bytes by which programs/mesh knows the address, in network order: IPv4 is ::ffff:a.b.c.d. A prefix of `length` bits
 * is `mappedLength` bits of them.
 */
export function mappedBytes({ family, bits }: Address): Uint8Array {
  let rest = family === 4 ? (MAPPED << 32n) | bits : bits;
  // In Node's pool: a buffer of its own takes ten times the memory of an address, and each of a cluster's is kept.
  const { buffer, byteOffset } = Buffer.allocUnsafe(16);
  const bytes = new Uint8Array(buffer, byteOffset, 16);
  for (let i = 15; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** Bits of `mappedBytes` that count. */
export function mappedLength({ family, length }: Prefix): number {
  return family === 4 ? 96 + length : length;
}

function maskOf(family: Family, length: number): bigint {
  const after = BigInt(WIDTH[family] - length);
  return ((1n << BigInt(WIDTH[family])) - 1n) & ~((1n << after) - 1n);
}

function parseIpv4(text: string): Address | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  let bits = 0n;
  for (const digits of match.slice(1)) {
    if (Number(digits) > 255 || (digits.length > 1 && digits.startsWith("0"))) return null;
    bits = (bits << 8n) | BigInt(digits);
  }
  return { family: 4, bits };
}

function parseIpv6(text: string): Address | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head = [], tail] = halves.map(parseGroups);
  if (head === null || tail === null) return null;
  const given = head.length + (tail?.length ?? 0);
  // "::" stands for at least one group.
  if (tail === undefined ? given !== 8 : given > 7) return null;
  const groups = [...head, ...Array.from({ length: 8 - given }, () => 0n), ...(tail ?? [])];
  const bits = groups.reduce((sum, group) => (sum << 16n) | group, 0n);
  return bits >> 32n === MAPPED ? null : { family: 6, bits };
}

/** The groups of one side of `::`; the last may be an IPv4 address, which is two. */
function parseGroups(text: string): bigint[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part.includes(".")) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === null) return null;
      groups.push(ipv4.bits >> 16n, ipv4.bits & 0xffffn);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(BigInt(`0x${part}`));
    }
  }
  return groups;
}

function formatIpv4(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 0xffn).join(".");
}

function formatIpv6(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => Number((bits >> BigInt(112 - 16 * i)) & 0xffffn));
  const { start, length } = longestZeros(groups);
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** The first of the longest runs of zeros. */
function longestZeros(groups: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
