/** programs/mesh: the authority over a pod's traffic (to_pod and from_pod), packet by packet. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  arp, authentication, destinationOptions, dissect, ethernet, fragment, fragments, hopByHop, icmp, icmpv6, ipv4, ipv6, packet, padding,
  payload, routing, tcp, udp, vlan,
} from "../../testing/index.ts"; // prettier-ignore
import type { LoadOptions } from "../../testing/index.ts";
import { describeProgram } from "./example.ts";
import {
  ALLOW, DENY, EGRESS, FLAG, ICMP_TYPE, INGRESS, KIND, Node, PROTOCOLS, REASON, REDIRECT, flowKey, words,
} from "./mesh.ts"; // prettier-ignore
import type { Judges } from "./mesh.ts";

/** The pod is 10.0.0.2 and fd00::2. The friend may do something, the foe nothing, everybody else is a stranger. */
const FRIEND = 2000;
const FOE = 3000;
const POD = "10.0.0.2";
const { tcp: TCP, udp: UDP, sctp: SCTP, icmp: ICMP, icmpv6: ICMPV6 } = PROTOCOLS;

// prettier-ignore
const POLICY: readonly Judges[] = [
  { identity: 0, direction: INGRESS, says: [DENY, 0] },
  { identity: FOE, direction: INGRESS, says: [DENY, 90], ports: [{ protocol: TCP, port: 80, says: [ALLOW, 91] }] },
  { identity: FRIEND, direction: INGRESS, says: [DENY, 0], ports: [
    { protocol: TCP, port: 80, says: [ALLOW, 10] },
    { protocol: TCP, port: 81, says: [DENY, 11] },
    { protocol: TCP, port: 8000, bits: 13, says: [ALLOW, 12] },
    { protocol: TCP, port: 8001, says: [REDIRECT, 13, 5] },
    { protocol: UDP, port: 0, bits: 0, says: [ALLOW, 14] },
    { protocol: UDP, port: 54, says: [DENY, 15] },
    { protocol: UDP, port: 99, says: [REDIRECT, 24, 5] },
    { protocol: SCTP, port: 7, says: [ALLOW, 16] },
    { protocol: ICMP, port: ICMP_TYPE | 8, says: [ALLOW, 17] },
    { protocol: ICMPV6, port: ICMP_TYPE | 128, says: [ALLOW, 18] },
    { protocol: ICMP, port: ICMP_TYPE | 3, says: [DENY, 19] },
    { protocol: ICMP, port: ICMP_TYPE | 13, says: [ALLOW, 25] },
  ] },
  { identity: 1, direction: INGRESS, says: [DENY, 0], ports: [
    { protocol: TCP, port: 83, says: [DENY, 26] },
    { protocol: TCP, port: 84, says: [REDIRECT, 27, 8] },
  ] },
  { identity: 2, direction: INGRESS, says: [ALLOW, 20] },
  { identity: 4000, direction: INGRESS, says: [REDIRECT, 21, 6] },
  { identity: 5000, direction: INGRESS, says: [DENY, 22], ports: [{ protocol: UDP, port: 1024, bits: 6, says: [ALLOW, 23] }] },
  { identity: 0, direction: EGRESS, says: [DENY, 0] },
  { identity: FRIEND, direction: EGRESS, says: [DENY, 0], ports: [
    { protocol: TCP, port: 443, says: [ALLOW, 30] },
    { protocol: TCP, port: 8080, says: [REDIRECT, 31, 7] },
    { protocol: UDP, port: 53, says: [ALLOW, 32] },
    { protocol: UDP, port: 54, says: [REDIRECT, 34, 7] },
    { protocol: ICMP, port: ICMP_TYPE | 8, says: [ALLOW, 33] },
  ] },
];

function fill(node: Node): Node {
  node.endpoint();
  node.policy(1, POLICY);
  for (const address of ["10.0.0.3", "fd00::3"]) node.host(address, FRIEND);
  node.host("10.0.0.4", FOE);
  node.host("10.0.0.1", 1, { flags: FLAG.local });
  node.host("10.0.0.5", 0xffffffff);
  node.host("10.0.0.6", 0);
  node.host("10.0.0.7", 4000);
  node.host("10.0.0.8", 5000);
  node.prefix("192.0.2.0/24", FRIEND);
  node.prefix("192.0.2.128/25", FOE);
  node.prefix("2001:db8::/32", FRIEND);
  return node;
}

type Expected = "pass" | readonly [reason: number, rule: number];
type Case = readonly [name: string, expected: Expected, bytes: Uint8Array];

const denied: Expected = [REASON.policyDenied, 0];
const from = (src: string, dst: string, flags = "S"): Uint8Array => packet.tcp({ src, dst, flags });
const echo = (src: string, dst: string, type = 8, id = 7): Uint8Array => packet.icmp({ src, dst, type, id });
/** An ICMP error about a packet. */
const about = (bytes: Uint8Array, from: string, to: string, type: number, size = 28): Uint8Array =>
  packet(ethernet(), ipv4({ saddr: from, daddr: to }), icmp({ type, code: 1 }), payload(bytes.slice(14, 14 + size)));
const about6 = (bytes: Uint8Array, from: string, to: string, type: number): Uint8Array =>
  packet(ethernet(), ipv6({ saddr: from, daddr: to }), icmpv6({ type, code: 1 }), payload(bytes.slice(14, 70)));
const v6 = (src = "fd00::3", dst = "fd00::2"): ReturnType<typeof ipv6> => ipv6({ saddr: src, daddr: dst });
/** What `proxied` says of a connection of the waypoint's own. */
const PROXIED = {
  ...{ time: 0n, originalHi: 0n, originalLo: 0n, originalPort: 0, l7: 7 },
  ...{ identity: FRIEND, endpoint: 1, rule: 31, direction: 1, reserved: 0 },
};
const syn80 = tcp({ dport: 80, flags: "S" });
const options8 = destinationOptions();

