/**
 * Builders, dissector, comparison and printing. Known packets are spelled out in hexadecimal from the RFCs; random ones are
 * dissected again, and their checksums are added up by a calculation of this file's own.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  HEADER_KINDS,
  arp,
  checksum,
  comparePacket,
  dissect,
  ethernet,
  formatPacket,
  fragment,
  fragments,
  hopByHop,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  packet,
  padding,
  parseHex,
  payload,
  routing,
  tcp,
  udp,
  vlan,
} from "../../../lib/packet/index.ts";
import * as packetModule from "../../../lib/packet/index.ts";
import type { LayerSpec } from "../../../lib/packet/index.ts";
import { layers, mutatedPackets, packets } from "../../../testing/arbitraries.ts";
import { codeOf } from "./code-of.ts";

const ETHERNET = "020000000002 020000000001";

// prettier-ignore
const KNOWN: readonly [name: string, bytes: Uint8Array, hex: string][] = [
  ["ARP request", packet.arp({ targetIp: "10.0.0.9" }),
    "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000009"],
  // The example of RFC 1071's family of texts: 172.16.10.99 to 172.16.10.12, checksum b1e6.
  ["IPv4 with a known checksum", packet(ethernet(), ipv4({ length: 60, id: 0x1c46, dontFragment: true, protocol: 6, saddr: "172.16.10.99", daddr: "172.16.10.12" })),
    `${ETHERNET} 0800 4500 003c 1c46 4000 4006 b1e6 ac100a63 ac100a0c`],
  ["QinQ", packet(ethernet(), vlan({ id: 100, priority: 5 }), vlan({ id: 200, dropEligible: true }), payload("x")),
    `${ETHERNET} 88a8 a064 8100 10c8 88b5 78`],
  ["UDP without a checksum, a field that lies", packet(ethernet(), ipv4({ ttl: 1, checksum: 0 }), udp({ sport: 1, dport: 2, checksum: 0, length: 9 }), "hi"),
    `${ETHERNET} 0800 4500 001e 0000 0000 0111 0000 0a000001 0a000002 0001 0002 0009 0000 6869`],
  ["IPv4 with options", packet(ethernet(), ipv4({ checksum: 0, options: [{ kind: "routerAlert", value: 0 }, { kind: "nop" }] })),
    `${ETHERNET} 0800 4700 001c 0000 0000 40fd 0000 0a000001 0a000002 94040000 01000000`],
  ["a fragment behind a hop-by-hop header", packet(ethernet(), ipv6({ saddr: "::1", daddr: "::2" }), hopByHop(), fragment({ nextHeader: 17, fragmentOffset: 8, id: 7 }), "rest"),
    `${ETHERNET} 86dd 60000000 0014 00 40 ${"00".repeat(15)}01 ${"00".repeat(15)}02 2c00 000000000000 1100 0008 00000007 72657374`],
  ["TCP with options", packet(tcp({ sport: 1, dport: 2, seq: 3, ack: 4, flags: "SA", window: 5, checksum: 6, urgent: 7, options: [{ kind: "mss", value: 1460 }, { kind: "sackPermitted" }, { kind: "nop" }, { kind: "windowScale", shift: 7 }] })),
    "0001 0002 00000003 00000004 8012 0005 0006 0007 020405b4 0402 01 030307 0000"],
  ["ICMP unreachable about a packet", packet(icmp({ type: 3, code: 1, checksum: 0 }), ipv4({ checksum: 0 }), udp({ sport: 1, dport: 2, checksum: 0 })),
    "0301 0000 0000 0000 4500 001c 0000 0000 4011 0000 0a000001 0a000002 0001 0002 0008 0000"],
  ["padding is nobody's", packet(ethernet(), ipv4({ checksum: 0 }), udp({ checksum: 0, sport: 1, dport: 2 }), "a", padding(3)),
    `${ETHERNET} 0800 4500 001d 0000 0000 4011 0000 0a000001 0a000002 0001 0002 0009 0000 61 000000`],
  ["padding of a short ARP frame", packet(arp({ operation: 2 }), padding(2)),
    "0001 0800 06 04 0002 020000000001 0a000001 000000000000 0a000002 0000"],
];

describe("builders", () => {
  test.each(KNOWN)("%s", (_name, bytes, hex) => {
    expect(bytes).toEqual(parseHex(hex));
  });

  test("each header of the table has one", () => {
    for (const kind of HEADER_KINDS) {
      const build = (packetModule as unknown as Record<string, () => LayerSpec>)[kind];
      expect(build?.()).toEqual({ kind });
    }
  });

  // prettier-ignore
  test.each<[string, Uint8Array, readonly LayerSpec[]]>([
    ["tcp", packet.tcp({ src: "10.0.0.1", dst: "10.0.0.2:80", flags: "SA" }), [ethernet(), ipv4({ saddr: "10.0.0.1", daddr: "10.0.0.2" }), tcp({ dport: 80, flags: "SA" })]],
    ["IPv6", packet.tcp({ src: "[fd00::9]:5", dst: "fd00:0::8", ip: { hopLimit: 3 } }), [ipv6({ saddr: "fd00::9", daddr: "fd00::8", hopLimit: 3 }), tcp({ sport: 5 })]],
    ["udp", packet.udp({ src: "10.0.0.1:5", vlan: [2, 3], payload: "abc", ethernet: { src: "02:00:00:00:00:07" } }), [ethernet({ src: "02:00:00:00:00:07" }), vlan({ id: 2 }), vlan({ id: 3 }), udp({ sport: 5 }), payload("abc")]],
    ["icmp", packet.icmp({ id: 9, payload: Uint8Array.of(1) }), [ipv4(), icmp({ type: 8, id: 9 })]],
    ["icmpv6", packet.icmp({ dst: "fd00::2", sequence: 4 }), [ipv6(), icmpv6({ type: 128, sequence: 4 })]],
    ["arp", packet.arp({ operation: 2, senderMac: "02:00:00:00:00:05" }), [arp({ operation: 2, senderMac: "02:00:00:00:00:05" })]],
  ])("the short form %s", (_name, bytes, expected) => {
    expect(comparePacket(bytes, expected)).toEqual([]);
  });

  // prettier-ignore
  test.each<[string, () => unknown, string]>([
    ["no address",                () => packet.tcp({ src: "10.0.0" }),                            "K011"],
    ["a port that is none",       () => packet.tcp({ src: "10.0.0.1:65536" }),                    "K011"],
    ["two families",              () => packet.tcp({ src: "10.0.0.1", dst: "fd00::1" }),          "K011"],
    ["a value too large",         () => packet(vlan({ id: 4096 })),                               "K012"],
    ["a negative value",          () => packet(tcp({ sport: -1 })),                               "K012"],
    ["flags that are none",       () => packet(tcp({ flags: "SX" })),                             "K012"],
    ["an address that is none",   () => packet(ipv4({ saddr: "10.0.0.256" })),                    "K012"],
    ["an offset between units",   () => packet(ipv4({ fragmentOffset: 12 })),                     "K012"],
    ["an option's value",         () => packet(tcp({ options: [{ kind: "mss", value: 65536 }] })), "K012"],
    ["an option of nobody",       () => packet(tcp({ options: [{ kind: "mms" } as never] })),     "K012"],
    ["a field of nobody",         () => packet(tcp({ dsport: 1 } as never)),                      "K013"],
    ["fragments of ARP",          () => fragments(packet.arp(), 8),                               "K014"],
    ["fragments of 9 bytes",      () => fragments(packet.tcp(), 9),                               "K014"],
  ])("refuse %s", (_name, build, code) => {
    expect(codeOf(build)).toBe(code);
  });
});

describe("dissect", () => {
  test("every field is a plain value", () => {
    const bytes = packet.tcp({
      src: "10.0.0.1:5",
      dst: "10.0.0.2:80",
      flags: "AS",
      options: [{ kind: "mss", value: 9 }],
      payload: "x",
    });
    expect(dissect(bytes)).toEqual([
      { kind: "ethernet", dst: "02:00:00:00:00:02", src: "02:00:00:00:00:01", type: 0x800 },
      {
        ...{ kind: "ipv4", version: 4, headerLength: 20, dscp: 0, ecn: 0, length: 45, id: 0, reserved: false },
        ...{ dontFragment: false, moreFragments: false, fragmentOffset: 0, ttl: 64, protocol: 6, checksum: 0x66c9 },
        ...{ saddr: "10.0.0.1", daddr: "10.0.0.2", options: [] },
      },
      {
        ...{
          kind: "tcp",
          sport: 5,
          dport: 80,
          seq: 0,
          ack: 0,
          headerLength: 24,
          reserved: 0,
          flags: "SA",
          window: 65535,
        },
        ...{ checksum: expect.any(Number) as number, urgent: 0, options: [{ kind: "mss", value: 9 }] },
      },
      { kind: "payload", bytes: Uint8Array.of(0x78) },
    ]);
  });

  test("what is built is found again", () => {
    fc.assert(
      fc.property(layers(), (built) => {
        const bytes = packet(...built);
        expect(dissect(bytes).map((l) => l.kind)).toEqual(built.map((l) => l.kind));
        expect(comparePacket(bytes, built)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes are the same after taking them apart and putting them together", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array(), packets(), mutatedPackets()),
        fc.constantFrom("ethernet", "ip"),
        (bytes, start) => {
          expect(packet(...dissect(bytes, start))).toEqual(bytes);
          expect(formatPacket(bytes, start)).not.toBe("");
        },
      ),
      { numRuns: 1500 },
    );
  });
});

// ---- checksums, added up another way: modulo 65535, over offsets read by hand

/** 0 when the one's complement sum of all 16-bit words is zero: RFC 1071's test of a received packet. */
function residue(...parts: readonly Uint8Array[]): number {
  const hex = parts
    .map((p) => [...p, ...(p.length % 2 === 0 ? [] : [0])].map((b) => b.toString(16).padStart(2, "0")).join(""))
    .join("");
  return hex === "" ? 0 : Number(BigInt(`0x${hex}`) % 65_535n);
}

