/**
 * programs/examples/socket-shortcut.ts: what one socket of a node sends to another goes straight into its receive queue. The
 * kernel has no test run for these: there, processes in a throw-away cgroup talk.
 */
import { expect, test } from "vitest";
import { attachCgroup, attachSockmap } from "../../loader/index.ts";
import type { Socket } from "../../lib/vm/index.ts";
import { loadObject } from "../../testing/index.ts";
import type { LoadOptions, TestObject, TestResult } from "../../testing/index.ts";
import { Bed } from "../kernel/bed.ts";
import { describeProgram, pathOf } from "./example.ts";

/** enum of bpf_sock_ops callbacks, include/uapi/linux/bpf.h. */
const [TCP_CONNECT, ACTIVE, PASSIVE] = [3, 4, 5];
const INET6 = 10;
const [NORMAL, SHORT] = [0, 1];
const CLIENT = { local_ip4: "10.244.0.1", remote_ip4: "10.244.0.2", local_port: 40000, remote_port: 80 };
const SERVER = { local_ip4: "10.244.0.2", remote_ip4: "10.244.0.1", local_port: 80, remote_port: 40000 };

const load = (options: LoadOptions): Promise<TestObject> => loadObject(pathOf("examples/socket-shortcut"), options);

function establish(
  object: TestObject,
  op: number | undefined,
  end: typeof CLIENT,
  family = 2,
): { socket: Socket; result: TestResult } {
  const socket = object.createSocket();
  return { socket, result: object.program("remember").run({ socket, context: { op: op ?? 0, family, ...end } }) };
}

const send = (object: TestObject, from: typeof CLIENT): TestResult =>
  object.program("shortcut").run({ packet: new TextEncoder().encode("hello"), context: from });

describeProgram(
  "examples/socket-shortcut",
  (options) => {
    test("between two sockets of the node, messages take the shortcut", async () => {
      using object = await load(options);
      const client = establish(object, ACTIVE, CLIENT);
      const server = establish(object, PASSIVE, SERVER);
      expect(client.result).toReturnCode(1);
      expect(server.result).toReturnCode(1);
      const result = send(object, CLIENT);
      expect(result).toPass();
      expect(result.redirects).toMatchObject([{ kind: "socket", map: "sockets", ingress: true }]);
      const [redirect] = result.redirects ?? [];
      expect(redirect?.kind === "socket" && redirect.socket === server.socket).toBe(true);
      expect(object.map("messages")).toHaveEntry(SHORT, { value: 1 });
      expect(object.map("messages")).toHaveEntry(NORMAL, { value: 0 });
    });

    test("to a socket elsewhere, they do not", async () => {
      using object = await load(options);
      establish(object, ACTIVE, CLIENT);
      const result = send(object, CLIENT);
      expect(result).toPass();
      expect(result.redirects).toEqual([]);
      expect(object.map("messages")).toHaveEntry(NORMAL, { value: 1 });
    });

    // prettier-ignore
    test.each([["another callback", TCP_CONNECT, 2], ["IPv6", ACTIVE, INET6]])("%s is not remembered", async (_name, op, family) => {
      using object = await load(options);
      expect(establish(object, op, SERVER, family).result).toReturnCode(1);
      expect(send(object, CLIENT).redirects).toEqual([]);
    });

    test("without room for it, a connection goes the normal way", async () => {
      using object = await load({ ...options, maps: { sockets: { maxEntries: 1 } } });
      establish(object, ACTIVE, CLIENT);
      expect(establish(object, PASSIVE, SERVER).result).toReturnCode(1);
      expect(send(object, CLIENT).redirects).toEqual([]);
    });

    test("to a socket that has gone, the message is dropped", async () => {
      using object = await load(options);
      establish(object, PASSIVE, SERVER);
      const sockets = object.machine?.socketMap("sockets");
      for (const key of sockets?.keys() ?? []) sockets?.delete(key);
      expect(send(object, CLIENT)).toDrop();
    });

    test("without room for counters it works all the same", async () => {
      using object = await load({ ...options, maps: { messages: { maxEntries: 1 } } });
      establish(object, PASSIVE, SERVER);
      expect(send(object, CLIENT).redirects).toHaveLength(1);
      using none = await load({ ...options, maps: { messages: { type: "hash" } } });
      expect(send(none, CLIENT)).toPass();
    });
  },
  (options) => {
    const LISTEN = `const s = require("node:net").createServer((c) => c.pipe(c)).listen(0, "127.0.0.1", () => console.log(s.address().port))`;
    const ECHO = (
      port: number,
    ): string => `let n = 0; const c = require("node:net").connect(${port}, "127.0.0.1", () => c.write("0"))
      .on("data", (d) => ++n < 20 ? c.write(String(n)) : (console.log("last " + d), c.end()))`;

    test("messages of two processes take the shortcut; from outside they do not", async () => {
      await using bed = new Bed();
      const [netns, cgroup] = [bed.netns("a"), bed.cgroup()];
      using object = await load(options);
      const { kernel } = object;
      if (kernel === null) throw new Error("not in the kernel");
      using _remembers = attachCgroup(kernel.program("remember"), cgroup);
      const shortcut = attachSockmap(kernel.program("shortcut"), kernel.map("sockets"));
      try {
        const port = Number((await bed.start(LISTEN, { netns, cgroup })).first);
        expect(bed.run(ECHO(port), { netns })).toBe("last 19");
        expect(object.map("messages")).toHaveEntry(SHORT, { value: 0 });
        expect(object.map("messages")).toHaveEntry(NORMAL, { value: 20 });
        expect(bed.run(ECHO(port), { netns, cgroup })).toBe("last 19");
        expect(object.map("messages")).toHaveEntry(SHORT, { value: 40 });
      } finally {
        shortcut.detach();
      }
    });
  },
);