// prettier-ignore
const TO_POD: readonly Case[] = [
  // Ports.
  ["a port that a rule allows",              "pass",              from("10.0.0.3", "10.0.0.2:80")],
  ["a port that a rule denies",              [REASON.policyDeny, 11], from("10.0.0.3", "10.0.0.2:81")],
  ["a port of no rule",                      denied,              from("10.0.0.3", "10.0.0.2:82")],
  ["the first port of a range",              "pass",              from("10.0.0.3", "10.0.0.2:8000")],
  ["the last",                               "pass",              from("10.0.0.3", "10.0.0.2:8007")],
  ["the next",                               denied,              from("10.0.0.3", "10.0.0.2:8008")],
  ["a port within a range that has its own", [REASON.waypointDown, 13], from("10.0.0.3", "10.0.0.2:8001")],
  ["any port of UDP",                        "pass",              packet.udp({ src: "10.0.0.3", dst: "10.0.0.2:4000" })],
  ["UDP port 0",                             "pass",              packet.udp({ src: "10.0.0.3", dst: "10.0.0.2:0" })],
  ["one port of UDP",                        [REASON.policyDeny, 15], packet.udp({ src: "10.0.0.3", dst: "10.0.0.2:54" })],
  ["HTTP rules for UDP",                     [REASON.waypointDown, 24], packet.udp({ src: "10.0.0.3", dst: "10.0.0.2:99" })],
  ["SCTP",                                   "pass",              packet(ethernet(), ipv4({ saddr: "10.0.0.3", protocol: SCTP }), payload(new Uint8Array([0, 9, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0])))],
  ["SCTP, another port",                     denied,              packet(ethernet(), ipv4({ saddr: "10.0.0.3", protocol: SCTP }), payload(new Uint8Array([0, 9, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0])))],
  ["echo request",                           "pass",              echo("10.0.0.3", POD)],
  ["echo reply to nothing",                  denied,              echo("10.0.0.3", POD, 0)],
  ["another ICMP type",                      "pass",              echo("10.0.0.3", POD, 13)],
  ["ICMP of a type that asks nothing",       denied,              echo("10.0.0.3", POD, 30)],
  ["an ICMPv6 echo request",                 "pass",              packet(ethernet(), v6(), icmpv6({ type: 128, id: 7 }))],
  ["an ICMPv6 echo reply",                   denied,              packet(ethernet(), v6(), icmpv6({ type: 129, id: 7 }))],
  ["ICMPv6 in IPv4 is just a protocol",      denied,              packet(ethernet(), ipv4({ saddr: "10.0.0.3", protocol: ICMPV6 }), payload(new Uint8Array([128, 0, 0, 0, 0, 0, 0, 0])))],
  ["another protocol",                       denied,              packet(ethernet(), ipv4({ saddr: "10.0.0.3", protocol: 47 }), payload("gre"))],
  ["another protocol where L3 is allowed",   "pass",              packet(ethernet(), ipv4({ saddr: "198.51.100.1", protocol: 47 }), payload("gre"))],
  // Who.
  ["a stranger is the world",                "pass",              from("198.51.100.1", "10.0.0.2:9")],
  ["a known address without an identity too", "pass",             from("10.0.0.6", "10.0.0.2:9")],
  ["a denied identity",                      [REASON.policyDeny, 90], from("10.0.0.4", "10.0.0.2:9")],
  ["and a port of it that is allowed",       "pass",              from("10.0.0.4", "10.0.0.2:80")],
  ["a prefix",                               "pass",              from("192.0.2.1", "10.0.0.2:80")],
  ["a longer prefix in it",                  [REASON.policyDeny, 90], from("192.0.2.129", "10.0.0.2:81")],
  ["an IPv6 prefix",                         "pass",              packet.tcp({ src: "2001:db8::1", dst: "[fd00::2]:80", flags: "S" })],
  ["an IPv6 address",                        denied,              packet.tcp({ src: "fd00::3", dst: "[fd00::2]:82", flags: "S" })],
  ["this node",                              "pass",              from("10.0.0.1", "10.0.0.2:82")],
  ["this node past HTTP rules",              "pass",              from("10.0.0.1", "10.0.0.2:84")],
  ["this node, denied by a rule",            [REASON.policyDeny, 26], from("10.0.0.1", "10.0.0.2:83")],
  ["a table of ranges only",                 "pass",              packet.udp({ src: "10.0.0.8", dst: "10.0.0.2:2047" })],
  ["beside the range",                       [REASON.policyDeny, 22], packet.udp({ src: "10.0.0.8", dst: "10.0.0.2:2048" })],
  ["what did not fit, where the world is allowed", denied,        from("10.0.0.5", "10.0.0.2:9")],
  ["L3 says: to the waypoint",               [REASON.waypointDown, 21], from("10.0.0.7", "10.0.0.2:9")],
  // Headers.
  ["IPv4 options",                           "pass",              packet(ethernet(), ipv4({ saddr: "10.0.0.3", options: [{ kind: "routerAlert", value: 0 }] }), syn80)],
  ["IPv6 extension headers",                 "pass",              packet(ethernet(), v6(), hopByHop(), options8, routing(), authentication(), syn80)],
  ["as many as can be",                      "pass",              packet(ethernet(), v6(), options8, options8, options8, options8, options8, options8, syn80)],
  ["one more",                               [REASON.invalidExtension, 0], packet(ethernet(), v6(), options8, options8, options8, options8, options8, options8, options8, syn80)],
  ["a low IPv6 address",                     "pass",              packet(ethernet(), v6("fd00::3", "::1"), syn80)],
  ["ICMPv6 of type 0",                       denied,              packet(ethernet(), v6(), icmpv6({ type: 0 }))],
  ["too many hop-by-hop options",            [REASON.invalidExtension, 0], packet(ethernet(), v6(), options8, options8, options8, options8, options8, options8, hopByHop(), syn80)],
  ["too many routing headers",               [REASON.invalidExtension, 0], packet(ethernet(), v6(), options8, options8, options8, options8, options8, options8, routing(), syn80)],
  ["authentication last: a protocol",        denied,              packet(ethernet(), v6(), options8, options8, options8, options8, options8, options8, authentication(), syn80)],
  ["a route that goes on",                   [REASON.invalidExtension, 0], packet(ethernet(), v6(), routing({ segmentsLeft: 1 }), syn80)],
  ["a whole packet with a fragment header",  "pass",              packet(ethernet(), v6(), fragment(), syn80)],
  ["a VLAN tag",                             [REASON.unsupportedL3, 0], packet(ethernet(), vlan(), ipv4({ saddr: "10.0.0.3" }), syn80)],
  ["another EtherType",                      [REASON.unsupportedL3, 0], packet(ethernet({ type: 0x88cc }), payload("lldp"), padding(40))],
  ["IPv4 of version 5",                      [REASON.invalidPacket, 0], packet(ethernet(), ipv4({ version: 5 }), syn80)],
  ["a header of 16 bytes",                   [REASON.invalidPacket, 0], packet(ethernet(), ipv4({ headerLength: 16 }), syn80)],
  ["IPv6 of version 5",                      [REASON.invalidPacket, 0], packet(ethernet(), ipv6({ version: 5 }), syn80)],
  ["from an IPv4 address in IPv6",           [REASON.invalidPacket, 0], packet(ethernet(), v6("::ffff:10.0.0.3"), syn80)],
  ["to an IPv4 address in IPv6",             [REASON.invalidPacket, 0], packet(ethernet(), v6("fd00::3", "::ffff:10.0.0.2"), syn80)],
  ["TCP cut short",                          [REASON.invalidPacket, 0], packet(ethernet(), ipv4({ protocol: TCP }), payload("0123456789"))],
  ["UDP cut short",                          [REASON.invalidPacket, 0], packet(ethernet(), ipv4({ protocol: UDP }), payload("0123"))],
  ["ICMP cut short",                         [REASON.invalidPacket, 0], packet(ethernet(), ipv4({ protocol: ICMP }), payload("0123"))],
  ["an extension header cut short",          [REASON.invalidPacket, 0], packet(ethernet(), ipv6({ nextHeader: 60 }), payload("01"))],
  ["a fragment header cut short",            [REASON.invalidPacket, 0], packet(ethernet(), ipv6({ nextHeader: 44 }), payload("0123"))],
  // The link.
  ["ARP",                                    "pass",              packet(ethernet(), arp(), padding(18))],
  ["a neighbour solicitation",               "pass",              packet(ethernet(), ipv6({ saddr: "fe80::1", hopLimit: 255 }), icmpv6({ type: 135 }))],
  ["a neighbour advertisement",              "pass",              packet(ethernet(), ipv6({ saddr: "fe80::1", hopLimit: 255 }), icmpv6({ type: 136 }))],
  ["a router advertisement",                 "pass",              packet(ethernet(), ipv6({ saddr: "fe80::1", hopLimit: 255 }), icmpv6({ type: 134 }))],
  ["a multicast query",                      "pass",              packet(ethernet(), ipv6({ saddr: "fe80::1", hopLimit: 1 }), icmpv6({ type: 130 }))],
  ["a solicitation from further away",       denied,              packet(ethernet(), v6(), icmpv6({ type: 135 }))],
  ["a redirect",                             denied,              packet(ethernet(), ipv6({ saddr: "fd00::3", hopLimit: 255 }), icmpv6({ type: 137 }))],
  ["a multicast report",                     denied,              packet(ethernet(), ipv6({ saddr: "fd00::3", hopLimit: 1 }), icmpv6({ type: 143 }))],
  // Itself.
  ["from its own address, and not from it",  [REASON.invalidSource, 0], from("10.0.0.2", "10.0.0.2:80")],
];

