/**
 * THE header table: each field of each header once, in wire order. Builders, dissector, printing and the arbitraries
 * derive from it; `test/packet/std.test.ts` holds it against what kernel-side programs read (lib/std/headers.ts), whose
 * names it uses.
 *
 * A field is [name, bits, format, default]. Formats (formats.ts) say which values it has: numbers, addresses as text, flags.
 * A default is a value, or says how builders compute it:
 *
 *   { auto: "next" }          number of the layer behind, from the numbers of `next` (numbers.ts)
 *   { auto: "header" }        length of this header with its options, in bytes
 *   { auto: "total" }         that and all behind it, padding left out
 *   { auto: "behind" }        only what is behind
 *   { auto: "checksum" }      over what `checksum` says
 *
 * Everything is big-endian. Sources: IEEE 802.3, 802.1Q; RFC 826 (ARP), 791 (IPv4), 8200 (IPv6), 4302 (AH), 9293 (TCP),
 * 768 (UDP), 792 (ICMP), 4443 (ICMPv6).
 */
import type { FormatName, FormatValue } from "./formats.ts";
import type { NumberSpace } from "./numbers.ts";
import type { OptionSpace, HeaderOption } from "./options.ts";

export interface Auto {
  readonly auto: "next" | "header" | "total" | "behind" | "checksum";
}
export type FieldRow = readonly [name: string, bits: number, format: FormatName, or: number | boolean | string | Auto];

export interface Header {
  /** As messages call it. */
  readonly title: string;
  readonly fields: readonly FieldRow[];
  /** The field that tells what follows, and the numbers that it takes. Without: payload follows. */
  readonly next?: readonly [field: string, space: NumberSpace];
  /** The variable part, up to the length that field `headerLength` has: a list of options, or bytes called `data`. */
  readonly tail?: OptionSpace | "data";
  /**
   * What the checksum is over. `header`: itself. `message`: it and all behind. `transport`: that and the pseudo header of
   * the IP layer before it (RFC 9293 section 3.1, RFC 8200 section 8.1).
   */
  readonly checksum?: "header" | "message" | "transport";
  /** Fields that are always printed; others only where they differ from their default. */
  readonly shown: readonly string[];
}

const NEXT = { auto: "next" } as const;
const HEADER = { auto: "header" } as const;
const TOTAL = { auto: "total" } as const;
const BEHIND = { auto: "behind" } as const;
const CHECKSUM = { auto: "checksum" } as const;

