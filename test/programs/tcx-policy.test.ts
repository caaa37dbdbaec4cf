/** programs/examples/tcx-policy.ts: who may open a connection to which port of the pod. */
import { expect, test } from "vitest";
import { arp, ethernet, fragments, ipv4, loadProgram, packet, padding } from "../../testing/index.ts";
import type { LoadOptions, TestProgram } from "../../testing/index.ts";
import { describeProgram, hostOrder, pathOf } from "./example.ts";

interface Count {
  readonly value: number | bigint;
}
interface Rule {
  readonly identity: number;
  readonly port: number;
  readonly protocol: number;
}

const [PASS, DROP] = [0, 2];
const FRONTEND = { address: "10.244.0.1", identity: 1 };
const WEB: Rule = { identity: FRONTEND.identity, port: 80, protocol: 6 };

/** The frontend may reach port 80; nobody else may reach anything. */
async function loadPolicy(options: LoadOptions): Promise<TestProgram> {
  const policy = await loadProgram(pathOf("examples/tcx-policy"), options);
  policy.map<number, Count>("identities").set(hostOrder(FRONTEND.address), { value: FRONTEND.identity });
  policy.map<Rule, Count>("rules").set(WEB, { value: 0n });
  return policy;
}

describeProgram("examples/tcx-policy", (options) => {
  const from = FRONTEND.address;
  // prettier-ignore
  test.each<[string, "pass" | "drop", Uint8Array]>([
    ["a new connection that a rule allows", "pass", packet.tcp({ src: from, dst: "10.244.0.2:80" })],
    ["to another port",                     "drop", packet.tcp({ src: from, dst: "10.244.0.2:81" })],
    ["from somebody else",                  "drop", packet.tcp({ src: "10.244.0.9", dst: "10.244.0.2:80" })],
    ["later packets of a connection",       "pass", packet.tcp({ src: "10.244.0.9", flags: "A" })],
    ["the answer to a SYN",                 "pass", packet.tcp({ src: "10.244.0.9", flags: "SA" })],
    ["ARP",                                 "pass", packet(ethernet(), arp(), padding(18))],
    ["IPv6",                                "drop", packet.tcp({ dst: "fd00::2" })],
    ["UDP",                                 "drop", packet.udp({ src: from, dst: "10.244.0.2:80" })],
    ["no TCP header",                       "drop", packet(ethernet(), ipv4({ protocol: 6 }), "short")],
    ["a later fragment",                    "drop", fragments(packet.tcp({ src: from, payload: "x".repeat(20) }), 24)[1] ?? packet()],
  ])("%s: %s", async (_name, verdict, bytes) => {
    using policy = await loadPolicy(options);
    const result = policy.run(bytes);
    if (verdict === "drop") expect(result).toDrop();
    else expect(result).toPass();
    expect(policy.map("verdicts")).toHaveEntry(verdict === "drop" ? DROP : PASS, { value: 1 });
  });

  test("rules count their connections", async () => {
    using policy = await loadPolicy(options);
    policy.runAll([packet.tcp({ src: from }), packet.tcp({ src: from }), packet.tcp({ src: from, flags: "A" })]);
    expect(policy.map("rules")).toHaveEntry(WEB, { value: 2 });
  });

  test("denials are told", async () => {
    using policy = await loadPolicy(options);
    policy.runAll([packet.tcp({ src: `${from}:1234`, dst: "10.244.0.2:443" }), packet.tcp({ src: "10.244.0.9" })]);
    expect(policy.events("denials")).toHaveEvents([
      { saddr: hostOrder(from), daddr: hostOrder("10.244.0.2"), identity: 1, sport: 1234, dport: 443 },
      { saddr: hostOrder("10.244.0.9"), identity: 0 },
    ]);
  });

  test("a full ring buffer loses denials, not the policy", async () => {
    using policy = await loadPolicy({ ...options, maps: { denials: { maxEntries: 4096 } } });
    const results = policy.runAll(Array.from({ length: 200 }, () => packet.tcp({ src: "10.244.0.9" })));
    for (const result of results) expect(result).toDrop();
    expect(policy.events("denials").length).toBeLessThan(200);
    expect(policy.map("verdicts")).toHaveEntry(DROP, { value: 200 });
  });

  test("without room for counters it judges all the same", async () => {
    using policy = await loadPolicy({ ...options, maps: { verdicts: { maxEntries: 1 } } });
    expect(policy.run(packet.tcp({ src: "10.244.0.9" }))).toDrop();
  });

  // The kernel's test run takes none that are shorter than their headers.
  // prettier-ignore
  test.skipIf(options.against === "kernel").each([
    ["Ethernet", new Uint8Array(13)],
    ["IPv4",     packet(ethernet({ type: 0x800 }), "short")],
  ])("shorter than a header of %s", async (_name, bytes) => {
    using policy = await loadPolicy(options);
    expect(policy.run(bytes)).toDrop();
  });
});