test("checksums of random packets are right", () => {
  let checked = 0;
  fc.assert(
    fc.property(packets({ unusual: false, of: ["tcp", "udp", "icmp"] }), (bytes) => {
      const ip = bytes.subarray(14);
      const v4 = ip[0] === 0x45;
      if (v4) expect(residue(ip.subarray(0, 20))).toBe(0);
      const addresses = v4 ? ip.subarray(12, 20) : ip.subarray(8, 40);
      const message = ip.subarray(v4 ? 20 : 40);
      const protocol = (v4 ? ip[9] : ip[6]) ?? 0;
      const pseudo = Uint8Array.of(0, protocol, message.length >> 8, message.length & 255);
      expect(residue(message, ...(protocol === 1 ? [] : [addresses, pseudo]))).toBe(0);
      if (protocol === 17) expect([message[6], message[7]]).not.toEqual([0, 0]);
      checked++;
    }),
    { numRuns: 300 },
  );
  expect(checked).toBeGreaterThan(200);
});

test("behind a routing header, the checksum is that of the final destination", () => {
  const address = (last: number): Uint8Array => Uint8Array.of(0xfd, ...Array.from({ length: 14 }, () => 0), last);
  const [first, final] = [address(7), address(9)];
  const lists = [
    { type: 4, data: Uint8Array.of(1, 0, 0, 0, ...final, ...first) },
    { type: 0, data: Uint8Array.of(0, 0, 0, 0, ...first, ...final) },
  ];
  const direct = udpChecksum(packet(ipv6({ daddr: "fd00::9" }), udp(), "x"));
  for (const list of lists) {
    expect(udpChecksum(packet(ipv6({ daddr: "fd00::7" }), routing({ ...list, segmentsLeft: 1 }), udp(), "x"))).toBe(
      direct,
    );
    // There already.
    expect(udpChecksum(packet(ipv6({ daddr: "fd00::9" }), routing({ ...list, segmentsLeft: 0 }), udp(), "x"))).toBe(
      direct,
    );
  }
});

