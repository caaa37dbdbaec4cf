/**
 * Packets for property tests with fast-check: well-formed ones, made from the header table, and mutated ones, which are what
 * an attacker or a broken sender would put on the wire.
 *
 *   fc.assert(fc.property(packets(), (bytes) => { assertNoFault(program.run(bytes)); }));
 *
 * Shrinking goes towards fewer layers, default fields and no payload.
 */
import fc from "fast-check";
import { HEADERS, packet } from "../lib/packet/index.ts";
import type { HeaderKind, HeaderSpec, LayerSpec } from "../lib/packet/index.ts";

export interface PacketOptions {
  /** Transport layers to choose from. Default: all, and ARP. */
  readonly of?: readonly ("tcp" | "udp" | "icmp" | "arp" | "other")[];
  /** IP versions to choose from. Default: both. */
  readonly ip?: readonly ("ipv4" | "ipv6")[];
  /** VLAN tags, options, extension headers, fragments, tunnels. Default: true. */
  readonly unusual?: boolean;
  /** Default 64. */
  readonly maxPayload?: number;
}

const ALL = ["tcp", "udp", "icmp", "arp", "other"] as const;

/** The bytes of a well-formed packet, from its Ethernet header on. */
export function packets(options: PacketOptions = {}): fc.Arbitrary<Uint8Array> {
  return layers(options).map((of) => packet(...of));
}

/** Its layers: what `dissect` gives of it has these fields. */
export function layers(options: PacketOptions = {}): fc.Arbitrary<LayerSpec[]> {
  const { of = ALL, ip = ["ipv4", "ipv6"], unusual = true } = options;
  const contents = fc.constantFrom(...of).chain((kind) => {
    if (kind === "arp") return header("arp").map((arp): LayerSpec[] => [arp]);
    return fc.constantFrom(...ip).chain((family) => datagram(family, kind, options));
  });
  const tags = fc.array(header("vlan"), { maxLength: unusual ? 2 : 0 });
  return fc
    .tuple(header("ethernet"), tags, contents)
    .map(([link, vlans, rest]): LayerSpec[] => [link, ...vlans, ...rest]);
}

/**
 * A packet that is mostly right: a well-formed one with some bits turned, bytes overwritten, cut out or put in, or its end cut
 * off. Long enough for every hook (14 bytes).
 */
export function mutatedPackets(options: PacketOptions = {}): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(packets(options), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([bytes, mutations]) => mutations.reduce((changed, mutate) => mutate(changed), bytes));
}

/** Fields that say what the packet is made of: another value would make it another packet, or a malformed one. */
const STRUCTURE: ReadonlySet<string> = new Set([
  "version",
  "reserved",
  "reservedBits",
  "hardwareType",
  "protocolType",
  "hardwareLength",
  "protocolLength",
  "moreFragments",
  "fragmentOffset",
  "segmentsLeft",
  "type",
]);

/** A header with some of its fields; lengths, checksums and what a packet is made of stay as builders make them. */
export function header<K extends HeaderKind>(kind: K): fc.Arbitrary<HeaderSpec<K>> {
  const rows: readonly (readonly [string, number, string, unknown])[] = HEADERS[kind].fields;
  const free = rows.filter(([name, , , or]) => typeof or !== "object" && !STRUCTURE.has(name));
  const fields = Object.fromEntries(free.map(([name, bits, format]) => [name, value(bits, format)]));
  return fc.record(fields, { requiredKeys: [] }).map((some) => ({ kind, ...some }) as HeaderSpec<K>);
}

