/** programs/examples/xdp-filter.ts: what is dropped, what is told, what is counted. */
import { expect, test } from "vitest";
import { ethernet, fragments, ipv4, loadProgram, packet, udp, vlan } from "../../testing/index.ts";
import type { LoadOptions, TestProgram } from "../../testing/index.ts";
import { describeProgram, hostOrder, networkOrder, pathOf } from "./example.ts";

interface Count {
  readonly value: number | bigint;
}
interface FlowKey {
  readonly saddr: number;
  readonly daddr: number;
  readonly sport: number;
  readonly dport: number;
  readonly protocol: number;
}

const [DROP, PASS] = [1, 2];
const TCP = 6;
const UDP = 17;
const [BY_PREFIX, BY_PORT] = [1, 2];

async function loadFilter(options: LoadOptions): Promise<TestProgram> {
  const filter = await loadProgram(pathOf("examples/xdp-filter"), options);
  filter
    .map<{ prefixLength: number; address_be: number }, Count>("blockedPrefixes")
    .set({ prefixLength: 16, address_be: networkOrder("10.9.0.0") }, { value: 9 });
  filter.map<number, Count>("blockedPorts").set(23, { value: 5 });
  return filter;
}

const flow = (src: string, sport: number, dport: number, protocol: number): FlowKey => ({
  saddr: hostOrder(src),
  daddr: hostOrder("10.0.0.2"),
  sport,
  dport,
  protocol,
});

describeProgram("examples/xdp-filter", (options) => {
  // prettier-ignore
  test.each<[string, "pass" | "drop", Uint8Array]>([
    ["TCP to an open port",           "pass", packet.tcp({ dst: "10.0.0.2:80" })],
    ["TCP to a blocked port",         "drop", packet.tcp({ dst: "10.0.0.2:23" })],
    ["UDP to a blocked port",         "drop", packet.udp({ dst: "10.0.0.2:23" })],
    ["from a blocked port",           "pass", packet.tcp({ src: "10.0.0.1:23", dst: "10.0.0.2:80" })],
    ["from a blocked prefix",         "drop", packet.icmp({ src: "10.9.7.7" })],
    ["to a blocked prefix",           "pass", packet.icmp({ dst: "10.9.7.7" })],
    ["ARP",                           "pass", packet.arp()],
    ["IPv6",                          "pass", packet.tcp({ dst: "[fd00::2]:23" })],
    ["VLAN: not looked into",         "pass", packet.tcp({ dst: "10.0.0.2:23", vlan: 5 })],
    ["cut off in the IPv4 header",    "pass", packet.tcp({ dst: "10.0.0.2:23" }).subarray(0, 33)],
    ["cut off before the ports",      "pass", packet(ethernet(), ipv4({ protocol: UDP }))],
    ["a blocked port behind options", "drop", packet(ethernet(), ipv4({ options: [{ kind: "nop" }] }), udp({ dport: 23 }))],
  ])("%s: %s", async (_name, verdict, bytes) => {
    using filter = await loadFilter(options);
    const result = filter.run(bytes);
    if (verdict === "drop") expect(result).toDrop();
    else expect(result).toPass();
    expect(result).toHavePacket(bytes);
    expect(filter.map("verdicts")).toHaveEntry(verdict === "drop" ? DROP : PASS, { value: 1 });
  });

  test("a drop is told", async () => {
    using filter = await loadFilter(options);
    filter.runAll([packet.udp({ src: "10.0.0.1:1000", dst: "10.0.0.2:23" }), packet.icmp({ src: "10.9.0.1" })]);
    expect(filter.events("drops")).toHaveEvents([
      {
        reason: BY_PORT,
        ruleId: 5,
        saddr: hostOrder("10.0.0.1"),
        daddr: hostOrder("10.0.0.2"),
        sport: 1000,
        dport: 23,
        protocol: UDP,
      },
      { reason: BY_PREFIX, ruleId: 9, saddr: hostOrder("10.9.0.1"), sport: 0, dport: 0, protocol: 1 },
    ]);
  });

  test("or not, by configuration", async () => {
    using filter = await loadFilter({ ...options, constants: { reportDrops: 0 } });
    for (const result of filter.runAll([packet.tcp({ dst: "10.0.0.2:23" }), packet.icmp({ src: "10.9.0.1" })]))
      expect(result).toDrop();
    expect(filter.events("drops")).toHaveEvents([]);
  });

  test("packets and bytes are counted by flow", async () => {
    using filter = await loadFilter(options);
    const bytes = packet.tcp({ src: "10.0.0.1:1000", dst: "10.0.0.2:80", payload: "12345" });
    filter.runAll([bytes, bytes, packet.udp({ src: "10.0.0.1:1000", dst: "10.0.0.2:80" })]);
    expect(filter.map("flows")).toHaveEntry(flow("10.0.0.1", 1000, 80, TCP), { packets: 2, bytes: 2 * 45 });
    expect(filter.map("flows")).toHaveEntry(flow("10.0.0.1", 1000, 80, UDP), { packets: 1, bytes: 28 });
  });

  test("only the first fragment has ports", async () => {
    using filter = await loadFilter(options);
    const [first, ...later] = filter.runAll(fragments(packet.udp({ dst: "10.0.0.2:23", payload: "x".repeat(40) }), 16));
    expect(first).toDrop();
    expect(later.length).toBeGreaterThan(1);
    for (const result of later) expect(result).toPass();
    expect(filter.map("flows")).toHaveEntry(flow("10.0.0.1", 0, 0, UDP), { packets: later.length });
  });

  test("without room for counters it filters all the same", async () => {
    using filter = await loadFilter({ ...options, maps: { verdicts: { maxEntries: 1 } } });
    expect(filter.run(packet.tcp({ dst: "10.0.0.2:23" }))).toDrop();
    expect(filter.run(packet.icmp({ src: "10.9.0.1" }))).toDrop();
    expect(filter.run(packet.tcp())).toPass();
  });

  // The kernel takes no packet that is shorter than an Ethernet header.
  test.skipIf(options.against === "kernel")("shorter than an Ethernet header", async () => {
    using filter = await loadFilter(options);
    expect(filter.run(packet(vlan()))).toPass();
  });
});