// prettier-ignore
const FROM_POD: readonly Case[] = [
  ["a port that a rule allows",              "pass",              from("10.0.0.2", "10.0.0.3:443")],
  ["a port of no rule",                      denied,              from("10.0.0.2", "10.0.0.3:444")],
  ["HTTP rules, but not through the waypoint", [REASON.waypointDown, 31], from("10.0.0.2", "10.0.0.3:8080")],
  ["UDP",                                    "pass",              packet.udp({ src: "10.0.0.2", dst: "10.0.0.3:53" })],
  ["the node is not allowed by itself",      denied,              from("10.0.0.2", "10.0.0.1:80")],
  ["another's IPv4 address",                 [REASON.invalidSource, 0], from("10.0.0.3", "10.0.0.4:443")],
  ["another's IPv6 address",                 [REASON.invalidSource, 0], packet.tcp({ src: "fd00::3", dst: "[fd00::4]:443", flags: "S" })],
  ["half of its IPv6 address",               [REASON.invalidSource, 0], packet.tcp({ src: "fd00::9", dst: "[fd00::4]:443", flags: "S" })],
  ["another's network",                      [REASON.invalidSource, 0], packet.tcp({ src: "fd01::2", dst: "[fd00::4]:443", flags: "S" })],
  ["to itself",                              "pass",              from("10.0.0.2", "10.0.0.2:9")],
  ["ARP",                                    "pass",              packet(ethernet(), arp(), padding(18))],
  ["a neighbour solicitation",               "pass",              packet(ethernet(), ipv6({ saddr: "::", hopLimit: 255 }), icmpv6({ type: 135 }))],
  ["a router solicitation",                  "pass",              packet(ethernet(), ipv6({ saddr: "fe80::2", hopLimit: 255 }), icmpv6({ type: 133 }))],
  ["a multicast report",                     "pass",              packet(ethernet(), ipv6({ saddr: "fe80::2", hopLimit: 1 }), hopByHop(), icmpv6({ type: 143 }))],
  ["an old multicast report",                "pass",              packet(ethernet(), ipv6({ saddr: "fe80::2", hopLimit: 1 }), icmpv6({ type: 131 }))],
  ["an old multicast farewell",              "pass",              packet(ethernet(), ipv6({ saddr: "fe80::2", hopLimit: 1 }), icmpv6({ type: 132 }))],
  ["a router advertisement",                 [REASON.invalidSource, 0], packet(ethernet(), ipv6({ saddr: "fe80::2", hopLimit: 255 }), icmpv6({ type: 134 }))],
  ["a multicast query",                      [REASON.invalidSource, 0], packet(ethernet(), ipv6({ saddr: "fe80::2", hopLimit: 1 }), icmpv6({ type: 130 }))],
];

