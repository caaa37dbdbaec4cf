/** programs/examples/egress-guard.ts: which destinations the processes of a cgroup reach, and what is counted. */
import { expect, test } from "vitest";
import { ethernet, loadObject, packet } from "../../testing/index.ts";
import type { LoadOptions, TestObject } from "../../testing/index.ts";
import { describeProgram, hostOrder, networkOrder, pathOf } from "./example.ts";

interface Prefix {
  readonly prefixLength: number;
  readonly address_be: number;
}
interface Count {
  readonly value: bigint;
}

const PODS: Prefix = { prefixLength: 16, address_be: networkOrder("10.244.0.0") };

async function loadGuard(options: LoadOptions): Promise<TestObject> {
  const guard = await loadObject(pathOf("examples/egress-guard"), options);
  guard.map<Prefix, Count>("allowed").set(PODS, { value: 0n });
  return guard;
}

describeProgram("examples/egress-guard", (options) => {
  // prettier-ignore
  test.each<[string, "pass" | "drop", Uint8Array]>([
    ["to a listed prefix",      "pass", packet.tcp({ dst: "10.244.9.2:80" })],
    ["UDP to a listed prefix",  "pass", packet.udp({ dst: "10.244.9.2:53" })],
    ["beside it",               "drop", packet.tcp({ dst: "10.245.0.1:80" })],
    ["the metadata service",    "drop", packet.tcp({ dst: "169.254.169.254:80" })],
    ["IPv6",                    "drop", packet.tcp({ dst: "fd00::2" })],
    ["no whole header",         "drop", packet(ethernet(), "too short")],
  ])("%s: %s", async (_name, verdict, bytes) => {
    using guard = await loadGuard(options);
    const result = guard.program("egress").run(bytes);
    if (verdict === "drop") expect(result).toDrop();
    else expect(result).toPass();
  });

  test("what comes in passes, whoever sent it", async () => {
    using guard = await loadGuard(options);
    expect(guard.program("ingress").run(packet.tcp({ src: "192.0.2.1" }))).toPass();
  });

  test("bytes are counted by prefix, refusals by destination", async () => {
    using guard = await loadGuard(options);
    const good = packet.tcp({ dst: "10.244.9.2:80", payload: "hello" });
    const bad = packet.tcp({ dst: "192.0.2.1:80" });
    for (const bytes of [good, bad, good, bad, bad]) guard.program("egress").run(bytes);
    expect(guard.map("allowed")).toHaveEntry(PODS, { value: 2 * (good.length - 14) });
    expect(guard.map("refused")).toHaveEntry(hostOrder("192.0.2.1"), { value: 3 });
  });
});
