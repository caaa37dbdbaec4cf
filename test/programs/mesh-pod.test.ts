/** programs/mesh: the authority over a pod's traffic (to_pod and from_pod). */
import { describe, expect, test } from "vitest";
import { packet, targets } from "../../testing/index.ts";
import "../../testing/vitest.ts";
import { ALLOW, DENY, EGRESS, INGRESS, Node, PROTOCOLS } from "./mesh.ts";

describe.each(targets())("mesh/pod, $title", ({ skip, options }) => {
  if (skip) return;
  test("a rule lets a connection in, its replies out, and nothing else", async () => {
    using node = await Node.load(options);
    node.endpoint();
    node.host("10.0.0.3", 2000);
    node.policy(1, [
      { identity: 0, direction: INGRESS, says: [DENY, 0] },
      {
        identity: 2000,
        direction: INGRESS,
        says: [DENY, 0],
        ports: [{ protocol: PROTOCOLS.tcp, port: 80, says: [ALLOW, 7] }],
      },
      { identity: 0, direction: EGRESS, says: [DENY, 0] },
    ]);
    expect(node.toPod(packet.tcp({ src: "10.0.0.3:4000", dst: "10.0.0.2:80", flags: "S" }))).toPass();
    expect(node.fromPod(packet.tcp({ dst: "10.0.0.3:4000", src: "10.0.0.2:80", flags: "SA" }))).toPass();
    expect(node.toPod(packet.tcp({ src: "10.0.0.3:4000", dst: "10.0.0.2:81", flags: "S" }))).toDrop();
    expect(node.events()).toMatchObject([
      { kind: 2, reason: 133, rule: 0, sourceIdentity: 2000, destinationIdentity: 1000, destinationPort: 81 },
    ]);
    expect([...node.object.map("flows").entries()]).toMatchObject([
      [{ localPort: 80 }, { rule: 7, packets: 1n, replyPackets: 1n, state: 1 }],
    ]);
  });
});
