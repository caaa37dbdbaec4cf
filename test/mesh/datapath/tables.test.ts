/** Policies, port tables and addresses in the maps, looked up as the programs do, against what the engine said. */
import { describe, expect, test } from "vitest";
import { maskTo, mapAddress, mapPrefix } from "../../../mesh/datapath/addresses.ts";
import { HostTable } from "../../../mesh/datapath/hosts.ts";
import {
  encodeOne,
  JUDGEMENT_KEY,
  JudgementFlag,
  PORT_KEY,
  PORT_PREFIX,
  readHost,
} from "../../../mesh/datapath/layouts.ts";
import { PolicyTables, UNFIT_IDENTITY } from "../../../mesh/datapath/policy-tables.ts";
import type {
  DirectionPolicy,
  EndpointPolicy,
  HostEntry,
  Judgement,
  PortEntry,
  PortTable,
  Verdict,
} from "../../../mesh/policy/types.ts";
import { MemoryMap } from "./memory-map.ts";

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Numbers that look random and are the same each time. Source: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface Maps {
  readonly judgements: MemoryMap;
  readonly verdicts: MemoryMap;
  readonly portRanges: MemoryMap;
}
const makeMaps = (sizes: readonly [number, number, number] = [10_000, 10_000, 10_000]): Maps => ({
  judgements: new MemoryMap("judgements", 12, sizes[0]),
  verdicts: new MemoryMap("verdicts", 8, sizes[1]),
  portRanges: new MemoryMap("portRanges", 12, sizes[2]),
});

const ACTIONS = ["deny", "allow", "redirect"] as const;