// prettier-ignore
export const HEADERS = {
  ethernet: {
    title: "Ethernet", next: ["type", "etherType"], shown: ["dst", "src"],
    fields: [
      ["dst",             48, "mac",        "02:00:00:00:00:02"],
      ["src",             48, "mac",        "02:00:00:00:00:01"],
      ["type",            16, "etherType",  NEXT],
    ],
  },
  vlan: {
    title: "VLAN", next: ["type", "etherType"], shown: ["id"],
    fields: [
      ["priority",         3, "number",     0],
      ["dropEligible",     1, "flag",       false],
      ["id",              12, "number",     1],
      ["type",            16, "etherType",  NEXT],
    ],
  },
  arp: {
    title: "ARP", shown: ["operation", "senderMac", "senderIp", "targetMac", "targetIp"],
    fields: [
      ["hardwareType",    16, "number",     1],
      ["protocolType",    16, "etherType",  0x0800],
      ["hardwareLength",   8, "number",     6],
      ["protocolLength",   8, "number",     4],
      ["operation",       16, "arp",        1],
      ["senderMac",       48, "mac",        "02:00:00:00:00:01"],
      ["senderIp",        32, "ipv4",       "10.0.0.1"],
      ["targetMac",       48, "mac",        "00:00:00:00:00:00"],
      ["targetIp",        32, "ipv4",       "10.0.0.2"],
    ],
  },
  ipv4: {
    title: "IPv4", next: ["protocol", "ipProtocol"], tail: "ipv4", checksum: "header", shown: ["saddr", "daddr"],
    fields: [
      ["version",          4, "number",     4],
      ["headerLength",     4, "words4",     HEADER],
      ["dscp",             6, "number",     0],
      ["ecn",              2, "number",     0],
      ["length",          16, "number",     TOTAL],
      ["id",              16, "number",     0],
      ["reserved",         1, "flag",       false],
      ["dontFragment",     1, "flag",       false],
      ["moreFragments",    1, "flag",       false],
      ["fragmentOffset",  13, "words8",     0],
      ["ttl",              8, "number",     64],
      ["protocol",         8, "ipProtocol", NEXT],
      ["checksum",        16, "hex",        CHECKSUM],
      ["saddr",           32, "ipv4",       "10.0.0.1"],
      ["daddr",           32, "ipv4",       "10.0.0.2"],
    ],
  },
  ipv6: {
    title: "IPv6", next: ["nextHeader", "ipProtocol"], shown: ["saddr", "daddr"],
    fields: [
      ["version",          4, "number",     6],
      ["trafficClass",     8, "number",     0],
      ["flowLabel",       20, "hex",        0],
      ["payloadLength",   16, "number",     BEHIND],
      ["nextHeader",       8, "ipProtocol", NEXT],
      ["hopLimit",         8, "number",     64],
      ["saddr",          128, "ipv6",       "fd00::1"],
      ["daddr",          128, "ipv6",       "fd00::2"],
    ],
  },
  hopByHop: {
    title: "Hop-by-hop options", next: ["nextHeader", "ipProtocol"], tail: "extension", shown: [],
    fields: [
      ["nextHeader",       8, "ipProtocol", NEXT],
      ["headerLength",     8, "words8from8", HEADER],
    ],
  },
  destinationOptions: {
    title: "Destination options", next: ["nextHeader", "ipProtocol"], tail: "extension", shown: [],
    fields: [
      ["nextHeader",       8, "ipProtocol", NEXT],
      ["headerLength",     8, "words8from8", HEADER],
    ],
  },
  routing: {
    title: "Routing", next: ["nextHeader", "ipProtocol"], tail: "data", shown: ["type", "segmentsLeft"],
    fields: [
      ["nextHeader",       8, "ipProtocol", NEXT],
      ["headerLength",     8, "words8from8", HEADER],
      ["type",             8, "number",     4],
      ["segmentsLeft",     8, "number",     0],
    ],
  },
  fragment: {
    title: "Fragment", next: ["nextHeader", "ipProtocol"], shown: ["fragmentOffset", "moreFragments", "id"],
    fields: [
      ["nextHeader",       8, "ipProtocol", NEXT],
      ["reserved",         8, "number",     0],
      ["fragmentOffset",  13, "words8",     0],
      ["reservedBits",     2, "number",     0],
      ["moreFragments",    1, "flag",       false],
      ["id",              32, "number",     0],
    ],
  },
  authentication: {
    title: "Authentication", next: ["nextHeader", "ipProtocol"], tail: "data", shown: ["spi", "sequence"],
    fields: [
      ["nextHeader",       8, "ipProtocol", NEXT],
      ["headerLength",     8, "words4from8", HEADER],
      ["reserved",        16, "number",     0],
      ["spi",             32, "hex",        0],
      ["sequence",        32, "number",     0],
    ],
  },
  tcp: {
    title: "TCP", tail: "tcp", checksum: "transport", shown: ["sport", "dport", "flags"],
    fields: [
      ["sport",           16, "number",     40000],
      ["dport",           16, "number",     80],
      ["seq",             32, "number",     0],
      ["ack",             32, "number",     0],
      ["headerLength",     4, "words4",     HEADER],
      ["reserved",         4, "number",     0],
      ["flags",            8, "tcpFlags",   "S"],
      ["window",          16, "number",     65535],
      ["checksum",        16, "hex",        CHECKSUM],
      ["urgent",          16, "number",     0],
    ],
  },
  udp: {
    title: "UDP", checksum: "transport", shown: ["sport", "dport"],
    fields: [
      ["sport",           16, "number",     40000],
      ["dport",           16, "number",     53],
      ["length",          16, "number",     TOTAL],
      ["checksum",        16, "hex",        CHECKSUM],
    ],
  },
  icmp: {
    title: "ICMP", next: ["type", "icmpError"], checksum: "message", shown: ["type", "code", "id", "sequence"],
    fields: [
      ["type",             8, "number",     8],
      ["code",             8, "number",     0],
      ["checksum",        16, "hex",        CHECKSUM],
      ["id",              16, "number",     0],
      ["sequence",        16, "number",     0],
    ],
  },
  icmpv6: {
    title: "ICMPv6", next: ["type", "icmpv6Error"], checksum: "transport", shown: ["type", "code", "id", "sequence"],
    fields: [
      ["type",             8, "number",     128],
      ["code",             8, "number",     0],
      ["checksum",        16, "hex",        CHECKSUM],
      ["id",              16, "number",     0],
      ["sequence",        16, "number",     0],
    ],
  },
} as const satisfies Record<string, Header>;

export type HeaderKind = keyof typeof HEADERS;
export const HEADER_KINDS = Object.keys(HEADERS) as readonly HeaderKind[];

type Row<K extends HeaderKind> = (typeof HEADERS)[K]["fields"][number];
type Tail<K extends HeaderKind> = (typeof HEADERS)[K] extends { readonly tail: infer T }
  ? T extends OptionSpace
    ? { readonly options: readonly HeaderOption<T>[] }
    : { readonly data: Uint8Array }
  : unknown;

/** All fields of a header by name, and its options or data where it has a variable part. */
export type Fields<K extends HeaderKind> = { readonly [R in Row<K> as R[0]]: FormatValue<R[2]> } & Tail<K>;

/** A header with all its fields, as `dissect` gives it. */
export type HeaderLayer<K extends HeaderKind = HeaderKind> = K extends HeaderKind
  ? { readonly kind: K } & Fields<K>
  : never;

/** A header with some of its fields, as builders take it; the others get their defaults. */
export type HeaderSpec<K extends HeaderKind = HeaderKind> = K extends HeaderKind
  ? { readonly kind: K } & Partial<Fields<K>>
  : never;

/** What no header describes: `payload` belongs to the layer before it, `padding` is behind what that one's length counts. */
export interface BytesLayer {
  readonly kind: "payload" | "padding";
  readonly bytes: Uint8Array;
}

export type Layer = HeaderLayer | BytesLayer;
export type LayerSpec = HeaderSpec | BytesLayer;

/** Bytes of the header without its variable part. */
export function fixedSize(kind: HeaderKind): number {
  return HEADERS[kind].fields.reduce((bits, [, width]) => bits + width, 0) / 8;
}

/** The row of the table, its literal types forgotten. */
export function headerOf(kind: HeaderKind): Header {
  return HEADERS[kind];
}

export function isAuto(or: FieldRow[3]): or is Auto {
  return typeof or === "object";
}