function testPod(options: LoadOptions): void {
  const simulated = options.against !== "kernel";
  let shared: Node;
  beforeAll(async () => {
    shared = await Node.load(options);
  }, 120_000);
  afterAll(() => shared[Symbol.dispose]());
  /** The node as every test starts. */
  const start = (): Node => {
    shared.reset();
    return fill(shared);
  };
  const load = async (maps: LoadOptions["maps"]): Promise<Node> =>
    fill(await Node.load({ ...options, ...(maps === undefined ? {} : { maps }) }));

  describe.each([
    ["to the pod", TO_POD, "toPod", INGRESS],
    ["from the pod", FROM_POD, "fromPod", EGRESS],
  ] as const)("%s", (_name, cases, run, direction) => {
    test.each<Case>(cases)("%s: %s", (_case, expected, bytes) => {
      const node = start();
      const result = node[run](bytes);
      if (expected === "pass") {
        expect(result).toPass();
        expect(node.events()).toEqual([]);
      } else {
        expect(result).toDrop();
        const [reason, rule] = expected;
        expect(node.events()).toMatchObject([{ kind: KIND.dropped, reason, rule, direction, length: bytes.length }]);
      }
      expect(node.counted(direction, expected === "pass" ? 0 : expected[0])).toEqual([1n, BigInt(bytes.length)]);
    });
  });

  // The kernel's test run takes none that are shorter than their headers.
  describe.skipIf(!simulated)("cut short", () => {
    // prettier-ignore
    test.each([
      ["Ethernet", new Uint8Array(13)],
      ["IPv4", packet(ethernet({ type: 0x800 }), payload("short"))],
      ["IPv6", packet(ethernet({ type: 0x86dd }), payload("short"))],
    ])("%s", (_name, bytes) => {
      const node = start();
      expect(node.toPod(bytes)).toDrop();
      expect(node.events()).toMatchObject([{ kind: KIND.dropped, reason: REASON.invalidPacket }]);
    });
  });

  describe.skipIf(!simulated)("not linear", () => {
    // Destination options of 200 bytes before TCP.
    const behind = new Uint8Array(220);
    behind.set([TCP, 24, 1, 196]);
    const long = packet(ethernet(), ipv6({ saddr: "fd00::3", nextHeader: 60 }), payload(behind));
    // prettier-ignore
    test.each([
      ["TCP",             from("10.0.0.3", "10.0.0.2:80"),                                      [0, 14, 34, 53], "pass"],
      ["a long TCP packet", packet.tcp({ src: "10.0.0.3", payload: "x".repeat(500) }),          [14],            "pass"],
      ["IPv6",            packet.tcp({ src: "fd00::3", dst: "fd00::2" }),                       [0, 14, 54],     "pass"],
      ["extensions",      packet(ethernet(), v6(), options8, fragment(), syn80),                [54, 62],        "pass"],
      ["UDP",             packet.udp({ src: "10.0.0.3", dst: "10.0.0.2:55" }),                  [34],            "pass"],
      ["ICMP",            echo("10.0.0.3", POD),                                                [34],            "pass"],
      ["further than headers are pulled", long,                                                 [54, 62],        "drop"],
    ] as const)("%s", (_name, bytes, linears, verdict) => {
      for (const linear of linears) {
        const node = start();
        const result = node.toPod(bytes, { linear });
        if (verdict === "pass") expect(result).toPass();
        else expect(result).toDrop();
      }
    });

    test("a tag that the device took off", () => {
      const node = start();
      expect(node.toPod(from("10.0.0.3", "10.0.0.2:80"), { context: { vlan_present: 1 } })).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.unsupportedL3 }]);
    });
  });

  describe("endpoints", () => {
    test("a device without one passes nothing, not even ARP", async () => {
      using node = await Node.load(options);
      for (const bytes of [from("10.0.0.3", "10.0.0.2:80"), packet(ethernet(), arp(), padding(18))]) {
        expect(node.toPod(bytes)).toDrop();
        expect(node.fromPod(bytes)).toDrop();
      }
      expect(node.events()).toMatchObject(
        Array.from({ length: 4 }, () => ({ reason: REASON.unknownEndpoint, endpoint: 0 })),
      );
    });

    test("one without a policy is denied everything but its node", () => {
      const node = start();
      node.endpoint({ policy: 0 });
      expect(node.toPod(from("10.0.0.3", "10.0.0.2:80"))).toDrop();
      expect(node.fromPod(from("10.0.0.2", "10.0.0.3:443"))).toDrop();
      expect(node.toPod(from("10.0.0.1", "10.0.0.2:80"))).toPass();
    });

    test("one that is locked down passes nothing", () => {
      const node = start();
      node.endpoint({ flags: FLAG.lockedDown });
      for (const bytes of [
        from("10.0.0.3", "10.0.0.2:80"),
        from("10.0.0.1", "10.0.0.2:80"),
        packet(ethernet(), arp(), padding(18)),
      ])
        expect(node.toPod(bytes)).toDrop();
      expect(node.events()).toMatchObject(
        Array.from({ length: 3 }, () => ({ reason: REASON.lockedDown, endpoint: 1 })),
      );
    });

    test("one without IPv6 sends none", () => {
      const node = start();
      node.endpoint({ ipv6: "::" });
      for (const src of ["fd00::2", "::", "::2"])
        expect(node.fromPod(packet.tcp({ src, dst: "[fd00::3]:443", flags: "S" }))).toDrop();
    });

    test.skipIf(!simulated)("what a pod sends to itself comes back from its own device only", () => {
      const node = start();
      expect(node.toPod(from("10.0.0.2", "10.0.0.2:80"), { context: { ingress_ifindex: 1 } })).toPass();
      expect(node.toPod(from("10.0.0.2", "10.0.0.2:80"), { context: { ingress_ifindex: 2 } })).toDrop();
    });
  });

  describe("flows", () => {
    const client = "10.0.0.3:4000";
    const server = "10.0.0.2:80";
    const key = flowKey([POD, 80], ["10.0.0.3", 4000], TCP);

    test("a connection from its opening to its end", () => {
      const node = start();
      node.settings({ flags: FLAG.flowEvents });
      expect(node.toPod(from(client, server, "S"))).toPass();
      expect(node.flow("halfOpen", key)).toMatchObject({
        state: 0,
        packets: 1n,
        rule: 10,
        identity: FRIEND,
        direction: INGRESS,
        port: 80,
      });
      expect(node.flow("flows", key)).toBe(undefined);
      expect(node.toPod(from(client, server, "S"))).toPass();
      expect(node.fromPod(from(server, client, "SA"))).toPass();
      expect(node.flow("halfOpen", key)).toBe(undefined);
      expect(node.flow("flows", key)).toMatchObject({ state: 1, packets: 2n, replyPackets: 1n });
      expect(node.toPod(from(client, server, "A"))).toPass();
      expect(node.fromPod(from(server, client, "FA"))).toPass();
      expect(node.flow("flows", key)).toMatchObject({ state: 1, ended: 2 });
      expect(node.toPod(from(client, server, "FA"))).toPass();
      expect(node.flow("flows", key)).toMatchObject({ state: 2, ended: 3 });
      expect(node.fromPod(from(server, client, "A"))).toPass();
      expect(node.events()).toMatchObject([
        {
          kind: KIND.forwarded,
          sourceIdentity: FRIEND,
          destinationIdentity: 1000,
          sourcePort: 4000,
          destinationPort: 80,
          rule: 10,
          isReply: 0,
        },
        {
          kind: KIND.closed,
          sourceIdentity: FRIEND,
          destinationIdentity: 1000,
          sourcePort: 4000,
          destinationPort: 80,
          bytes: 4n * 54n,
          replyBytes: 2n * 54n,
        },
      ]);
    });

    test("a reset ends it, and the same ports open another", () => {
      const node = start();
      node.settings({ flags: FLAG.flowEvents });
      node.toPod(from(client, server, "S"));
      expect(node.fromPod(from(server, client, "RA"))).toPass();
      expect(node.flow("flows", key)).toMatchObject({ state: 2 });
      expect(node.toPod(from(client, server, "S"))).toPass();
      expect(node.flow("flows", key)).toBe(undefined);
      expect(node.flow("halfOpen", key)).toMatchObject({ state: 0, packets: 1n });
      expect(node.events().map((event) => event["kind"])).toEqual([KIND.forwarded, KIND.closed, KIND.forwarded]);
    });

    test("what a pod opens, the other end answers", () => {
      const node = start();
      node.settings({ flags: FLAG.flowEvents });
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "SA"))).toDrop();
      expect(node.fromPod(from("10.0.0.2:4000", "10.0.0.3:443", "S"))).toPass();
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "SA"))).toPass();
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4001", "SA"))).toDrop();
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "RA"))).toPass();
      expect(node.events()).toMatchObject([
        { kind: KIND.dropped, isReply: 0 },
        {
          kind: KIND.forwarded,
          direction: EGRESS,
          sourceIdentity: 1000,
          destinationIdentity: FRIEND,
          destinationPort: 443,
        },
        { kind: KIND.dropped, destinationPort: 4001 },
        {
          kind: KIND.closed,
          direction: EGRESS,
          sourceIdentity: 1000,
          destinationPort: 443,
          bytes: 54n,
          replyBytes: 108n,
        },
      ]);
    });

    test("a SYN is no reply", () => {
      const node = start();
      node.fromPod(from("10.0.0.2:4000", "10.0.0.3:443", "S"));
      node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "SA"));
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "S"))).toDrop();
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "A"))).toPass();
    });

    test("a packet in the middle of a connection that is not known is judged by its own direction", () => {
      const node = start();
      expect(node.fromPod(from(server, client, "A"))).toDrop();
      expect(node.toPod(from(client, server, "A"))).toPass();
      expect(node.fromPod(from(server, client, "A"))).toPass();
      expect(node.toPod(from("10.0.0.3:5000", server, "FA"))).toPass();
      expect(node.flow("halfOpen", { ...key, remotePort: 5000 })).toMatchObject({ ended: 1 });
      expect(node.toPod(from("10.0.0.3:5001", server, "R"))).toPass();
      expect(node.flow("halfOpen", { ...key, remotePort: 5001 })).toMatchObject({ state: 2 });
    });

    test.each([
      ["a connection without reply", "halfOpen", [from(client, server, "S")], 61],
      ["an established one", "flows", [from(client, server, "S"), from(server, client, "SA")], 8001],
      ["one that ended", "flows", [from(client, server, "S"), from(server, client, "RA")], 11],
    ] as const)("%s is forgotten in time", (_name, map, packets, seconds) => {
      const node = start();
      packets.forEach((bytes, i) => (i === 0 ? node.toPod(bytes) : node.fromPod(bytes)));
      node.age(map, key, seconds - 2);
      expect(node.fromPod(from(server, client, "A"))).toPass();
      const now = map === "halfOpen" ? "flows" : map;
      node.age(now, key, map === "halfOpen" ? 8001 : seconds);
      expect(node.fromPod(from(server, client, "A"))).toDrop();
    });

    test("UDP is forgotten sooner", () => {
      const node = start();
      const udpKey = { ...key, localPort: 4000, remotePort: 53, protocol: UDP };
      const [question, answer] = [
        packet.udp({ src: "10.0.0.2:4000", dst: "10.0.0.3:53" }),
        packet.udp({ src: "10.0.0.3:53", dst: "10.0.0.2:54" }),
      ];
      node.fromPod(question);
      expect(node.toPod(answer)).toDrop();
      expect(node.toPod(packet.udp({ src: "10.0.0.3:53", dst: "10.0.0.2:4000" }))).toPass();
      expect(node.flow("flows", udpKey)).toMatchObject({ state: 1, direction: EGRESS });
      node.age("flows", udpKey, 61);
      node.toPod(packet.udp({ src: "10.0.0.3:53", dst: "10.0.0.2:4000" }));
      expect(node.flow("halfOpen", udpKey)).toMatchObject({ state: 0, direction: INGRESS });
    });

    test("echo requests of both ends are two flows", () => {
      const node = start();
      expect(node.fromPod(echo(POD, "10.0.0.3"))).toPass();
      expect(node.toPod(echo("10.0.0.3", POD, 0))).toPass();
      expect(node.toPod(echo("10.0.0.3", POD, 0, 8))).toDrop();
      expect(node.toPod(echo("10.0.0.3", POD))).toPass();
      expect(node.fromPod(echo(POD, "10.0.0.3", 0))).toPass();
    });

    test("an answer to a time stamp request belongs to it, and requests of both ends are two flows", () => {
      const node = start();
      expect(node.toPod(echo("10.0.0.3", POD, 13))).toPass();
      expect(node.fromPod(echo(POD, "10.0.0.3", 14))).toPass();
      expect(node.fromPod(echo(POD, "10.0.0.3", 14, 8))).toDrop();
      expect(node.fromPod(echo(POD, "10.0.0.3", 13))).toDrop();
    });

    test("a flow of the pod that had the address before is none", () => {
      const node = start();
      node.fromPod(from("10.0.0.2:4000", "10.0.0.3:443", "S"));
      node.endpoint({ id: 2 });
      expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "SA"))).toDrop();
    });

    test("no room for flows: closed", async () => {
      using node = await load({ halfOpen: { type: "hash", maxEntries: 1 } });
      expect(node.toPod(from(client, server))).toPass();
      expect(node.toPod(from("10.0.0.3:4001", server))).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.flowTableFull }]);
    });
  });

  describe("a policy that changes", () => {
    const client = "10.0.0.3:4000";
    const server = "10.0.0.2:80";
    function connected(): Node {
      const node = start();
      node.policy(2, [
        { identity: 0, direction: INGRESS, says: [DENY, 0] },
        { identity: 0, direction: EGRESS, says: [DENY, 0] },
      ]);
      node.policy(3, [
        { identity: 0, direction: INGRESS, says: [ALLOW, 77] },
        { identity: 0, direction: EGRESS, says: [DENY, 0] },
      ]);
      node.policy(4, [
        { identity: 0, direction: INGRESS, says: [REDIRECT, 78, 1] },
        { identity: 0, direction: EGRESS, says: [ALLOW, 79] },
      ]);
      expect(node.toPod(from(client, server, "S"))).toPass();
      expect(node.fromPod(from(server, client, "SA"))).toPass();
      return node;
    }

    test("cuts open connections, both ways, and mends them", () => {
      const node = connected();
      node.endpoint({ policy: 2, generation: 2 });
      expect(node.toPod(from(client, server, "A"))).toDrop();
      expect(node.fromPod(from(server, client, "A"))).toDrop();
      expect(node.events()).toMatchObject([
        { reason: REASON.policyDenied, isReply: 0, direction: INGRESS },
        { reason: REASON.policyDenied, isReply: 1, direction: EGRESS },
      ]);
      node.endpoint({ policy: 3, generation: 3 });
      expect(node.fromPod(from(server, client, "A"))).toPass();
      expect(node.toPod(from(client, server, "A"))).toPass();
      expect(node.ruleTraffic(77)).toEqual([2n, 108n]);
    });

    test("is not asked while the generation is the same", () => {
      const node = connected();
      node.endpoint({ policy: 2 });
      expect(node.toPod(from(client, server, "A"))).toPass();
    });

    test("an address with another identity is judged again", () => {
      const node = connected();
      node.host("10.0.0.3", FOE);
      node.policy(1, [{ identity: FOE, direction: INGRESS, says: [DENY, 90] }]);
      expect(node.toPod(from(client, server, "A"))).toPass();
      node.settings({ identities: 1 });
      expect(node.toPod(from(client, server, "A"))).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.policyDeny, rule: 90, sourceIdentity: FOE }]);
    });

    test("an open connection cannot be steered any more: cut", () => {
      const node = connected();
      node.endpoint({ policy: 4, generation: 2, flags: FLAG.waypointUp });
      expect(node.toPod(from(client, server, "A"))).toDrop();
      expect(node.fromPod(from(server, client, "A"))).toDrop();
      expect(node.fromPod(from(server, client, "RA"))).toPass();
      expect(node.events()).toMatchObject([
        { reason: REASON.waypointDown, rule: 78 },
        { reason: REASON.waypointDown, isReply: 1 },
      ]);
      expect(node.toPod(from(client, server, "S"))).toPass();
    });

    test("the pod may open its own where the other end's flow is denied", () => {
      const node = start();
      node.policy(4, [
        { identity: 0, direction: INGRESS, says: [DENY, 0] },
        { identity: 0, direction: EGRESS, says: [ALLOW, 79] },
      ]);
      const [hither, thither] = [
        packet.udp({ src: client, dst: "10.0.0.2:5000" }),
        packet.udp({ src: "10.0.0.2:5000", dst: client }),
      ];
      node.toPod(hither);
      node.toPod(from(client, server, "S"));
      node.endpoint({ policy: 4, generation: 2 });
      expect(node.toPod(hither)).toDrop();
      expect(node.fromPod(thither)).toPass();
      expect(node.toPod(hither)).toPass();
      expect(node.toPod(from(client, server, "A"))).toDrop();
      // The rest of a connection opens nothing.
      expect(node.fromPod(from(server, client, "A"))).toDrop();
      expect(node.fromPod(from(server, client, "S"))).toPass();
      expect(node.toPod(from(client, server, "SA"))).toPass();
    });
  });

  describe("ICMP errors", () => {
    const opening = from("10.0.0.2:4000", "10.0.0.3:443");
    const ping = echo(POD, "10.0.0.3");
    const answered = echo("10.0.0.3", POD);

    test("of the pod's own flows come in, from whomever", () => {
      const node = start();
      node.fromPod(opening);
      node.fromPod(ping);
      expect(node.toPod(about(opening, "10.0.0.4", POD, 3))).toPass();
      expect(node.toPod(about(ping, "10.0.0.4", POD, 11))).toPass();
      expect(node.toPod(about(opening, "10.0.0.4", POD, 12))).toPass();
      expect(node.counted(INGRESS, 0)).toEqual([3n, 210n]);
      expect(node.ruleTraffic(30)).toEqual([3n, 54n + 140n]);
    });

    test("of flows to the pod go out", () => {
      const node = start();
      const request = from("10.0.0.3:4000", "10.0.0.2:80");
      node.toPod(request);
      node.toPod(answered);
      expect(node.fromPod(about(request, POD, "10.0.0.3", 3))).toPass();
      expect(node.fromPod(about(answered, POD, "10.0.0.3", 3))).toPass();
      node.toPod(packet.udp({ src: "10.0.0.3:4000", dst: "10.0.0.2:5000" }));
      expect(
        node.fromPod(about(packet.udp({ src: "10.0.0.3:4000", dst: "10.0.0.2:5000" }), POD, "10.0.0.3", 3)),
      ).toPass();
      const sctp = packet(
        ethernet(),
        ipv4({ saddr: "10.0.0.3", protocol: SCTP }),
        payload(new Uint8Array([0, 9, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0])),
      );
      node.toPod(sctp);
      expect(node.fromPod(about(sctp, POD, "10.0.0.3", 3))).toPass();
    });

    test("IPv6", () => {
      const node = start();
      const request = packet.tcp({ src: "[fd00::3]:4000", dst: "[fd00::2]:80", flags: "S" });
      node.toPod(request);
      for (const type of [1, 2, 3, 4]) expect(node.fromPod(about6(request, "fd00::2", "fd00::3", type))).toPass();
      expect(node.fromPod(about6(request, "fd00::2", "::3", 1))).toPass();
      expect(node.fromPod(about6(request, "fd00::2", "fd00::3", 5))).toDrop();
      expect(node.fromPod(about6(request.slice(0, 60), "fd00::2", "fd00::3", 1))).toDrop();
      expect(
        node.fromPod(packet(ethernet(), v6("fd00::2", "fd00::3"), icmpv6({ type: 1 }), payload("short"))),
      ).toDrop();
    });

    // prettier-ignore
    test.each([
      ["of flows that do not exist",        about(from("10.0.0.2:4001", "10.0.0.3:443"), "10.0.0.4", POD, 3)],
      ["of another type",                   about(opening, "10.0.0.4", POD, 5)],
      ["cut before the inner ports",        about(opening, "10.0.0.4", POD, 3, 22)],
      ["cut in the inner header",           about(opening, "10.0.0.4", POD, 3, 12)],
      ["of a later fragment",               about(packet(ethernet(), ipv4({ saddr: POD, daddr: "10.0.0.3", protocol: TCP, fragmentOffset: 64 }), payload("0123456789")), "10.0.0.4", POD, 3)],
      ["with a strange inner header",       about(packet(ethernet(), ipv4({ saddr: POD, daddr: "10.0.0.3", headerLength: 16 }), syn80), "10.0.0.4", POD, 3)],
      ["of another protocol",               about(packet(ethernet(), ipv4({ saddr: POD, daddr: "10.0.0.3", protocol: 47 }), payload("01234567")), "10.0.0.4", POD, 3)],
    ])("others are judged: %s", (_name, bytes) => {
      const node = start();
      node.fromPod(opening);
      expect(node.toPod(bytes)).toDrop();
      expect(node.events()).toMatchObject([{ protocol: ICMP, sourceIdentity: FOE, rule: 90, sourcePort: 1 }]);
    });

    test("of a flow that is denied now are judged", () => {
      const node = start();
      node.fromPod(opening);
      node.policy(2, []);
      node.endpoint({ policy: 2, generation: 2 });
      expect(node.toPod(about(opening, "10.0.0.3", POD, 3))).toDrop();
    });

    test("of a flow that is allowed by another policy pass", () => {
      const node = start();
      node.fromPod(opening);
      node.endpoint({ generation: 2 });
      expect(node.toPod(about(opening, "10.0.0.4", POD, 3))).toPass();
      node.settings({ identities: 1 });
      node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "SA"));
      node.settings({ identities: 2 });
      expect(node.toPod(about(opening, "10.0.0.4", POD, 3))).toPass();
    });

    test("of a flow that is forgotten are judged", () => {
      const node = start();
      node.fromPod(opening);
      const key = flowKey([POD, 4000], ["10.0.0.3", 443], TCP);
      node.age("halfOpen", key, 61);
      expect(node.toPod(about(opening, "10.0.0.4", POD, 3))).toDrop();
    });
  });

  describe("fragments", () => {
    const whole = packet.udp({ src: "10.0.0.3:4000", dst: "10.0.0.2:54", payload: "x".repeat(60) });
    const allowed = packet.udp({ src: "10.0.0.3:4000", dst: "10.0.0.2:55", payload: "x".repeat(60) });
    const withId = (frame: Uint8Array, id: number, size: number): Uint8Array[] =>
      fragments(packet(...dissect(frame).map((layer) => (layer.kind === "ipv4" ? { ...layer, id } : layer))), size);

    test("the later ones share the verdict of the first", () => {
      const node = start();
      for (const bytes of withId(whole, 1, 32)) expect(node.toPod(bytes)).toDrop();
      for (const bytes of withId(allowed, 2, 32)) expect(node.toPod(bytes)).toPass();
    });

    test("replies in fragments are replies", () => {
      const node = start();
      node.fromPod(packet.udp({ src: "10.0.0.2:4000", dst: "10.0.0.4:53" }));
      node.fromPod(packet.udp({ src: "10.0.0.2:54", dst: "10.0.0.3:53" }));
      for (const bytes of withId(
        packet.udp({ src: "10.0.0.3:53", dst: "10.0.0.2:54", payload: "x".repeat(60) }),
        3,
        32,
      ))
        expect(node.toPod(bytes)).toPass();
    });

    test("what a pod sends in fragments", () => {
      const node = start();
      for (const bytes of withId(
        packet.udp({ src: "10.0.0.2:4000", dst: "10.0.0.3:53", payload: "x".repeat(60) }),
        4,
        32,
      ))
        expect(node.fromPod(bytes)).toPass();
    });

    test("without the first, only what holds for all ports", () => {
      const node = start();
      const tcpFragment = packet(
        ethernet(),
        ipv4({ saddr: "10.0.0.3", protocol: TCP, fragmentOffset: 64, id: 9 }),
        payload("x"),
      );
      expect(node.toPod(withId(whole, 1, 32)[1] ?? packet())).toPass();
      expect(node.toPod(tcpFragment)).toDrop();
      expect(
        node.toPod(packet(ethernet(), ipv4({ saddr: "10.0.0.4", protocol: TCP, fragmentOffset: 64 }), payload("x"))),
      ).toDrop();
      expect(
        node.toPod(
          packet(ethernet(), ipv4({ saddr: "198.51.100.1", protocol: TCP, fragmentOffset: 64 }), payload("x")),
        ),
      ).toPass();
      node.host("10.0.0.7", 4000);
      node.host("10.0.0.8", 5000);
      expect(
        node.toPod(packet(ethernet(), ipv4({ saddr: "10.0.0.7", protocol: TCP, fragmentOffset: 64 }), payload("x"))),
      ).toDrop();
      expect(node.events()).toMatchObject([
        { reason: REASON.fragmentNotFound, rule: 0 },
        { reason: REASON.policyDeny, rule: 90 },
        { reason: REASON.waypointDown, rule: 21 },
      ]);
      expect([...node.object.map("halfOpen").entries()]).toEqual([]);
    });

    test("none that would change the header of the first", () => {
      const node = start();
      expect(
        node.toPod(
          packet(ethernet(), ipv4({ saddr: "198.51.100.1", protocol: TCP, fragmentOffset: 16 }), payload("x")),
        ),
      ).toDrop();
      expect(node.events()).toMatchObject([{ reason: REASON.invalidPacket }]);
    });

    test("IPv6", () => {
      const node = start();
      const first = packet(
        ethernet(),
        v6(),
        fragment({ id: 5, moreFragments: true }),
        udp({ dport: 54 }),
        payload("x".repeat(16)),
      );
      const later = packet(
        ethernet(),
        v6(),
        fragment({ id: 5, fragmentOffset: 24, nextHeader: UDP }),
        payload("x".repeat(16)),
      );
      expect(node.toPod(first)).toDrop();
      expect(node.toPod(later)).toDrop();
      expect(
        node.toPod(
          packet(ethernet(), v6(), fragment({ id: 6, fragmentOffset: 24, nextHeader: UDP }), payload("x".repeat(16))),
        ),
      ).toPass();
    });
  });

  describe("HTTP rules", () => {
    const client = "10.0.0.3:4000";
    const server = "10.0.0.2:8001";
    const key = flowKey([POD, 8001], ["10.0.0.3", 4000], TCP);
    function opened(): Node {
      const node = start();
      node.settings({ flags: FLAG.flowEvents });
      node.endpoint({ flags: FLAG.waypointUp });
      expect(node.toPod(from(client, server))).toPass();
      expect(node.events()).toMatchObject([{ kind: KIND.redirected, rule: 13, l7: 5 }]);
      return node;
    }

    test("nothing but the opening passes of what nobody steered", () => {
      const node = opened();
      expect(node.toPod(from(client, server))).toPass();
      expect(node.fromPod(from(server, client, "SA"))).toDrop();
      expect(node.toPod(from(client, server, "A"))).toDrop();
      expect(node.fromPod(from(server, client, "RA"))).toPass();
    });

    test("what is steered passes while the waypoint is there", () => {
      const node = opened();
      node.changeFlow("halfOpen", key, { steered: 1 });
      expect(node.fromPod(from(server, client, "SA"))).toPass();
      expect(node.toPod(from(client, server, "A"))).toPass();
      // The first SYN again.
      expect(node.toPod(from(client, server))).toPass();
      expect(node.toPod(from(client, server, "A"))).toPass();
      node.endpoint({ generation: 2 });
      expect(node.toPod(from(client, server, "A"))).toDrop();
      expect(node.fromPod(from(server, client, "A"))).toPass();
      expect(node.toPod(from("10.0.0.3:4001", server))).toDrop();
      expect(node.events()).toMatchObject([
        { kind: KIND.redirected },
        { kind: KIND.dropped, reason: REASON.waypointDown },
        { kind: KIND.dropped, reason: REASON.waypointDown },
      ]);
    });

    test("a steered connection whose flow is forgotten is known by what the waypoint was told", () => {
      const node = opened();
      node.object.map("halfOpen").delete(key);
      expect(node.toPod(from(client, server, "A"))).toDrop();
      const [pod, peer] = [words(POD), words("10.0.0.3")];
      node.object.map("steered").set(
        {
          clientHi: peer.hi,
          clientLo: peer.lo,
          serverHi: pod.hi,
          serverLo: pod.lo,
          clientPort: 4000,
          serverPort: 8001,
          endpoint: 0,
        },
        {
          time: 0n,
          originalHi: 0n,
          originalLo: 0n,
          originalPort: 0,
          l7: 5,
          identity: FRIEND,
          endpoint: 1,
          rule: 13,
          direction: 0,
          reserved: 0,
        },
      );
      expect(node.toPod(from(client, server, "A"))).toPass();
    });

    test("UDP cannot be steered", () => {
      const node = opened();
      expect(node.toPod(packet.udp({ src: client, dst: "10.0.0.2:99" }))).toDrop();
    });

    test("the waypoint's own connections out of the pod", () => {
      const node = start();
      node.object.map("proxied").set(flowKey([POD, 4000], ["10.0.0.3", 8080], TCP), PROXIED);
      expect(node.fromPod(from("10.0.0.2:4000", "10.0.0.3:8080"))).toPass();
      expect(node.toPod(from("10.0.0.3:8080", "10.0.0.2:4000", "SA"))).toPass();
      expect(node.fromPod(from("10.0.0.2:4000", "10.0.0.3:8080", "A"))).toPass();
      expect(node.fromPod(from("10.0.0.2:4001", "10.0.0.3:8080"))).toDrop();
    });

    test("the waypoint's questions to a DNS server, as long as they wait for an answer", () => {
      const node = start();
      const [ask, answer] = [
        packet.udp({ src: "10.0.0.2:4000", dst: "10.0.0.3:54" }),
        packet.udp({ src: "10.0.0.3:54", dst: "10.0.0.2:4000" }),
      ];
      const own = flowKey([POD, 4000], ["10.0.0.3", 54], UDP);
      expect(node.fromPod(ask)).toDrop();
      node.object.map("proxied").set(own, PROXIED);
      expect(node.fromPod(ask)).toPass();
      expect(node.toPod(answer)).toPass();
      expect(node.fromPod(ask)).toPass();
      node.object.map("proxied").delete(own);
      expect(node.fromPod(ask)).toDrop();
    });
  });

  describe("audit", () => {
    test("denials are told and do not bite", () => {
      const node = start();
      node.settings({ flags: FLAG.audit | FLAG.flowEvents });
      expect(node.toPod(from("10.0.0.3:4000", "10.0.0.2:82"))).toPass();
      expect(node.toPod(from("10.0.0.3:4000", "10.0.0.2:82", "A"))).toPass();
      expect(node.toPod(from("10.0.0.3:4000", "10.0.0.2:81"))).toPass();
      expect(node.toPod(from("10.0.0.3:4000", "10.0.0.2:8001"))).toDrop();
      expect(node.events()).toMatchObject([
        { kind: KIND.audited, reason: REASON.policyDenied, rule: 0 },
        { kind: KIND.audited, reason: REASON.policyDeny, rule: 11 },
        { kind: KIND.dropped, reason: REASON.waypointDown },
      ]);
      expect(node.counted(INGRESS, 0)).toEqual([3n, 162n]);
      node.settings({});
      expect(node.toPod(from("10.0.0.3:4000", "10.0.0.2:82", "A"))).toDrop();
    });

    test("no room for flows", async () => {
      using node = await load({ halfOpen: { type: "hash", maxEntries: 1 } });
      node.settings({ flags: FLAG.audit });
      node.toPod(from("10.0.0.3:4000", "10.0.0.2:82"));
      expect(node.toPod(from("10.0.0.3:4001", "10.0.0.2:82"))).toDrop();
    });
  });

  describe("what is told and counted", () => {
    test("drops of a flow once a second", () => {
      const node = start();
      const bytes = from("10.0.0.4:4000", "10.0.0.2:9");
      for (let i = 0; i < 5; i++) node.toPod(bytes);
      node.toPod(from("10.0.0.4:4001", "10.0.0.2:9"));
      expect(node.events().map((event) => event["sourcePort"])).toEqual([4000, 4001]);
      for (const [key] of [...node.object.map<object, { value: bigint }>("toldDrops").entries()]) {
        const told = node.object.map<object, { value: bigint }>("toldDrops");
        told.set(key, { value: BigInt.asUintN(64, (told.get(key)?.value ?? 0n) - 1_100_000_000n) });
      }
      node.toPod(bytes);
      expect(node.events()).toMatchObject([{ sourcePort: 4000 }]);
      expect(node.counted(INGRESS, REASON.policyDeny)).toEqual([7n, 378n]);
      expect(node.ruleTraffic(90)).toEqual([7n, 378n]);
    });

    test("events that find no room are counted", async () => {
      using node = await load({ events: { maxEntries: 4096 } });
      for (let port = 1; port <= 100; port++) expect(node.toPod(from(`10.0.0.4:${port}`, "10.0.0.2:9"))).toDrop();
      const lost = node.object
        .map<number, { value: bigint }[]>("lostEvents")
        .get(0)
        ?.reduce((sum, { value }) => sum + value, 0n);
      expect(BigInt(node.events().length) + (lost ?? 0n)).toBe(100n);
      expect(lost).toBeGreaterThan(0n);
    });

    test("pairs of an endpoint and an identity", () => {
      const node = start();
      node.toPod(from("10.0.0.3:4000", "10.0.0.2:80"));
      node.fromPod(from("10.0.0.2:80", "10.0.0.3:4000", "SA"));
      node.toPod(from("10.0.0.3:4000", "10.0.0.2:80", "A"));
      node.toPod(from("10.0.0.3:4000", "10.0.0.2:82"));
      expect(node.pair(FRIEND, INGRESS, ALLOW)).toEqual([2n, 108n]);
      expect(node.pair(FRIEND, EGRESS, ALLOW)).toEqual([1n, 54n]);
      expect(node.pair(FRIEND, INGRESS, DENY)).toEqual([1n, 54n]);
    });

    test.skipIf(!simulated)("tables that are too small lose counts, not verdicts", async () => {
      const maps = Object.fromEntries(
        ["counters", "lostEvents", "events"].map((name) => [name, { maxEntries: name === "events" ? 4096 : 1 }]),
      );
      using node = await load({ ...maps, lostEvents: { type: "hash", maxEntries: 1 } });
      for (let port = 1; port <= 100; port++) expect(node.toPod(from(`10.0.0.4:${port}`, "10.0.0.2:9"))).toDrop();
    });

    test.skipIf(!simulated).each(["workPackets", "workKeys", "settings"])("without %s: closed", async (name) => {
      using node = await Node.load({ ...options, maps: { [name]: { type: "hash" } } }, { settings: false });
      node.endpoint();
      expect(node.toPod(from("10.0.0.1", "10.0.0.2:9"))).toDrop();
      // One of two.
      if (name === "workKeys") node.object.map(name).set(0, flowKey([POD, 0], [POD, 0], 0));
      expect(node.toPod(from("10.0.0.1", "10.0.0.2:9"))).toDrop();
    });
  });

  // What becomes of the bytes is tested in mesh-translate.test.ts.
  test("services: the flow says what was asked for", () => {
    const node = start();
    const ask = { ...words("10.96.0.1"), port: 80, protocol: TCP, reserved: 0, reserved2: 0 };
    const service = { id: 1, table: 0, slots: 1, affinity: 0, algorithm: 0, reserved: 0, reserved2: 0 };
    const key = flowKey([POD, 4000], ["10.0.0.3", 443], TCP);
    const asked = { askedPort: 80, askedHi: 0n, askedLo: words("10.96.0.1").lo };
    node.object.map("services").set(ask, { ...service, slots: 0 });
    expect(node.fromPod(from("10.0.0.2:4000", "10.96.0.1:80"))).toDrop();
    node.object.map("services").set(ask, service);
    node.object.map("slots").set(0, { backend: 1, other: 1, threshold: 0, reserved: 0 });
    node.object.map("backends").set(1, { ...words("10.0.0.3"), service: 1, port: 443, state: 0, reserved: 0 });
    expect(node.fromPod(from("10.0.0.2:4000", "10.96.0.1:80"))).toPass();
    expect(node.flow("halfOpen", key)).toMatchObject(asked);
    expect(node.fromPod(from("10.0.0.2:4000", "10.96.0.1:80"))).toPass();
    expect(node.toPod(from("10.0.0.3:443", "10.0.0.2:4000", "SA")).packet).toEqual(
      from("10.96.0.1:80", "10.0.0.2:4000", "SA"),
    );
    expect(node.flow("flows", key)).toMatchObject(asked);
    expect(node.fromPod(from("10.0.0.2:4000", "10.96.0.1:80", "A"))).toPass();
    expect(node.fromPod(from("10.0.0.2:4000", "10.0.0.3:443", "A"))).toPass();
    expect(node.flow("flows", key)).toMatchObject({ askedPort: 0, packets: 4n });
    // IPv6, from a pod the first half of whose address is that of an IPv4 one.
    node.endpoint({ ipv6: "::2" });
    node.object.map("services").set({ ...ask, ...words("fd96::1") }, service);
    node.object.map("backends").set(1, { ...words("fd00::3"), service: 1, port: 443, state: 0, reserved: 0 });
    expect(node.fromPod(packet.tcp({ src: "[::2]:4000", dst: "[fd96::1]:80", flags: "S" }))).toPass();
    node.object.map("backends").set(1, { ...words("10.0.0.3"), service: 1, port: 443, state: 0, reserved: 0 });
    // Policy denies the backend; in audit mode it passes.
    node.host("10.0.0.3", FOE);
    expect(node.fromPod(from("10.0.0.2:4001", "10.96.0.1:80"))).toDrop();
    node.settings({ flags: FLAG.audit });
    expect(node.fromPod(from("10.0.0.2:4001", "10.96.0.1:80"))).toPass();
  });
}

// The others have tests of their own.
describeProgram("mesh/pod", testPod, testPod, /^(?!.*(translate|services)\.ts)/);
