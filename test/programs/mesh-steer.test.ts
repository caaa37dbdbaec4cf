/** programs/mesh: steer (sk_lookup in a pod's namespace) acts on the verdicts that to_pod left. */
import type { SocketFields } from "../../lib/vm/index.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeProgram } from "./example.ts";
import { ALLOW, DENY, Node, PROTOCOLS, REDIRECT, flowKey, pathOfMesh, words } from "./mesh.ts";

const [DROP, PASS] = [0, 1];
const CLIENT = "10.0.0.3";

describeProgram("mesh/steer", (options) => {
  const simulated = options.against !== "kernel";
  let shared: Node;
  beforeAll(async () => {
    shared = await Node.load(options, { source: pathOfMesh("steer") });
  }, 120_000);
  afterAll(() => shared[Symbol.dispose]());

  const start = (): Node => {
    shared.reset();
    shared.endpoint();
    return shared;
  };

  /** What to_pod would have left of a SYN. */
  function judged(
    node: Node,
    action: number,
    map: "flows" | "halfOpen" = "halfOpen",
    [local, remote] = ["10.0.0.2", CLIENT],
  ): void {
    const flow = {
      opened: 1n, seen: 1n, packets: 1n, bytes: 1n, replyPackets: 0n, replyBytes: 0n, generation: 1, identities: 0, identity: 2000,
      rule: 13, endpoint: 1, direction: 0, action, state: 0, ended: 0, l7: 5, port: 80, steered: 1, reserved: 0, askedPort: 0, askedHi: 0n, askedLo: 0n,
    }; // prettier-ignore
    node.object.map(map).set(flowKey([local, 80], [remote, 4000], PROTOCOLS.tcp), flow);
  }

  /** The waypoint's listener of endpoint 1. */
  function listen({ object }: Node, fields: SocketFields): void {
    object.machine?.socketMap("listeners").setSocket(new Uint8Array([1, 0, 0, 0]), object.createSocket(fields));
  }

  const lookUp = (node: Node, fields: Record<string, unknown> = {}): number | null =>
    node.object.program("steer").run({
      context: {
        family: 2, protocol: 6, remote_ip4: CLIENT, remote_port: 4000, local_ip4: "10.0.0.2", local_port: 80, ...fields,
      } as Record<string, number | string>,
    }).returnValue; // prettier-ignore

  test.each([
    ["allowed", ALLOW, PASS],
    ["denied and audited", DENY, PASS],
    ["redirected, but nobody listens", REDIRECT, DROP],
  ])("a connection that is %s", (_name, action, expected) => {
    const node = start();
    judged(node, action);
    expect(lookUp(node)).toBe(expected);
    expect(node.flow("halfOpen", flowKey(["10.0.0.2", 80], [CLIENT, 4000], PROTOCOLS.tcp))).toMatchObject({
      steered: 0,
    });
    judged(node, action, "flows");
    node.object.map("halfOpen").delete(flowKey(["10.0.0.2", 80], [CLIENT, 4000], PROTOCOLS.tcp));
    expect(lookUp(node)).toBe(expected);
  });

  test("what nobody judged does not connect to a pod, and is none of ours elsewhere", () => {
    const node = start();
    expect(lookUp(node)).toBe(DROP);
    expect(lookUp(node, { local_ip4: "127.0.0.1", remote_ip4: "127.0.0.2" })).toBe(PASS);
    node.host("10.0.0.9", 1);
    expect(lookUp(node, { local_ip4: "10.0.0.9" })).toBe(PASS);
  });

  test("UDP, and the pod to itself", () => {
    const node = start();
    expect(lookUp(node, { protocol: 17 })).toBe(PASS);
    expect(lookUp(node, { remote_ip4: "10.0.0.2" })).toBe(PASS);
  });

  test("IPv6", () => {
    const node = start();
    const [local, remote] = ["fd00::2", "fd00::3"];
    const v6 = { family: 10, local_ip6: local, remote_ip6: remote };
    expect(lookUp(node, { ...v6, remote_ip6: local })).toBe(PASS);
    expect(lookUp(node, { ...v6, remote_ip6: "fd00:0:0:1::2" })).toBe(DROP);
    expect(lookUp(node, v6)).toBe(DROP);
    judged(node, ALLOW, "halfOpen", [local, remote]);
    expect(lookUp(node, v6)).toBe(PASS);
  });

  test.skipIf(!simulated)("a listener that cannot take it", () => {
    const node = start();
    listen(node, { family: 2, type: 2, protocol: 17 });
    judged(node, REDIRECT);
    expect(lookUp(node)).toBe(DROP);
    expect(node.flow("halfOpen", flowKey(["10.0.0.2", 80], [CLIENT, 4000], PROTOCOLS.tcp))).toMatchObject({
      steered: 0,
    });
  });

  test.skipIf(!simulated)("to the listener, which learns who calls", () => {
    const node = start();
    listen(node, { family: 2, type: 1, protocol: 6, state: 10, src_ip4: "10.0.0.2", src_port: 15006 });
    judged(node, REDIRECT);
    expect(lookUp(node)).toBe(PASS);
    expect(node.flow("halfOpen", flowKey(["10.0.0.2", 80], [CLIENT, 4000], PROTOCOLS.tcp))).toMatchObject({
      steered: 1,
    });
    const [pod, peer] = [words("10.0.0.2"), words(CLIENT)];
    expect([...node.object.map("steered").entries()]).toMatchObject([
      [
        {
          clientHi: peer.hi,
          clientLo: peer.lo,
          serverHi: pod.hi,
          serverLo: pod.lo,
          clientPort: 4000,
          serverPort: 80,
          endpoint: 0,
        },
        {
          originalHi: pod.hi,
          originalLo: pod.lo,
          originalPort: 80,
          l7: 5,
          identity: 2000,
          endpoint: 1,
          rule: 13,
          direction: 0,
        },
      ],
    ]);
  });
});