function udpChecksum(bytes: Uint8Array): number | undefined {
  return dissect(bytes, "ip").find((l) => l.kind === "udp")?.checksum;
}

test("the checksum of a range that has a right one is 0", () => {
  expect(checksum(parseHex("4500003c1c4640004006 b1e6 ac100a63ac100a0c"))).toBe(0);
  expect(checksum(Uint8Array.of(1), Uint8Array.of(2))).toBe(~0x0300 & 0xffff);
});

describe("fragments", () => {
  test.each([
    ["IPv4", packet.udp({ payload: "x".repeat(50), ip: { id: 77, ttl: 9 } })],
    ["IPv6", packet.udp({ dst: "fd00::7", payload: "x".repeat(50) })],
  ])("of %s", (_name, whole) => {
    const pieces = fragments(whole, 16, 77).map((bytes) => dissect(bytes));
    const ends = pieces.map((p) => p.find((l) => l.kind === "fragment") ?? p.find((l) => l.kind === "ipv4"));
    expect(ends.map((l) => [l?.fragmentOffset, l?.moreFragments, l?.id])).toEqual([
      [0, true, 77],
      [16, true, 77],
      [32, true, 77],
      [48, false, 77],
    ]);
    const [first, ...later] = pieces.map((p) => p.filter((l) => l.kind === "udp" || l.kind === "payload"));
    expect(first?.map((l) => l.kind)).toEqual(["udp", "payload"]);
    // Put together again, they are what was cut.
    const content = packet(...(first ?? []), ...later.flat().map((l) => (l.kind === "payload" ? l.bytes : "")));
    expect(content).toEqual(whole.subarray(whole.length - 58));
    expect(formatPacket(fragments(whole, 16)[0] ?? whole)).not.toContain("right");
  });
});

