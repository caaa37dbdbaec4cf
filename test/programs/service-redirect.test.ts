/**
 * programs/examples/service-redirect.ts: connect() to a service becomes connect() to its backend, and getpeername() says what
 * the application asked for. The kernel has no test run for these: there, a process in a throw-away cgroup connects.
 */
import { expect, test } from "vitest";
import { attachCgroup } from "../../loader/index.ts";
import { loadObject } from "../../testing/index.ts";
import type { LoadOptions, TestObject } from "../../testing/index.ts";
import { Bed } from "../kernel/bed.ts";
import { describeProgram, hostOrder, pathOf } from "./example.ts";

interface Endpoint {
  readonly ip: number;
  readonly port: number;
  readonly protocol: number;
}

const SERVICE: Endpoint = { ip: hostOrder("10.96.0.10"), port: 80, protocol: 6 };
const BACKEND: Endpoint = { ip: hostOrder("10.244.0.2"), port: 8080, protocol: 6 };
const CONNECT = { user_ip4: "10.96.0.10", user_port: 80, protocol: 6 };

async function loadRedirect(options: LoadOptions): Promise<TestObject> {
  const object = await loadObject(pathOf("examples/service-redirect"), options);
  object.map<Endpoint, Endpoint>("services").set(SERVICE, BACKEND);
  object.map<Endpoint, { value: bigint }>("redirected").set(SERVICE, { value: 0n });
  return object;
}

describeProgram(
  "examples/service-redirect",
  (options) => {
    test("a connection to a service goes to its backend", async () => {
      using object = await loadRedirect(options);
      const result = object.program("redirect").run({ context: CONNECT });
      expect(result).toPass();
      expect(result.context).toMatchObject({ user_ip4: "10.244.0.2", user_port: 8080 });
      expect(object.map("redirected")).toHaveEntry(SERVICE, { value: 1 });
    });

    test("others go where they want to", async () => {
      using object = await loadRedirect(options);
      for (const other of [{ user_ip4: "10.96.0.11" }, { user_port: 81 }, { protocol: 17 }]) {
        const result = object.program("redirect").run({ context: { ...CONNECT, ...other } });
        expect(result).toPass();
        expect(result.context).toMatchObject({ ...CONNECT, ...other });
      }
      expect(object.map("redirected")).toHaveEntry(SERVICE, { value: 0 });
    });

    test("the peer is the service, to the socket that asked for it", async () => {
      using object = await loadRedirect(options);
      const [asked, other] = [object.createSocket(), object.createSocket()];
      object.program("redirect").run({ context: CONNECT, socket: asked });
      const peer = { user_ip4: "10.244.0.2", user_port: 8080, protocol: 6 };
      const seen = object.program("peer").run({ context: peer, socket: asked });
      expect(seen).toPass();
      expect(seen.context).toMatchObject({ user_ip4: "10.96.0.10", user_port: 80 });
      expect(object.program("peer").run({ context: peer, socket: other }).context).toMatchObject(peer);
    });

    test("a service that nobody counts", async () => {
      using object = await loadRedirect(options);
      object.map("redirected").delete(SERVICE as never);
      expect(object.program("redirect").run({ context: CONNECT }).context).toMatchObject({ user_ip4: "10.244.0.2" });
    });

    test("where the origin cannot be kept, the connection is refused", async () => {
      using object = await loadRedirect({ ...options, maps: { origins: { type: "hash", maxEntries: 1 } } });
      const redirect = object.program("redirect");
      expect(redirect.run({ context: CONNECT, socket: object.createSocket() })).toPass();
      expect(redirect.run({ context: CONNECT, socket: object.createSocket() })).toDrop();
    });
  },
  (options) => {
    const LISTEN = `const s = require("node:net").createServer((c) => c.end("backend")).listen(0, "127.0.0.1", () => console.log(s.address().port))`;
    const CONNECT_TO = (
      address: string,
      port: number,
    ): string => `const c = require("node:net").connect(${port}, "${address}", () =>
      c.on("data", (d) => console.log([c.remoteAddress, c.remotePort, d].join(" ")))).on("error", (e) => console.log(e.code))`;

    test("a process that connects to the service talks to the backend, and believes it is the service", async () => {
      await using bed = new Bed();
      const [netns, cgroup] = [bed.netns("a"), bed.cgroup()];
      const port = Number((await bed.start(LISTEN, { netns })).first);
      using object = await loadRedirect(options);
      object.map<Endpoint, Endpoint>("services").set(SERVICE, { ip: hostOrder("127.0.0.1"), port, protocol: 6 });
      const { kernel } = object;
      if (kernel === null) throw new Error("not in the kernel");
      using _connects = attachCgroup(kernel.program("redirect"), cgroup);
      using _peers = attachCgroup(kernel.program("peer"), cgroup);
      const at = { netns, cgroup };
      expect(bed.run(CONNECT_TO("10.96.0.10", 80), at)).toBe("10.96.0.10 80 backend");
      expect(bed.run(CONNECT_TO("127.0.0.1", port), at)).toBe(`127.0.0.1 ${port} backend`);
      expect(bed.run(CONNECT_TO("10.96.0.11", 80), at)).toBe("ENETUNREACH");
      expect(object.map("redirected")).toHaveEntry(SERVICE, { value: 1 });
    });
  },
);