/** As programs/mesh/judge.ts: identity, else any; then single port, range, any port, the judgement itself. */
function judge(
  maps: Maps,
  policy: number,
  direction: number,
  identity: number,
  protocol: number,
  port: number,
): Verdict {
  const find = (id: number): Uint8Array | undefined =>
    maps.judgements.rows.get(hexOf(encodeOne(JUDGEMENT_KEY, { policy, identity: id, direction })));
  const row = find(identity) ?? find(0);
  if (row === undefined) return { action: "deny", rule: 0, l7: 0 };
  const view = Buffer.from(row);
  const [ports, flags] = [view.readUInt32LE(0), view.readUInt8(9)];
  const single = (at: number): Uint8Array | undefined =>
    maps.verdicts.rows.get(hexOf(encodeOne(PORT_KEY, { ports, protocol, port: at })));
  const ranges = (): Uint8Array | undefined => {
    for (let bits = 16; bits >= 0; bits--) {
      const masked = port & ((0xffff << (16 - bits)) & 0xffff);
      const found = maps.portRanges.rows.get(hexOf(encodeOne(PORT_PREFIX, { ports, protocol, port: masked, bits })));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const verdict =
    ((flags & JudgementFlag.exact) !== 0 ? single(port) : undefined) ??
    ((flags & JudgementFlag.ranges) !== 0 ? ranges() : undefined) ??
    ((flags & JudgementFlag.anyPort) !== 0 ? single(0) : undefined);
  if (verdict === undefined)
    return { action: ACTIONS[view.readUInt8(8)] ?? "deny", rule: view.readUInt32LE(4), l7: view.readUInt16LE(10) };
  const found = Buffer.from(verdict);
  return { action: ACTIONS[found.readUInt8(4)] ?? "deny", rule: found.readUInt32LE(0), l7: found.readUInt16LE(6) };
}

/** The same from the engine's value. */
function expected(
  { otherwise, identities }: DirectionPolicy,
  identity: number,
  protocol: number,
  port: number,
): Verdict {
  const judgement = identities.get(identity) ?? otherwise;
  const covering = (judgement.ports?.entries ?? [])
    .filter((e) => e.protocol === protocol && (port ^ e.port) >>> (16 - e.bits) === 0)
    .toSorted((a, b) => b.bits - a.bits);
  return covering[0]?.verdict ?? judgement.verdict;
}

const verdict = (next: (below: number) => number): Verdict => {
  const action = ACTIONS[next(3)] ?? "deny";
  return { action, rule: next(1000), l7: action === "redirect" ? 1 + next(100) : 0 };
};

function randomTable(next: (below: number) => number, number: number): PortTable {
  const entries = new Map<string, PortEntry>();
  for (let i = next(6); i >= 0; i--) {
    const bits = [0, 10, 12, 14, 15, 16, 16, 16][next(8)] ?? 16;
    const port = bits === 0 ? 0 : (next(64) * 8) & ((0xffff << (16 - bits)) & 0xffff);
    const entry = { protocol: [6, 17, 1][next(3)] ?? 6, port, bits, verdict: verdict(next) };
    entries.set(`${entry.protocol}/${port}/${bits}`, entry);
  }
  return { number, entries: [...entries.values()] };
}

function randomPolicy(next: (below: number) => number, tables: readonly PortTable[]): EndpointPolicy {
  const judgement = (): Judgement => ({
    verdict: verdict(next),
    ports: next(3) === 0 ? null : (tables[next(tables.length)] ?? null),
  });
  const direction = (): DirectionPolicy => ({
    otherwise: judgement(),
    identities: new Map(Array.from({ length: next(8) }, () => [1 + next(20), judgement()] as const)),
  });
  return { ingress: direction(), egress: direction() };
}

describe("policies", () => {
  const seed = Number(process.env.SEED ?? 4001);
  test(`are judged in the maps as the engine says (seed ${seed})`, () => {
    const next = random(seed);
    const maps = makeMaps();
    const tables = new PolicyTables(maps);
    const ports = Array.from({ length: 10 }, (_, i) => randomTable(next, i + 1));
    const policies = Array.from({ length: 20 }, () => randomPolicy(next, ports));
    const numbers = policies.map((policy) => tables.acquire(policy) ?? 0);
    for (let i = 0; i < 5000; i++) {
      const which = next(policies.length);
      const [identity, protocol, port] = [next(22) + 1, [6, 17, 1][next(3)] ?? 6, next(520)];
      const policy = policies[which] as EndpointPolicy;
      for (const [direction, side] of [policy.ingress, policy.egress].entries()) {
        expect(judge(maps, numbers[which] ?? 0, direction, identity, protocol, port)).toEqual(
          expected(side, identity, protocol, port),
        );
      }
      expect(judge(maps, numbers[which] ?? 0, 0, UNFIT_IDENTITY, protocol, port).action).toBe("deny");
    }
    for (const policy of policies) tables.release(policy);
    expect([maps.judgements.rows.size, maps.verdicts.rows.size, maps.portRanges.rows.size]).toEqual([0, 0, 0]);
    expect(tables.gauges().map(({ entries }) => entries)).toEqual([0, 0, 0]);
  });

  const PORTS: PortTable = {
    number: 1,
    entries: [{ protocol: 6, port: 80, bits: 16, verdict: { action: "allow", rule: 1, l7: 0 } }],
  };
  const OTHER: PortTable = {
    number: 2,
    entries: [{ protocol: 6, port: 81, bits: 16, verdict: { action: "allow", rule: 1, l7: 0 } }],
  };
  const CLOSED: Judgement = { verdict: { action: "deny", rule: 0, l7: 0 }, ports: null };
  const letIn = (ports: PortTable, ...identities: number[]): EndpointPolicy => ({
    ingress: { otherwise: CLOSED, identities: new Map(identities.map((id) => [id, { ...CLOSED, ports }] as const)) },
    egress: { otherwise: CLOSED, identities: new Map() },
  });

  test("a policy that several endpoints have is in the maps once, until the last lets go", () => {
    const maps = makeMaps();
    const tables = new PolicyTables(maps);
    const policy = letIn(PORTS, 300);
    const [a, b] = [tables.acquire(policy), tables.acquire(policy)];
    expect(a).toBe(b);
    expect(maps.judgements.rows.size).toBe(5);
    tables.release(policy);
    expect(maps.judgements.rows.size).toBe(5);
    tables.release(policy);
    expect([maps.judgements.rows.size, maps.verdicts.rows.size]).toEqual([0, 0]);
  });

  test("a change is written whole under a new number", () => {
    const maps = makeMaps();
    const tables = new PolicyTables(maps);
    const [before, after] = [letIn(PORTS, 300), letIn(PORTS, 301)];
    const old = tables.acquire(before) ?? 0;
    const now = tables.acquire(after) ?? 0;
    expect(now).not.toBe(old);
    expect(judge(maps, old, 0, 300, 6, 80).action).toBe("allow");
    expect(judge(maps, now, 0, 300, 6, 80).action).toBe("deny");
    expect(judge(maps, now, 0, 301, 6, 80).action).toBe("allow");
  });

  test.each([
    ["judgements", [5, 10, 10]],
    ["verdicts", [100, 1, 10]],
  ] as const)("what does not fit into %s leaves nothing behind", (_, sizes) => {
    const maps = makeMaps(sizes);
    const tables = new PolicyTables(maps);
    expect(tables.acquire(letIn(PORTS, 300))).not.toBeNull();
    const before = [maps.judgements.rows.size, maps.verdicts.rows.size];
    expect(tables.acquire(letIn(OTHER, 301, 302))).toBeNull();
    expect([maps.judgements.rows.size, maps.verdicts.rows.size]).toEqual(before);
    tables.release(letIn(PORTS, 300)); // another object: nobody's
    expect([maps.judgements.rows.size, maps.verdicts.rows.size]).toEqual(before);
  });

  test("the next agent takes over what is the same, though the engine's numbers are others", () => {
    const log: string[] = [];
    const maps: Maps = {
      judgements: new MemoryMap("judgements", 12, 100, log),
      verdicts: new MemoryMap("verdicts", 8, 100, log),
      portRanges: new MemoryMap("portRanges", 12, 100, log),
    };
    const first = new PolicyTables(maps);
    const [kept, dropped] = [first.acquire(letIn(PORTS, 300)), first.acquire(letIn(OTHER, 301))];
    log.length = 0;
    const second = new PolicyTables(maps);
    expect(second.acquire(letIn({ ...PORTS, number: 9 }, 300))).toBe(kept);
    expect(log).toEqual([]);
    const fresh = second.acquire(letIn({ ...OTHER, number: 1 }, 302)) ?? 0;
    expect(fresh).toBeGreaterThan(Math.max(kept ?? 0, dropped ?? 0));
    second.forgetFound();
    expect(judge(maps, dropped ?? 0, 0, 301, 6, 81).action).toBe("deny");
    expect(judge(maps, kept ?? 0, 0, 300, 6, 80).action).toBe("allow");
    expect(judge(maps, fresh, 0, 302, 6, 81).action).toBe("allow");
    expect(second.gauges().map(({ entries }) => entries)).toEqual([10, 2, 0]);
  });
});

describe("addresses", () => {
  const makeHosts = (singles = 1000, prefixes = 1000) => ({
    hosts: new MemoryMap("hosts", 16, singles),
    prefixes: new MemoryMap("prefixes", 20, prefixes),
  });
  const entry = (prefix: string, identity: number, more: Partial<HostEntry> = {}): HostEntry => ({
    prefix,
    identity,
    pod: null,
    local: false,
    ...more,
  });
  const key = (bits: number, bytes: Uint8Array): string =>
    `${Buffer.from(Uint32Array.of(bits).buffer).toString("hex")}${hexOf(bytes)}`;

  /** As the programs: the address, else the longest prefix, else the world. */
  function identityOf({ hosts, prefixes }: ReturnType<typeof makeHosts>, address: string): number {
    const bytes = mapAddress(address);
    const single = hosts.rows.get(hexOf(bytes));
    if (single !== undefined) return readHost(single).identity;
    for (let bits = 128; bits >= 0; bits--) {
      const found = prefixes.rows.get(key(bits, maskTo({ bytes, bits: 128 }, bits).bytes));
      if (found !== undefined) return readHost(found).identity;
    }
    return 2;
  }

  test("single addresses, prefixes, and what changes", () => {
    const maps = makeHosts();
    const table = new HostTable(maps);
    expect(table.apply({ set: [entry("10.0.0.1/32", 300), entry("10.0.0.0/8", 400)], deleted: [] })).toBe(true);
    expect(["10.0.0.1", "10.0.0.2", "11.0.0.1"].map((a) => identityOf(maps, a))).toEqual([300, 400, 2]);
    expect(table.apply({ set: [entry("10.0.0.1/32", 300)], deleted: [] })).toBe(false);
    expect(table.apply({ set: [entry("10.0.0.1/32", 301)], deleted: ["10.0.0.0/8"] })).toBe(true);
    expect(["10.0.0.1", "10.0.0.2"].map((a) => identityOf(maps, a))).toEqual([301, 2]);
  });

  test("an address that a pod registered is nobody else's", () => {
    const maps = makeHosts();
    const table = new HostTable(maps);
    table.apply({ set: [entry("10.0.0.1/32", 300, { pod: "shop/old" })], deleted: [] });
    const address = mapAddress("10.0.0.1");
    const rowNow = () => readHost(maps.hosts.rows.get(hexOf(address)) ?? new Uint8Array(16));
    table.assign([address], { id: 7, pod: "shop/new" });
    expect(rowNow()).toEqual({ identity: 5, endpoint: 7, local: false });
    table.apply({ set: [entry("10.0.0.1/32", 301, { pod: "shop/new" })], deleted: [] });
    expect(rowNow()).toEqual({ identity: 301, endpoint: 7, local: false });
    table.apply({ set: [], deleted: ["10.0.0.1/32"] });
    expect(rowNow()).toEqual({ identity: 5, endpoint: 7, local: false });
    table.assign([address], null);
    expect(maps.hosts.rows.size).toBe(0);
  });

  test("what an earlier agent wrote stays until the cluster is known", () => {
    const maps = makeHosts();
    new HostTable(maps).apply({ set: [entry("10.0.0.1/32", 300), entry("10.0.0.2/32", 301)], deleted: [] });
    const next = new HostTable(maps);
    next.assign([mapAddress("10.0.0.9")], { id: 1, pod: "a/b" });
    expect(["10.0.0.1", "10.0.0.2"].map((a) => identityOf(maps, a))).toEqual([300, 301]);
    next.apply({ set: [entry("10.0.0.1/32", 300)], deleted: [] });
    expect(["10.0.0.1", "10.0.0.2", "10.0.0.9"].map((a) => identityOf(maps, a))).toEqual([300, 2, 5]);
  });

  const seed = Number(process.env.SEED ?? 4002);
  test(`whatever has no room is denied, nothing is mistaken (seed ${seed})`, () => {
    const next = random(seed);
    const maps = makeHosts(12, 6);
    const table = new HostTable(maps);
    const wanted = new Map<string, number>();
    const address = (): string => `10.0.${next(4)}.${next(8)}`;
    const prefix = (): string => {
      const bits = [8, 16, 22, 23, 24, 29, 30, 31, 32, 32, 32][next(11)] ?? 32;
      const { bytes } = mapPrefix(`${address()}/${bits}`);
      return `${bytes.slice(12).join(".")}/${bits}`;
    };
    const truth = (of: string): number => {
      for (let bits = 32; bits >= 0; bits--) {
        const found = wanted.get(`${mapPrefix(`${of}/${bits}`).bytes.slice(12).join(".")}/${bits}`);
        if (found !== undefined) return found;
      }
      return 2;
    };
    let overflows = 0;
    for (let round = 0; round < 400; round++) {
      const set = Array.from({ length: next(4) }, () => entry(prefix(), 300 + next(50)));
      const deleted = [...wanted.keys()].filter(() => next(round % 80 < 40 ? 12 : 3) === 0);
      for (const text of deleted) wanted.delete(text);
      for (const { prefix: text, identity } of set) wanted.set(text, identity);
      table.apply({ set, deleted });
      const { unfit } = table;
      if (unfit > 0) overflows++;
      for (let i = 0; i < 20; i++) {
        const of = address();
        const found = identityOf(maps, of);
        if (unfit === 0 || found !== UNFIT_IDENTITY) expect(found, `round ${round}, ${of}`).toBe(truth(of));
      }
    }
    expect(overflows).toBeGreaterThan(50);
    expect(overflows).toBeLessThan(350);
  });

  test("the node's own addresses and pods come first", () => {
    const maps = makeHosts(2, 2);
    const table = new HostTable(maps);
    table.assign([mapAddress("10.0.0.7")], { id: 1, pod: "a/b" });
    const remote = Array.from({ length: 5 }, (_, i) => entry(`10.1.0.${i}/32`, 300));
    table.apply({ set: [...remote, entry("10.0.0.1/32", 1, { local: true })], deleted: [] });
    expect(["10.0.0.1", "10.0.0.7", "10.1.0.0", "8.8.8.8"].map((a) => identityOf(maps, a))).toEqual([
      1,
      5,
      UNFIT_IDENTITY,
      UNFIT_IDENTITY,
    ]);
    expect(table.unfit).toBe(5);
  });
});
