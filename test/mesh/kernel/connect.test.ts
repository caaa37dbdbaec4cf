// Policy at connect(): what is denied fails at once and is told, what HTTP rules decide goes to the waypoint's place in the pod,
// which learns where to. Two pods, real sockets, policies written by hand.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { noKernel } from "../../kernel/bed.ts";
import { ALLOW_ALL, DENY_ALL, createPair, runIn, words } from "./pair.ts";
import type { Pair } from "./pair.ts";

const WAYPOINT = 15001;
const REDIRECT_ALL = 3;
const RULE = 9;
const L7 = 44;
const UP = 2;

interface Seen {
  readonly peer?: string;
  readonly local?: string;
  readonly error?: string;
  readonly ms: number;
}

const CLIENT = `
const net = require("node:net");
const tcp = (host, port, more = {}) => new Promise((done) => {
  const start = Date.now();
  const s = net.connect({ host, port, autoSelectFamily: false, ...more });
  s.on("connect", () => { done({ peer: s.remoteAddress + " " + s.remotePort, local: s.localAddress + " " + s.localPort, ms: Date.now() - start }); s.destroy(); });
  s.on("error", (e) => done({ error: e.code, ms: Date.now() - start }));
  setTimeout(() => { s.destroy(); done({ error: "timeout", ms: Date.now() - start }); }, 800);
});
const listen = (host, port) => new Promise((done) => { const s = net.createServer((c) => c.on("error", () => {})).listen(port, host, () => done(s)); });
`;

