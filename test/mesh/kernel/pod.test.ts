// to_pod and from_pod on real packets of two pods that may do little: datagrams in fragments, ICMP errors that belong to a flow,
// and a policy that changes under a connection. Policies are written by hand.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noKernel } from "../../kernel/bed.ts";
import { createPair, runIn } from "./pair.ts";
import type { Pair } from "./pair.ts";

/** The client may open everything and is open to nothing; the server is open to UDP 7000 and 7002 and may open nothing. */
const [CLIENT, SERVER, CLOSED] = [5, 6, 7];
const [DENY, ALLOW] = [0, 1];
const UDP = 17;
const RULE = 70;
const SIZE = 4000;

const TALK = `
const dgram = require("node:dgram");
const ask = (host, port) => new Promise((done) => {
  const s = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  const end = (what) => { clearTimeout(late); s.close(); done(what); };
  const late = setTimeout(() => end("nothing"), 400);
  s.on("message", (m) => end(m.length)).on("error", (e) => end(e.code));
  s.connect(port, host, () => s.send(Buffer.alloc(${SIZE}, 7)));
});
const serve = (port) => new Promise((up) => {
  const s = dgram.createSocket({ type: "udp6", ipv6Only: false });
  s.on("message", (m, from) => s.send(m, from.port, from.address)).bind(port, () => up());
});
`;

describe.skipIf(noKernel)("two pods", () => {
  let pair: Pair;
  let server: { kill(): void } | undefined;

  beforeAll(async () => {
    pair = await createPair({ cgroup: [] });
    const judge = (policy: number, direction: number, more: object): void => {
      const nothing = { ports: 0, rule: 0, action: DENY, flags: 0, l7: 0, reserved: 0 };
      pair.object.map("judgements").set({ policy, identity: 0, direction }, { ...nothing, ...more });
    };
    judge(CLIENT, 0, {});
    judge(CLIENT, 1, { action: ALLOW });
    judge(SERVER, 0, { ports: 9, flags: 1 });
    judge(SERVER, 1, {});
    for (const port of [7000, 7002]) {
      const verdict = { rule: RULE, action: ALLOW, reserved: 0, l7: 0 };
      pair.object.map("verdicts").set({ ports: 9, port, protocol: UDP, reserved: 0 }, verdict);
    }
    pair.give(pair.a, CLIENT);
    pair.give(pair.b, SERVER);
    const script = `${TALK} Promise.all([serve(7000), serve(7001)]).then(() => console.log("up"))`;
    const started = runIn(pair.b, process.execPath, ["-e", script]);
    server = started;
    expect(await started.first).toBe("up");
  }, 60_000);
  afterAll(() => {
    server?.kill();
    pair?.close();
  });

  async function ask(port: number): Promise<unknown> {
    const hosts = ["10.88.0.2", "fd88::2"];
    const script = `${TALK} Promise.all(${JSON.stringify(hosts)}.map((host) => ask(host, ${port}))).then((r) => { console.log(JSON.stringify(r)); process.exit(); })`;
    const { lines } = await runIn(pair.a, process.execPath, ["-e", script]).ended;
    return JSON.parse(lines[0] ?? "null");
  }

  /** Reasons and rules of what was dropped since the last call. */
  function drops(): { reason: number; destinationPort: number }[] {
    const ring = pair.object.ringbuf<{ kind: number; reason: number; destinationPort: number }>("events");
    const found = [];
    for (let event = ring.read(); event !== undefined; event = ring.read())
      if (event.kind === 2) found.push({ reason: event.reason, destinationPort: event.destinationPort });
    ring.close();
    return found;
  }

  test("an allowed datagram in fragments, and its answer in fragments", async () => {
    drops();
    expect(await ask(7000)).toEqual([SIZE, SIZE]);
    expect(drops().filter(({ destinationPort }) => destinationPort === 7000)).toEqual([]);
    expect([...pair.object.map("fragments").entries()].length).toBeGreaterThanOrEqual(4);
  });

  test("a denied one: no fragment gets through", async () => {
    drops();
    expect(await ask(7001)).toEqual(["nothing", "nothing"]);
    const told = drops().filter(({ destinationPort }) => destinationPort === 7001);
    expect(told).toEqual([
      { reason: 133, destinationPort: 7001 },
      { reason: 133, destinationPort: 7001 },
    ]);
  });

  test("nobody listens: the ICMP error comes through both pods", async () => {
    expect(await ask(7002)).toEqual(["ECONNREFUSED", "ECONNREFUSED"]);
  });

  test("a revoked policy cuts what goes on", async () => {
    pair.object
      .map("judgements")
      .set(
        { policy: CLOSED, identity: 0, direction: 0 },
        { ports: 0, rule: 71, action: DENY, flags: 0, l7: 0, reserved: 0 },
      );
    pair.give(pair.b, CLOSED);
    drops();
    expect(await ask(7000)).toEqual(["nothing", "nothing"]);
    expect(drops()).toContainEqual({ reason: 181, destinationPort: 7000 });
    pair.give(pair.b, SERVER);
    expect(await ask(7000)).toEqual([SIZE, SIZE]);
  });
});
