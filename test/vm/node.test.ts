// The node by its API: what its interfaces carry, what time brings, how attachments are ordered and told of.
import { describe, expect, test } from "vitest";
import { readFrames, writePcap } from "../../lib/packet/index.ts";
import { createMachine, createNode } from "../../lib/vm/index.ts";
import type { Attachment, Machine, Namespace, Node } from "../../lib/vm/index.ts";
import { compiledProgram } from "../scenarios/compiled.ts";

/** Two pods behind the node's own namespace, which routes between them. */
function pods(): { node: Node; client: Namespace; server: Namespace; router: Namespace } {
  const node = createNode();
  const router = node.namespace("node");
  const [client, server] = [node.namespace("client"), node.namespace("server")];
  router.forwarding = true;
  node.veth(
    { namespace: router, name: "va", addresses: ["10.1.0.1/24"] },
    { namespace: client, name: "eth0", addresses: ["10.1.0.2/24"] },
  );
  node.veth(
    { namespace: router, name: "vb", addresses: ["10.2.0.1/24"] },
    { namespace: server, name: "eth0", addresses: ["10.2.0.2/24"] },
  );
  client.route("default", { via: "10.1.0.1" });
  server.route("default", { via: "10.2.0.1" });
  return { node, client, server, router };
}

const summaries = (node: Node): string[] =>
  node.log
    .of("packet")
    .filter((entry) => entry.interface === "vb" && entry.namespace === "node")
    .map(({ summary }) => summary);

test("a connection over two links: the handshake, data and the end as frames", () => {
  const { node, client, server, router } = pods();
  const listener = server.socket("tcp");
  expect([listener.bind("10.2.0.2:80"), listener.listen()]).toEqual(["ok", "ok"]);
  const socket = client.socket("tcp");
  expect(socket.connect("10.2.0.2:80")).toBe("ok");
  expect([socket.getsockname(), socket.getpeername()]).toEqual(["10.1.0.2:32768", "10.2.0.2:80"]);
  const accepted = listener.accept();
  expect(accepted.peer).toBe("10.1.0.2:32768");
  expect(socket.send("ping")).toBe(4);
  expect(accepted.recv()).toEqual(new TextEncoder().encode("ping"));
  expect([socket.close(), accepted.recv(), accepted.close()]).toEqual(["ok", new Uint8Array(0), "ok"]);
  expect(summaries(node)).toEqual([
    "TCP 10.1.0.2:32768 > 10.2.0.2:80 [S]",
    "TCP 10.2.0.2:80 > 10.1.0.2:32768 [S.]",
    "TCP 10.1.0.2:32768 > 10.2.0.2:80 [.]",
    "TCP 10.1.0.2:32768 > 10.2.0.2:80 [P.] 4 bytes",
    "TCP 10.2.0.2:80 > 10.1.0.2:32768 [.]",
    "TCP 10.1.0.2:32768 > 10.2.0.2:80 [F.]",
    "TCP 10.2.0.2:80 > 10.1.0.2:32768 [.]",
    "TCP 10.2.0.2:80 > 10.1.0.2:32768 [F.]",
    "TCP 10.1.0.2:32768 > 10.2.0.2:80 [.]",
  ]);
  const { captured } = router.interface("vb");
  expect(readFrames(writePcap(captured), "vb.pcap").map(({ bytes }) => bytes)).toEqual(
    captured.map(({ bytes }) => bytes),
  );
});

test("what is lost comes again, after the time that it takes", () => {
  const { node, client, server } = pods();
  const listener = server.socket("tcp");
  listener.bind("10.2.0.2:80");
  listener.listen();
  server.interface("eth0").up = false;
  const socket = client.socket("tcp");
  expect(socket.connect("10.2.0.2:80")).toBe("EINPROGRESS");
  expect(node.log.of("drop").map(({ reason }) => reason)).toEqual(["neighbour"]);
  server.interface("eth0").up = true;
  node.advance(999);
  expect(socket.state).toBe("SYN_SENT");
  node.advance(1);
  expect([socket.state, socket.connect("10.2.0.2:80")]).toEqual(["ESTABLISHED", "ok"]);
});

test.each([
  ["a port that nobody listens at", "10.2.0.2:81", "ECONNREFUSED"],
  ["a network without a route, answered by the router", "10.9.0.1:80", "EINPROGRESS"],
])("errors are names: %s", (_, address, errno) => {
  expect(pods().client.socket("tcp").connect(address)).toBe(errno);
});

describe("programs of a device and of a cgroup are in the order of bpf_mprog", () => {
  async function attached(place: (node: Node, machine: Machine) => Attachment[]): Promise<string[]> {
    const { node, client, server } = pods();
    const machine = createMachine(await compiledProgram("packets"), { host: node.host });
    for (let rule = 0; rule < 8; rule++) {
      const next = new Uint8Array(24);
      new DataView(next.buffer).setInt32(0, -1, true);
      machine.map("rules").set(Uint8Array.of(rule, 0, 0, 0), next);
    }
    expect(place(node, machine).map(({ errno }) => errno)).not.toContain("EINVAL");
    server.socket("udp").bind("10.2.0.2:53");
    client.socket("udp").sendTo("x", "10.2.0.2:53");
    return node.log.of("run").map(({ program }) => program);
  }
  const at = (node: Node): { interface: ReturnType<Namespace["interface"]> } => ({
    interface: node.namespace("node").interface("va"),
  });

  test.each([
    ["behind", (node: Node) => at(node), ["in1", "in2"]],
    ["in front", (node: Node) => ({ ...at(node), before: null }), ["in2", "in1"]],
    ["before another", (node: Node, first: Attachment) => ({ ...at(node), before: first }), ["in2", "in1"]],
    ["after another", (node: Node, first: Attachment) => ({ ...at(node), after: first }), ["in1", "in2"]],
  ] as const)("%s", async (_, where, order) => {
    const runs = await attached((node, machine) => {
      const first = node.attach(machine, "in1", at(node));
      return [first, node.attach(machine, "in2", where(node, first))];
    });
    expect(runs).toEqual(order);
  });

  test.each([
    ["behind", () => ({}), ["fromSocket", "fromSocket2"]],
    ["in front", () => ({ before: null }), ["fromSocket2", "fromSocket"]],
    ["before another", (first: Attachment) => ({ before: first }), ["fromSocket2", "fromSocket"]],
    ["after another", (first: Attachment) => ({ after: first }), ["fromSocket", "fromSocket2"]],
  ] as const)("of a cgroup: %s", async (_, where, order) => {
    const runs = await attached((node, machine) => {
      const first = node.attach(machine, "fromSocket", { cgroup: "/" });
      return [first, node.attach(machine, "fromSocket2", { cgroup: "/", ...where(first) })];
    });
    expect(runs).toEqual(order);
  });

  test("twice is refused; detached is gone", async () => {
    const runs = await attached((node, machine) => {
      const first = node.attach(machine, "in1", at(node));
      const again = node.attach(machine, "in1", at(node));
      expect([again.errno, first.detach(), first.detach()]).toEqual(["EEXIST", "ok", "ENOENT"]);
      return [first];
    });
    expect(runs).toEqual([]);
  });
});