describe("comparePacket", () => {
  const actual = packet.tcp({ dst: "10.0.0.9:80", vlan: 5, payload: "hello" });
  // prettier-ignore
  test.each<[string, Uint8Array | readonly LayerSpec[], string[]]>([
    ["the same bytes",        actual,                                                     []],
    ["some fields",           [vlan({ id: 5 }), tcp({ dport: 80 })],                      []],
    ["another spelling",      [ethernet({ src: "02:00:00:00:00:01" }), tcp({ flags: "S" })], []],
    ["another field",         [ipv4({ daddr: "10.0.0.8", ttl: 64 }), tcp({ flags: "SA" })], ["IPv4 daddr: expected 10.0.0.8, found 10.0.0.9", "TCP flags: expected SA, found S"]],
    ["another layer",         [udp()],                                                    ["layers: expected udp, found ethernet, vlan, ipv4, tcp, payload"]],
    ["another order",         [tcp(), ipv4()],                                            ["layers: expected tcp, ipv4, found ethernet, vlan, ipv4, tcp, payload"]],
    ["another payload",       [payload("hallo")],                                         ["payload: expected 68616c6c6f, found 68656c6c6f"]],
    ["options",               [tcp({ options: [{ kind: "nop" }] })],                      ['TCP options: expected [{"kind":"nop"}], found []']],
    ["bytes of the same layers", packet.tcp({ dst: "10.0.0.9:80", vlan: 6, payload: "hello" }), ["VLAN id: expected 6, found 5"]],
  ])("%s", (_name, expected, differences) => {
    const found = comparePacket(actual, expected);
    expect(found.map((d) => `${d.what}: expected ${d.expected}, found ${d.found}`)).toEqual(differences);
  });
});

// prettier-ignore
const PRINTED: readonly [string, Uint8Array, string][] = [
  ["what a builder makes", packet.tcp({ dst: "10.0.0.9:80", payload: "GET /" }), `
Ethernet dst 02:00:00:00:00:02, src 02:00:00:00:00:01
IPv4 saddr 10.0.0.1, daddr 10.0.0.9
TCP sport 40000, dport 80, flags S
payload 5 bytes "GET /"`],
  ["what is not so", packet(ethernet({ type: 0x1234 }), vlan({ priority: 3, id: 7 }), ipv4({ ttl: 1, checksum: 0, length: 99, dontFragment: true }), udp({ checksum: 1 }), Uint8Array.of(0, 1)), `
Ethernet dst 02:00:00:00:00:02, src 02:00:00:00:00:01, type 0x1234
payload 34 bytes 600708004500006300004000011100000a0000010a0000029c400035000a0001…`],
  ["wrong lengths and sums", packet(ethernet(), vlan({ priority: 3, id: 7 }), ipv4({ ttl: 1, checksum: 0, length: 99 }), udp({ checksum: 1 }), Uint8Array.of(0, 1)), `
Ethernet dst 02:00:00:00:00:02, src 02:00:00:00:00:01
VLAN priority 3, id 7
IPv4 length 99 (right: 30), ttl 1, checksum 0x0 (right: 0xa588), saddr 10.0.0.1, daddr 10.0.0.2
UDP sport 40000, dport 53, checksum 0x1 (right: 0x4f61)
payload 2 bytes 0001`],
  ["nothing", new Uint8Array(0), "no bytes"],
];

test.each(PRINTED)("printing %s", (_name, bytes, text) => {
  expect(formatPacket(bytes)).toBe(text.trim());
});
