// The shortcut between two pods' sockets, tried hard: not one byte may be lost or come out of order, whatever is sent how, and
// whatever happens to policies meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noKernel } from "../../kernel/bed.ts";
import { ALLOW_ALL, DENY_ALL, NO_SHORTCUT, SHORTCUT, compileC, createPair, runIn } from "./pair.ts";
import type { Pair, Ran } from "./pair.ts";

const stream = noKernel ? null : compileC("stream");
const MB = 1_000_000;

interface FlowRow {
  packets: bigint;
  bytes: bigint;
  replyPackets: bigint;
  replyBytes: bigint;
  seen: bigint;
}

describe.skipIf(stream === null)("the shortcut", () => {
  let pair: Pair;
  let port = 7000;
  beforeAll(async () => {
    pair = await createPair();
  });
  afterAll(() => pair?.close());

  /** Packets that passed pod a's veth: what went by TCP. */
  const packets = (): number => {
    const { received, sent } = pair.bed.counters(pair.a);
    return received + sent;
  };

  /** The flow of the last exchange as the client's end has it. */
  function flow(): FlowRow | undefined {
    for (const [key, row] of pair.object.map<{ remotePort: number }, FlowRow>("flows")) {
      if (key.remotePort === port) return row;
    }
    return undefined;
  }

  interface Exchange {
    readonly sends: number;
    readonly receives: number;
    readonly client?: string[];
    readonly server?: string[];
    readonly v6?: boolean;
  }

  /** Starts both ends; resolves with what they printed. */
  async function start({
    sends,
    receives,
    client = [],
    server = [],
    v6 = false,
  }: Exchange): Promise<Promise<string[]>[]> {
    const seed = String(1 + Math.floor(Math.random() * 2 ** 31));
    const address = pair.b.pod.addresses[v6 ? 1 : 0] ?? "";
    port += 1;
    const common = [address, String(port), seed];
    const listening = runIn(pair.b, stream ?? "", ["listen", ...common, String(receives), String(sends), ...server]);
    await listening.first;
    const connecting = runIn(pair.a, stream ?? "", ["connect", ...common, String(sends), String(receives), ...client]);
    const told = async (ran: Promise<Ran>, skip: number): Promise<string[]> => {
      const lines = (await ran).lines.slice(skip);
      return lines.join() === "ok" ? lines : [...lines, `seed ${seed}`];
    };
    return [told(connecting.ended, 0), told(listening.ended, 1)];
  }

  const OK = [["ok"], ["ok"]];
  const exchange = async (what: Exchange): Promise<string[][]> => Promise.all(await start(what));

  // `shortcut`: every byte went past the devices; no more than the packets that open and close were seen there.
  test.each<[string, Exchange, "shortcut" | "both"]>([
    [
      "small messages, both ways at once",
      { sends: 200_000, receives: 200_000, client: ["small"], server: ["small"] },
      "shortcut",
    ],
    ["IPv6", { sends: 200_000, receives: 200_000, v6: true }, "shortcut"],
    ["one way", { sends: 900_000, receives: 0 }, "shortcut"],
    ["the other way", { sends: 0, receives: 900_000 }, "shortcut"],
    ["nothing at all", { sends: 0, receives: 0 }, "shortcut"],
    ["large, both ways, a slow reader", { sends: 8 * MB, receives: 8 * MB, server: ["slow"] }, "both"],
    ["large, one way, a slow reader", { sends: 8 * MB, receives: 0, server: ["slow"] }, "both"],
    ["large, one way, a reader that comes late", { sends: 8 * MB, receives: 0, server: ["late=200"] }, "both"],
    ["one half closes while the other goes on", { sends: 1000, receives: 2 * MB, server: ["pause=100"] }, "both"],
    [
      "closed while bytes are queued",
      { sends: 500_000, receives: 0, client: ["close"], server: ["late=100"] },
      "shortcut",
    ],
    [
      "closed while bytes are queued in both queues",
      { sends: 3 * MB, receives: 0, client: ["close"], server: ["late=100"] },
      "both",
    ],
  ])("%s", async (_, what, way) => {
    pair.set(SHORTCUT);
    const before = packets();
    expect(await exchange(what)).toEqual(OK);
    if (way === "shortcut") expect(packets() - before).toBeLessThanOrEqual(10);
  });

  test("every connection of many takes it, from the first byte on", async () => {
    pair.set(SHORTCUT);
    for (let i = 0; i < 10; i++) {
      const before = packets();
      expect(await exchange({ sends: 5000, receives: 5000, client: ["small"], server: ["small"] })).toEqual(OK);
      expect(packets() - before).toBeLessThanOrEqual(10);
    }
  });

  test("flows, rules and totals count what went past the devices", async () => {
    pair.set(SHORTCUT);
    const rules = pair.object.map<number, { bytes: bigint }[]>("ruleTraffic");
    const ofRule = (): number => (rules.get(7) ?? []).reduce((sum, { bytes }) => sum + Number(bytes), 0);
    const before = ofRule();
    expect(await exchange({ sends: 300_000, receives: 100_000 })).toEqual(OK);
    const { bytes = 0n, replyBytes = 0n } = flow() ?? {};
    // What opens and closes are some headers.
    expect(Number(bytes) - 300_000).toBeGreaterThan(0);
    expect(Number(bytes) - 300_000).toBeLessThan(1000);
    expect(Number(replyBytes) - 100_000).toBeLessThan(1000);
    // Each of the two ends counts both directions.
    expect(ofRule() - before).toBe(2 * Number(bytes + replyBytes));
  });

  test("policies that change and still allow do not end it", async () => {
    pair.set(SHORTCUT);
    const before = packets();
    const over = Promise.all(
      await start({ sends: 900_000, receives: 900_000, client: ["small", "pause=50"], server: ["small", "pause=50"] }),
    );
    let ended = false;
    void over.then(() => (ended = true));
    let changes = 0;
    for (; !ended; changes++) {
      pair.give(changes % 2 === 0 ? pair.a : pair.b, ALLOW_ALL);
      pair.renewIdentities();
      await sleep(1);
    }
    expect(await over).toEqual(OK);
    expect(changes).toBeGreaterThan(10);
    expect(packets() - before).toBeLessThanOrEqual(10);
  });

  test.each([1, 2, 3])("switched off and on again all the time: what fell back stays with TCP (%i)", async () => {
    pair.set(SHORTCUT);
    const over = Promise.all(await start({ sends: 4 * MB, receives: 4 * MB, client: ["slow"], server: ["slow"] }));
    let ended = false;
    void over.then(() => (ended = true));
    for (let on = false; !ended; on = !on) {
      pair.set(on ? SHORTCUT : 0);
      await sleep(Math.random() * 3);
    }
    expect(await over).toEqual(OK);
  });

  /** Waits until the exchange that was started has moved so many bytes. */
  async function moved(bytes: number): Promise<void> {
    for (;;) {
      const row = flow();
      if (row !== undefined && Number(row.bytes + row.replyBytes) >= bytes) return;
      await sleep(2);
    }
  }

  test("a revoked policy cuts the flow at once, and what was on its way is not lost", async () => {
    pair.set(SHORTCUT);
    const before = packets();
    const over = Promise.all(
      await start({ sends: 3 * MB, receives: 3 * MB, client: ["small"], server: ["small", "slow"] }),
    );
    await moved(20_000);
    expect(packets() - before).toBeLessThan(10);
    pair.give(pair.b, DENY_ALL);
    await sleep(20);
    const cut = flow();
    await sleep(100);
    // TCP's own attempts are dropped before they count.
    expect(flow()).toEqual({ ...cut, seen: flow()?.seen });
    pair.give(pair.b, ALLOW_ALL);
    expect(await over).toEqual(OK);
  });

  test("a pod may keep out of it", async () => {
    pair.set(SHORTCUT);
    pair.flag(pair.b, NO_SHORTCUT);
    const before = packets();
    expect(await exchange({ sends: 100_000, receives: 100_000 })).toEqual(OK);
    expect(packets() - before).toBeGreaterThan(20);
    pair.flag(pair.b, 0);
  });

  test("a reader that does not read stops the sender", async () => {
    pair.set(SHORTCUT);
    const over = Promise.all(await start({ sends: 40 * MB, receives: 0, server: ["late=400"] }));
    await moved(MB);
    await sleep(100);
    expect(Number(flow()?.bytes)).toBeLessThan(12 * MB);
    expect(await over).toEqual(OK);
  });
});