function value(bits: number, format: string): fc.Arbitrary<number | boolean | string> {
  switch (format) {
    case "flag":
      return fc.boolean();
    case "mac":
      return fc
        .uint8Array({ minLength: 6, maxLength: 6 })
        .map((bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(":"));
    case "ipv4":
      return fc.ipV4();
    case "ipv6":
      return fc.ipV6();
    case "tcpFlags":
      return fc.oneof(
        fc.constantFrom("S", "SA", "A", "PA", "FA", "R"),
        fc.subarray([..."FSRPAUEC"]).map((l) => l.join("")),
      );
    default:
      return fc.oneof(fc.nat(Math.min(2 ** bits - 1, 0x7fff_ffff)), fc.constantFrom(0, 1, 2 ** bits - 1));
  }
}

function datagram(family: "ipv4" | "ipv6", kind: string, options: PacketOptions): fc.Arbitrary<LayerSpec[]> {
  const { unusual = true, maxPayload = 64 } = options;
  const payload = fc
    .uint8Array({ maxLength: maxPayload })
    .map((bytes): LayerSpec[] => (bytes.length === 0 ? [] : [{ kind: "payload", bytes }]));
  const content = fc.tuple(transport(family, kind, unusual), payload).map(([head, bytes]) => [...head, ...bytes]);
  const plain = fc.tuple(header(family), content).map(([ip, rest]): LayerSpec[] => [ip, ...rest]);
  if (!unusual) return plain;
  const later = fc
    .uint8Array({ minLength: 1, maxLength: Math.max(maxPayload, 1) })
    .map((bytes): LayerSpec[] => [{ kind: "payload", bytes }]);
  const piece = fc.record({
    fragmentOffset: fc.integer({ min: 1, max: 8000 }).map((n) => n * 8),
    moreFragments: fc.boolean(),
  });
  const shapes =
    family === "ipv4"
      ? [
          fc
            .tuple(header("ipv4"), ipv4Options, content)
            .map(([ip, list, rest]): LayerSpec[] => [{ ...ip, options: list }, ...rest]),
          fc
            .tuple(header("ipv4"), piece, later)
            .map(([ip, place, rest]): LayerSpec[] => [{ ...ip, ...place, dontFragment: false }, ...rest]),
          fc.tuple(header("ipv4"), plain).map(([outer, inner]): LayerSpec[] => [outer, ...inner]),
        ]
      : [
          fc
            .tuple(header("ipv6"), extensions, content)
            .map(([ip, between, rest]): LayerSpec[] => [ip, ...between, ...rest]),
          fc
            .tuple(header("ipv6"), header("fragment"), piece, later)
            .map(([ip, cut, place, rest]): LayerSpec[] => [ip, { ...cut, ...place }, ...rest]),
        ];
  return fc.oneof({ arbitrary: plain, weight: 3 }, ...shapes);
}

function transport(family: "ipv4" | "ipv6", kind: string, unusual: boolean): fc.Arbitrary<LayerSpec[]> {
  switch (kind) {
    case "tcp":
      return unusual
        ? fc.tuple(header("tcp"), tcpOptions).map(([tcp, options]): LayerSpec[] => [{ ...tcp, options }])
        : header("tcp").map((tcp): LayerSpec[] => [tcp]);
    case "udp":
      return header("udp").map((udp): LayerSpec[] => [udp]);
    case "icmp":
      return family === "ipv4"
        ? fc.tuple(header("icmp"), fc.constantFrom(0, 8)).map(([icmp, type]): LayerSpec[] => [{ ...icmp, type }])
        : fc.tuple(header("icmpv6"), fc.constantFrom(128, 129)).map(([icmp, type]): LayerSpec[] => [{ ...icmp, type }]);
    default:
      return fc.constant([]);
  }
}

const u32 = fc.nat(0x7fff_ffff);

// Lists of whole words, filled with nops as real stacks do.
const ipv4Options: fc.Arbitrary<NonNullable<HeaderSpec<"ipv4">["options"]>> = fc.constantFrom(
  [],
  [{ kind: "routerAlert", value: 0 }],
  [{ kind: "nop" }, { kind: "recordRoute", pointer: 4, addresses: [0, 0] }],
);

const tcpOptions: fc.Arbitrary<NonNullable<HeaderSpec<"tcp">["options"]>> = fc.oneof(
  fc.constant([]),
  fc.nat(0xffff).map((mss) => [{ kind: "mss", value: mss }] as const),
  fc
    .tuple(u32, u32)
    .map(([sent, echo]) => [{ kind: "nop" }, { kind: "nop" }, { kind: "timestamps", value: sent, echo }] as const),
  fc
    .tuple(fc.nat(0xffff), fc.nat(14))
    .map(
      ([mss, shift]) =>
        [
          { kind: "mss", value: mss },
          { kind: "nop" },
          { kind: "windowScale", shift },
          { kind: "nop" },
          { kind: "nop" },
          { kind: "sackPermitted" },
        ] as const,
    ),
  fc
    .array(u32, { minLength: 2, maxLength: 2 })
    .map((edges) => [{ kind: "nop" }, { kind: "nop" }, { kind: "sack", edges }] as const),
);

/** In the order that RFC 8200 recommends. */
const extensions: fc.Arbitrary<LayerSpec[]> = fc
  .tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean())
  .map(([hop, route, auth, destination]): LayerSpec[] => [
    ...(hop
      ? [
          {
            kind: "hopByHop" as const,
            options: [{ kind: "routerAlert" as const, value: 0 }, { kind: "pad1" as const }, { kind: "pad1" as const }],
          },
        ]
      : []),
    ...(route ? [{ kind: "routing" as const, data: new Uint8Array(4) }] : []),
    ...(auth ? [{ kind: "authentication" as const, data: new Uint8Array(12) }] : []),
    ...(destination
      ? [{ kind: "destinationOptions" as const, options: Array.from({ length: 6 }, () => ({ kind: "pad1" as const })) }]
      : []),
  ]);

type Mutate = (bytes: Uint8Array) => Uint8Array;

const SHORTEST = 14;
const place = (bytes: Uint8Array, n: number): number => (bytes.length === 0 ? 0 : n % bytes.length);
const position = fc.nat(0xffff);
const piece = fc.uint8Array({ minLength: 1, maxLength: 8 });
const splice = (bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array =>
  Uint8Array.of(...bytes.subarray(0, at), ...put, ...bytes.subarray(at + removed));

const mutation: fc.Arbitrary<Mutate> = fc.oneof(
  // Headers are where programs look: half of the bits that turn are in the first 64 bytes.
  fc.tuple(position, fc.nat(7), fc.boolean()).map(([n, bit, near]): Mutate => (bytes) => {
    const at = place(near ? bytes.subarray(0, 64) : bytes, n);
    return splice(bytes, at, 1, Uint8Array.of((bytes[at] ?? 0) ^ (1 << bit)));
  }),
  fc.tuple(position, piece).map(
    ([n, put]): Mutate =>
      (bytes) =>
        splice(bytes, place(bytes, n), put.length, put),
  ),
  fc.tuple(position, piece).map(
    ([n, put]): Mutate =>
      (bytes) =>
        splice(bytes, place(bytes, n), 0, put),
  ),
  fc.tuple(position, fc.nat(8)).map(
    ([n, removed]): Mutate =>
      (bytes) =>
        grow(splice(bytes, place(bytes, n), removed, new Uint8Array(0))),
  ),
  position.map(
    (n): Mutate =>
      (bytes) =>
        bytes.slice(0, Math.max(place(bytes, n), SHORTEST)),
  ),
);

function grow(bytes: Uint8Array): Uint8Array {
  return bytes.length >= SHORTEST ? bytes : splice(new Uint8Array(SHORTEST), 0, bytes.length, bytes);
}