describe.skipIf(noKernel)("policy at connect()", () => {
  let pair: Pair;
  let server: { kill(): void } | undefined;

  beforeAll(async () => {
    const sockets = ["connect4", "connect6", "peername4", "peername6"].map((hook) => `sock_${hook}`);
    pair = await createPair({ cgroup: [...sockets, "sock_ops"] });
    const redirect = { ports: 0, rule: RULE, action: 2, flags: 0, l7: L7, reserved: 0 };
    pair.object.map("judgements").set({ policy: REDIRECT_ALL, identity: 0, direction: 1 }, redirect);
    const started = runIn(pair.b, process.execPath, [
      "-e",
      `${CLIENT} Promise.all([listen("0.0.0.0", 80), listen("::1", 81), listen("fd88::2", 80)]).then(() => console.log("up"))`,
    ]);
    server = started;
    expect(await started.first).toBe("up");
  });
  afterAll(() => {
    server?.kill();
    pair?.close();
  });
  beforeEach(() => {
    pair.set(0, WAYPOINT);
    pair.flag(pair.a, UP);
    events();
  });

  async function see(script: string): Promise<Seen[]> {
    const code = `${CLIENT}(async () => { ${script} })().then((r) => { console.log(JSON.stringify([r].flat())); process.exit(); });`;
    const { lines } = await runIn(pair.a, process.execPath, ["-e", code]).ended;
    return JSON.parse(lines[0] ?? "null") as Seen[];
  }

  interface Event {
    readonly sourceLo: bigint;
    readonly destinationLo: bigint;
    readonly destinationPort: number;
    readonly sourceIdentity: number;
    readonly destinationIdentity: number;
    readonly endpoint: number;
    readonly kind: number;
    readonly reason: number;
    readonly rule: number;
    readonly l7: number;
  }

  /** What was told since the last call. */
  function events(): Event[] {
    const ring = pair.object.ringbuf<Event>("events");
    const all: Event[] = [];
    for (let event = ring.read(); event !== undefined; event = ring.read()) all.push(event);
    ring.close();
    return all;
  }

  test("allowed: a connection as without programs", async () => {
    pair.give(pair.a, ALLOW_ALL);
    const [v4, v6, mapped] = await see(
      'return [await tcp("10.88.0.2", 80), await tcp("fd88::2", 80), await tcp("::ffff:10.88.0.2", 80)]',
    );
    expect([v4?.peer, v6?.peer, mapped?.peer]).toEqual(["10.88.0.2 80", "fd88::2 80", "::ffff:10.88.0.2 80"]);
  });

  test("denied: EPERM at once, told once with both ends", async () => {
    pair.give(pair.a, DENY_ALL);
    const seen = await see(
      'return [await tcp("10.88.0.2", 80), await tcp("fd88::2", 80), await tcp("::ffff:10.88.0.2", 80)]',
    );
    expect(seen.map(({ error }) => error)).toEqual(["EPERM", "EPERM", "EPERM"]);
    for (const { ms } of seen) expect(ms).toBeLessThan(300);
    const told = events();
    expect(told).toHaveLength(2);
    expect(told[0]).toMatchObject({
      sourceLo: words("10.88.0.1").lo,
      destinationLo: words("10.88.0.2").lo,
      destinationPort: 80,
      sourceIdentity: 300,
      destinationIdentity: 301,
      endpoint: 1,
      kind: 2,
      reason: 133,
    });
  });

  test("denied in audit mode: passes here, and tcx tells", async () => {
    pair.give(pair.a, DENY_ALL);
    pair.set(2, WAYPOINT);
    const [seen] = await see('return tcp("10.88.0.2", 80)');
    expect(seen?.peer).toBe("10.88.0.2 80");
    expect(events().map(({ kind }) => kind)).toContain(4);
  });

  test("within the pod nobody is asked", async () => {
    pair.give(pair.a, DENY_ALL);
    const seen = await see(`
      const open = await Promise.all([listen("::", 90), listen("0.0.0.0", 91)]);
      return Promise.all([tcp("127.0.0.1", 91), tcp("127.8.9.1", 91), tcp("10.88.0.1", 91), tcp("0.0.0.0", 91), tcp("::1", 90), tcp("fd88::1", 90), tcp("::ffff:127.0.0.1", 91)]);`);
    expect(seen.map(({ error }) => error)).toEqual(Array.from({ length: 7 }, () => undefined));
    expect(events()).toEqual([]);
  });

  test("a locked pod connects to nobody", async () => {
    pair.give(pair.a, ALLOW_ALL);
    pair.flag(pair.a, 1);
    const [seen] = await see('return tcp("10.88.0.2", 80)');
    expect(seen?.error).toBe("EPERM");
    expect(events()[0]).toMatchObject({ reason: 221 });
  });

  test.each([
    ["IPv4", "10.88.0.2", "10.88.0.2", "127.0.0.1"],
    ["IPv6", "fd88::2", "fd88::2", "::1"],
    ["IPv4 on an IPv6 socket", "::ffff:10.88.0.2", "10.88.0.2", "::ffff:127.0.0.1"],
  ])(
    "HTTP rules, %s: to the waypoint's listener, which learns where to; the peer is who was asked for",
    async (_, host, original, local) => {
      pair.give(pair.a, REDIRECT_ALL);
      const [client] = await see(`await listen("::", ${WAYPOINT}); return tcp("${host}", 80)`);
      expect(client?.peer).toBe(`${host} 80`);
      expect(client?.local?.startsWith(local)).toBe(true);
      const port = Number(client?.local?.split(" ").at(-1));
      interface Key {
        readonly clientPort: number;
        readonly serverPort: number;
        readonly endpoint: number;
        readonly clientLo: bigint;
      }
      interface Row {
        readonly originalLo: bigint;
        readonly originalHi: bigint;
        readonly originalPort: number;
        readonly l7: number;
        readonly rule: number;
        readonly identity: number;
        readonly endpoint: number;
        readonly direction: number;
      }
      const rows = [...pair.object.map<Key, Row>("steered")].filter(([key]) => key.clientPort === port);
      expect(rows).toHaveLength(1);
      expect(rows[0]?.[0]).toMatchObject({ serverPort: WAYPOINT, endpoint: 1, clientLo: words(local).lo });
      const { hi, lo } = words(original);
      expect(rows[0]?.[1]).toMatchObject({
        originalHi: hi,
        originalLo: lo,
        originalPort: 80,
        l7: L7,
        rule: RULE,
        identity: 301,
        endpoint: 1,
        direction: 1,
      });
    },
  );

  test("HTTP rules without a waypoint: refused, with a reason of its own", async () => {
    pair.give(pair.a, REDIRECT_ALL);
    for (const [port, flags] of [
      [0, UP],
      [WAYPOINT, 0],
    ] as const) {
      pair.set(0, port);
      pair.flag(pair.a, flags);
      const [seen] = await see('return tcp("10.88.0.2", 80)');
      expect(seen?.error).toBe("EPERM");
    }
    expect(events()[0]).toMatchObject({ reason: 220, rule: RULE, l7: L7 });
  });

  test("a process that is not in the pod's cgroup is not caught: the waypoint's own", async () => {
    pair.give(pair.a, REDIRECT_ALL);
    const code = `${CLIENT}tcp("10.88.0.2", 80).then((r) => { console.log(JSON.stringify(r)); process.exit(); });`;
    const { lines } = await runIn({ ...pair.a, cgroup: pair.a.node.cgroup }, process.execPath, ["-e", code]).ended;
    // tcx, which knows no flow of the waypoint's here, drops it.
    expect((JSON.parse(lines[0] ?? "") as Seen).error).toBe("timeout");
  });
});
