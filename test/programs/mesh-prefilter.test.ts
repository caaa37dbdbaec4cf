/** programs/mesh: prefilter (XDP on the node's device) drops new flows of denied prefixes to this node's pods, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { arp, ethernet, hopByHop, ipv4, ipv6, packet, padding, payload, tcp } from "../../testing/index.ts";
import type { LoadOptions } from "../../testing/index.ts";
import { describeProgram } from "./example.ts";
import { INGRESS, KIND, Node, PROTOCOLS, REASON, flowKey, pathOfMesh, prefix } from "./mesh.ts";

const syn = (src: string, dst: string, flags = "S"): Uint8Array => packet.tcp({ src, dst, flags });

const testPrefilter = (options: LoadOptions): void => {
  let shared: Node;
  beforeAll(async () => {
    shared = await Node.load(options, { source: pathOfMesh("prefilter") });
  }, 120_000);
  afterAll(() => shared[Symbol.dispose]());

  const start = (): Node => {
    shared.reset();
    shared.endpoint();
    shared.host("192.0.2.7", 4000);
    shared.host("10.0.0.1", 1, { flags: 1 });
    shared.object.map("deniedPrefixes").set(prefix("192.0.2.0/24"), { value: 7 });
    shared.object.map("deniedPrefixes").set(prefix("2001:db8::/32"), { value: 8 });
    return shared;
  };
  const run = (node: Node, bytes: Uint8Array): ReturnType<Node["toPod"]> =>
    node.object.program("prefilter").run({ packet: bytes });

  // prettier-ignore
  test.each<[string, number, Uint8Array]>([
    ["TCP",                   7, syn("192.0.2.1", "10.0.0.2:80")],
    ["TCP, not the first",    7, syn("192.0.2.1", "10.0.0.2:80", "A")],
    ["UDP",                   7, packet.udp({ src: "192.0.2.1", dst: "10.0.0.2" })],
    ["IPv4 options",          7, packet(ethernet(), ipv4({ saddr: "192.0.2.1", options: [{ kind: "routerAlert", value: 0 }] }), tcp())],
    ["IPv6",                  8, packet.tcp({ src: "2001:db8::1", dst: "fd00::2", flags: "S" })],
    ["UDP over IPv6",         8, packet.udp({ src: "2001:db8::1", dst: "fd00::2" })],
  ])("drops %s", (_name, rule, bytes) => {
    const node = start();
    expect(run(node, bytes)).toDrop();
    expect(node.events()).toMatchObject([
      { kind: KIND.dropped, reason: REASON.prefilter, rule, sourceIdentity: 2, destinationIdentity: 1000, endpoint: 1, length: bytes.length },
    ]);
    expect(node.counted(INGRESS, REASON.prefilter)).toEqual([1n, BigInt(bytes.length)]);
    expect(node.ruleTraffic(rule)).toEqual([1n, BigInt(bytes.length)]);
  });

  // prettier-ignore
  test.each<[string, Uint8Array]>([
    ["another source",             syn("198.51.100.1", "10.0.0.2:80")],
    ["a pod with such an address", syn("192.0.2.7", "10.0.0.2:80")],
    ["another destination",        syn("192.0.2.1", "10.0.0.9:80")],
    ["the node",                   syn("192.0.2.1", "10.0.0.1:80")],
    ["ICMP",                       packet.icmp({ src: "192.0.2.1", dst: "10.0.0.2" })],
    ["a first fragment",           packet(ethernet(), ipv4({ saddr: "192.0.2.1", moreFragments: true }), tcp())],
    ["a later fragment",           packet(ethernet(), ipv4({ saddr: "192.0.2.1", fragmentOffset: 64, protocol: 6 }), payload("x"))],
    ["a header of 16 bytes",       packet(ethernet(), ipv4({ saddr: "192.0.2.1", headerLength: 16 }), tcp())],
    ["IPv6 extensions",            packet(ethernet(), ipv6({ saddr: "2001:db8::1" }), hopByHop(), tcp())],
    ["ARP",                        packet(ethernet(), arp(), padding(18))],
    ["TCP cut short",              packet(ethernet(), ipv4({ saddr: "192.0.2.1", protocol: 6 }), payload("short"))],
    ["UDP cut short",              packet(ethernet(), ipv4({ saddr: "192.0.2.1", protocol: 17 }), payload("x"))],
  ])("leaves to to_pod: %s", (_name, bytes) => {
    const node = start();
    expect(run(node, bytes)).toPass();
    expect(node.events()).toEqual([]);
  });

  // The kernel's test run takes none that are shorter than their headers.
  describe.skipIf(options.against === "kernel")("cut short", () => {
    test.each([
      ["Ethernet", new Uint8Array(13)],
      ["IPv4", packet(ethernet({ type: 0x800 }), payload("short"))],
      ["IPv6", packet(ethernet({ type: 0x86dd }), payload("short"))],
    ])("%s", (_name, bytes) => {
      expect(run(start(), bytes)).toPass();
    });

    test.each(["workPackets", "workKeys"])("without %s it leaves everything to to_pod", async (name) => {
      using node = await Node.load(
        { ...options, maps: { [name]: { type: "hash" } } },
        { source: pathOfMesh("prefilter") },
      );
      expect(run(node, syn("192.0.2.1", "10.0.0.2:80"))).toPass();
    });
  });

  test("replies to what the pod opened go on; another opening does not", () => {
    const node = start();
    const flow = {
      opened: 1n, seen: 1n, packets: 1n, bytes: 1n, replyPackets: 0n, replyBytes: 0n, generation: 1, identities: 0, identity: 2,
      rule: 0, endpoint: 1, direction: 1, action: 1, state: 0, ended: 0, l7: 0, port: 443, steered: 0, reserved: 0, askedPort: 0, askedHi: 0n, askedLo: 0n,
    }; // prettier-ignore
    for (const [map, port] of [
      ["flows", 4000],
      ["halfOpen", 4001],
    ] as const) {
      node.object.map(map).set(flowKey(["10.0.0.2", port], ["192.0.2.1", 443], PROTOCOLS.tcp), flow);
      expect(run(node, syn("192.0.2.1:443", `10.0.0.2:${port}`, "SA"))).toPass();
      expect(run(node, syn("192.0.2.1:443", `10.0.0.2:${port}`))).toDrop();
    }
  });
};

// The functions that it shares with to_pod are held by mesh-pod.test.ts.
describeProgram("mesh/prefilter", testPrefilter, testPrefilter, /prefilter\.ts/);
