// From Services, EndpointSlices and Pods to tables, and from one table to the next.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { EndpointSlice, Pod, Service } from "../../../mesh/objects/types.ts";
import { aliasTable } from "../../../mesh/services/alias.ts";
import { compileServices, describeServices, diffServices, NO_SERVICES } from "../../../mesh/services/index.ts";
import type { Frontend, ServiceTables, ServiceWrite, SlotTable } from "../../../mesh/services/index.ts";
import { MAGLEV_SIZES, maglevSize, maglevTable } from "../../../mesh/services/maglev.ts";
import type { MaglevBackend } from "../../../mesh/services/maglev.ts";
import { Places } from "../../../mesh/services/places.ts";

type Endpoint = EndpointSlice["endpoints"][number];

function service(more: Partial<Service> = {}): Service {
  return {
    namespace: "a",
    name: "s",
    labels: {},
    addresses: ["10.96.0.1"],
    ports: [{ name: "web", protocol: "TCP", port: 80, targetPort: "http" }],
    selector: { app: "s" },
    affinity: 0,
    algorithm: "random",
    ...more,
  };
}

function pod(name: string, address: string, more: Partial<Pod> = {}): Pod {
  return {
    namespace: "a",
    name,
    labels: { app: "s" },
    node: "n",
    addresses: [address],
    ports: [{ name: "http", protocol: "TCP", port: 8080 }],
    hostNetwork: false,
    serviceAccount: "default",
    ready: true,
    terminating: false,
    weight: 1,
    shortcut: false,
    ...more,
  };
}

function endpoint(address: string, more: Partial<Endpoint> = {}): Endpoint {
  return { addresses: [address], ready: true, serving: true, terminating: false, node: null, weight: 1, ...more };
}

function slice(endpoints: Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice {
  const ports = [{ name: "web", protocol: "TCP" as const, port: 8080 }];
  return { namespace: "a", name: "s-1", service: "s", ports, endpoints, ...more };
}

function compile(
  objects: { services?: Service[]; slices?: EndpointSlice[]; pods?: Pod[] },
  previous?: ServiceTables,
): ServiceTables {
  const byName = <T extends { namespace: string; name: string }>(values: T[] = []): Map<string, T> =>
    new Map(values.map((value) => [`${value.namespace}/${value.name}`, value]));
  const { services = [service()], slices, pods } = objects;
  const cluster = { services: byName(services), endpointSlices: byName(slices), pods: byName(pods) };
  return compileServices(cluster, previous);
}

const at = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** `frontend -> backend state, ...`, one line each. */
function shown(tables: ServiceTables): string[] {
  return describeServices(tables).flatMap(({ frontends }) =>
    frontends.map(({ address, port, protocol, backends }) => {
      const behind = backends.map((b) => `${at(b.address, b.port)} ${b.active ? "active" : "terminating"}`);
      return `${at(address, port)}/${protocol} -> ${behind.join(", ")}`;
    }),
  );
}

describe("who is behind a service", () => {
  const terminating = { ready: false, terminating: true };
  test.each<[string, Parameters<typeof compile>[0], string[]]>([
    ["no address: headless", { services: [service({ addresses: [] })], pods: [pod("p", "10.0.0.1")] }, []],
    [
      "pods by label, named port",
      { pods: [pod("p", "10.0.0.1"), pod("q", "10.0.0.2", { labels: { app: "t" } })] },
      ["10.96.0.1:80/TCP -> 10.0.0.1:8080 active"],
    ],
    [
      "the name is another number in each pod",
      { pods: [pod("p", "10.0.0.1"), pod("q", "10.0.0.2", { ports: [{ name: "http", protocol: "TCP", port: 81 }] })] },
      ["10.96.0.1:80/TCP -> 10.0.0.1:8080 active, 10.0.0.2:81 active"],
    ],
    [
      "pods that are not ready, that go, that weigh more",
      {
        pods: [
          pod("p", "10.0.0.1", { ready: false }),
          pod("q", "10.0.0.2", { terminating: true }),
          pod("r", "10.0.0.3", { weight: 3 }),
        ],
      },
      ["10.96.0.1:80/TCP -> 10.0.0.2:8080 terminating, 10.0.0.3:8080 active"],
    ],
    [
      "a pod of another namespace is not meant",
      { pods: [pod("p", "10.0.0.1", { namespace: "b" })] },
      ["10.96.0.1:80/TCP -> "],
    ],
    [
      "a selector that is empty finds nothing",
      { services: [service({ selector: {} })], pods: [pod("p", "10.0.0.1")] },
      ["10.96.0.1:80/TCP -> "],
    ],
    [
      "slices are the truth where there are any",
      { slices: [slice([endpoint("10.0.0.9")])], pods: [pod("p", "10.0.0.1")] },
      ["10.96.0.1:80/TCP -> 10.0.0.9:8080 active"],
    ],
    [
      "a slice of another port name",
      { slices: [slice([endpoint("10.0.0.9")], { ports: [{ name: "x", protocol: "TCP", port: 1 }] })] },
      ["10.96.0.1:80/TCP -> "],
    ],
    [
      "a slice of another protocol",
      { slices: [slice([endpoint("10.0.0.9")], { ports: [{ name: "web", protocol: "UDP", port: 1 }] })] },
      ["10.96.0.1:80/TCP -> "],
    ],
    [
      "not ready: not there",
      { slices: [slice([endpoint("10.0.0.9", { ready: false, serving: false })])] },
      ["10.96.0.1:80/TCP -> "],
    ],
    [
      "terminating beside ready",
      { slices: [slice([endpoint("10.0.0.1"), endpoint("10.0.0.2", terminating)])] },
      ["10.96.0.1:80/TCP -> 10.0.0.1:8080 active, 10.0.0.2:8080 terminating"],
    ],
    [
      "nobody but terminating ones",
      { slices: [slice([endpoint("10.0.0.2", terminating)])] },
      ["10.96.0.1:80/TCP -> 10.0.0.2:8080 active"],
    ],
    [
      "terminating and not serving",
      { slices: [slice([endpoint("10.0.0.2", { ...terminating, serving: false })])] },
      ["10.96.0.1:80/TCP -> "],
    ],
    [
      "weight 0 takes nothing new",
      { slices: [slice([endpoint("10.0.0.1"), endpoint("10.0.0.2", { weight: 0 })])] },
      ["10.96.0.1:80/TCP -> 10.0.0.1:8080 active, 10.0.0.2:8080 terminating"],
    ],
    [
      "one address in two slices, ready in one",
      { slices: [slice([endpoint("10.0.0.1", terminating)]), slice([endpoint("10.0.0.1")], { name: "s-2" })] },
      ["10.96.0.1:80/TCP -> 10.0.0.1:8080 active"],
    ],
    [
      "two families: each has its own",
      {
        services: [service({ addresses: ["10.96.0.1", "fd96::1"] })],
        pods: [pod("p", "10.0.0.1", { addresses: ["10.0.0.1", "fd00::1"] })],
      },
      ["10.96.0.1:80/TCP -> 10.0.0.1:8080 active", "[fd96::1]:80/TCP -> [fd00::1]:8080 active"],
    ],
  ])("%s", (_, objects, expected) => {
    expect(shown(compile(objects))).toEqual(expected);
  });

  test("a pod without the named port is left out, and said", () => {
    const { problems, frontends } = compile({ pods: [pod("p", "10.0.0.1", { ports: [] }), pod("q", "10.0.0.2")] });
    expect(problems.map(({ code, message }) => [code, message])).toEqual([
      ["S002", "a/s: a/p without a port named http"],
    ]);
    expect(frontends.get("10.96.0.1:80/TCP")?.backends).toHaveLength(1);
  });

  test("two services of one address: who has it keeps it, the other is told", () => {
    const first = compile({ services: [service({ name: "z" })] });
    const both = compile({ services: [service({ name: "b" }), service({ name: "z" })] }, first);
    expect(both.problems.map(({ code, message }) => [code, message])).toEqual([
      ["S001", "10.96.0.1:80/TCP of a/b is a/z's"],
    ]);
    expect(both.frontends.get("10.96.0.1:80/TCP")?.sources?.service.name).toBe("z");
  });
});

describe("from one table to the next", () => {
  const two = [endpoint("10.0.0.1"), endpoint("10.0.0.2")];

  test("nothing changed: the same objects, nothing to write", () => {
    const objects = { services: [service()], slices: [slice(two)] };
    const before = compile(objects);
    const after = compile(objects, before);
    expect(after.frontends.get("10.96.0.1:80/TCP")).toBe(before.frontends.get("10.96.0.1:80/TCP"));
    expect(diffServices(before, after)).toEqual([]);
  });

  test.each<[string, EndpointSlice[], string[]]>([
    [
      "another backend",
      [slice([...two, endpoint("10.0.0.3")])],
      ["set backend 3", "set table 2", "set service 1", "delete table 0"],
    ],
    ["one less", [slice(two.slice(1))], ["set table 2", "set service 1", "delete table 0", "delete backend 1"]],
    ["the last goes", [slice([])], ["set service 1", "delete table 0", "delete backend 1", "delete backend 2"]],
    [
      "one starts to terminate",
      [slice([{ ...endpoint("10.0.0.1"), ready: false, terminating: true }, endpoint("10.0.0.2")])],
      ["set backend 1", "set table 2", "set service 1", "delete table 0"],
    ],
    [
      "a weight",
      [slice([endpoint("10.0.0.1", { weight: 5 }), endpoint("10.0.0.2")])],
      ["set table 2", "set service 1", "delete table 0"],
    ],
  ])("%s", (_, slices, expected) => {
    const before = compile({ slices: [slice(two)] });
    expect(diffServices(before, compile({ slices }, before)).map(text)).toEqual(expected);
  });

  test("a service goes, from the front to the back", () => {
    const before = compile({ slices: [slice(two)] });
    const writes = diffServices(before, compile({ services: [] }, before)).map(text);
    expect(writes).toEqual(["delete service 1", "delete table 0", "delete backend 1", "delete backend 2"]);
  });

  test("affinity is the service's: no table is made again", () => {
    const before = compile({ slices: [slice(two)] });
    const after = compile({ services: [service({ affinity: 10 })], slices: [slice(two)] }, before);
    expect(diffServices(before, after).map(text)).toEqual(["set service 1"]);
  });

  test("at no moment does anything name what is not there (random changes)", () => {
    const endpoints = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 5 });
    const step = fc.record({
      services: fc.uniqueArray(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      endpoints,
      leaving: endpoints,
      maglev: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
        const kernel = new Model();
        let tables = NO_SERVICES;
        for (const { services, endpoints: there, leaving, maglev } of steps) {
          const next = compile(
            {
              services: services.map((n) =>
                service({ name: `s${n}`, addresses: [`10.96.0.${n}`], algorithm: maglev ? "maglev" : "random" }),
              ),
              slices: services.map((n) =>
                slice(
                  there.map((i) =>
                    endpoint(`10.0.${n}.${i}`, leaving.includes(i) ? { ready: false, terminating: true } : {}),
                  ),
                  { name: `s${n}`, service: `s${n}` },
                ),
              ),
            },
            tables,
          );
          for (const write of diffServices(tables, next)) kernel.apply(write);
          kernel.check(next);
          tables = next;
        }
      }),
      { numRuns: 200 },
    );
  });
});

function text(write: ServiceWrite): string {
  if ("frontend" in write) return `${write.kind} ${write.frontend.id}`;
  return `${write.kind} ${"table" in write ? write.table.number : write.backend.number}`;
}

/** The maps: what is written is checked against them. A place of a slot that something names is not written to. */
class Model {
  private readonly backends = new Map<number, number>();
  private readonly tables = new Map<string, SlotTable>();
  private readonly services = new Map<string, Frontend>();

  apply(write: ServiceWrite): void {
    if (write.kind === "set backend") this.backends.set(write.backend.number, write.service);
    else if (write.kind === "delete backend") this.backends.delete(write.backend.number);
    else if (write.kind === "delete table") this.tables.delete(nameOf(write.table));
    else if (write.kind === "delete service") this.services.delete(write.frontend.key);
    else if (write.kind === "set service") this.services.set(write.frontend.key, write.frontend);
    else {
      for (const table of this.tables.values()) expect(overlap(table, write.table)).toBe(false);
      this.tables.set(nameOf(write.table), write.table);
    }
    for (const { id, table } of this.services.values()) {
      if (table === null) continue;
      expect(this.tables.get(nameOf(table))).toBe(table);
      for (const number of namedBy(table)) expect(this.backends.get(number)).toBe(id);
    }
  }

  check({ frontends }: ServiceTables): void {
    expect(this.services.size).toBe(frontends.size);
    expect(this.tables.size).toBe([...frontends.values()].filter(({ table }) => table !== null).length);
    expect(this.backends.size).toBe([...frontends.values()].reduce((n, { backends }) => n + backends.length, 0));
  }
}

const nameOf = ({ algorithm, number }: SlotTable): string => `${algorithm} ${number}`;
const namedBy = (table: SlotTable): Set<number> =>
  new Set(table.algorithm === "maglev" ? table.slots : table.slots.flatMap(({ backend, other }) => [backend, other]));

function overlap(a: SlotTable, b: SlotTable): boolean {
  if (a.algorithm !== b.algorithm) return false;
  if (a.algorithm === "maglev") return a.number === b.number;
  return a.number < b.number + b.slots.length && b.number < a.number + a.slots.length;
}

describe("places", () => {
  const taken = [
    { first: 4, length: 2 },
    { first: 0, length: 1 },
    { first: 7, length: 1 },
  ];
  test.each<[string, number[], (number | undefined)[]]>([
    ["the first gap that is long enough", [2, 1, 1], [1, 3, 6]],
    ["behind the last", [3, 2, 1], [1, 8, 6]],
    ["none of that length", [4, 3, 2, 2], [undefined, 1, 8, undefined]],
  ])("%s", (_, lengths, expected) => {
    const places = new Places({ first: 0, length: 10 }, taken);
    expect(lengths.map((length) => places.take(length))).toEqual(expected);
  });

  test("more than the kernel has room for is told, and the rest works", () => {
    const many = Array.from({ length: 3 }, (_, i) => service({ name: `s${i}`, addresses: [`10.96.0.${i + 1}`] }));
    const large = Array.from({ length: 60_000 }, (_, i) => endpoint(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`));
    const slices = many.map(({ name }) => slice(large, { name, service: name }));
    const { problems, frontends } = compile({ services: many, slices });
    expect(problems.map(({ code }) => code)).toEqual(["S003"]);
    expect(frontends.size).toBe(2);
  });
});

describe("alias tables", () => {
  test("probabilities are the weights (random weights)", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 40 }), (weights) => {
        const slots = aliasTable(weights.map((weight, i) => ({ number: i + 1, weight })));
        expect(slots).toHaveLength(weights.length);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const got = weights.map(() => 0);
        for (const { backend, other, threshold } of slots) {
          const first = (threshold + 1) / 2 ** 32;
          got[backend - 1] = (got[backend - 1] ?? 0) + first / slots.length;
          got[other - 1] = (got[other - 1] ?? 0) + (1 - first) / slots.length;
        }
        for (const [i, weight] of weights.entries()) expect(got[i]).toBeCloseTo(weight / total, 7);
      }),
    );
  });
});

describe("Maglev tables", () => {
  const some = (n: number, weight: (i: number) => number = () => 1): MaglevBackend[] =>
    Array.from({ length: n }, (_, i) => ({ number: i + 1, weight: weight(i), seed: `10.0.${i >> 8}.${i & 255}:80` }));
  const without = (backends: MaglevBackend[], number: number): MaglevBackend[] =>
    backends.filter((b) => b.number !== number);
  const countOf = (table: number[], number: number): number => table.filter((entry) => entry === number).length;

  test("lengths are primes", () => {
    for (const size of MAGLEV_SIZES) {
      for (let divisor = 2; divisor * divisor <= size; divisor++) expect(size % divisor, `${size}`).not.toBe(0);
    }
  });

  test.each([2, 3, 10, 50, 160])("%i backends: all within 2%% of a hundredth part", (n) => {
    const backends = some(n);
    const size = maglevSize(backends);
    const table = maglevTable(backends, size);
    for (const { number } of backends) expect(Math.abs(countOf(table, number) - size / n)).toBeLessThanOrEqual(1);
  });

  test("weights are shares", () => {
    const backends = some(4, (i) => i + 1);
    const table = maglevTable(backends, 2039);
    for (const { number, weight } of backends) expect(countOf(table, number) / 2039).toBeCloseTo(weight / 10, 2);
  });

  test.each([3, 10, 50])("one of %i goes: only its own entries and a few others move", (n) => {
    const backends = some(n);
    const size = maglevSize(backends);
    const before = maglevTable(backends, size);
    for (const { number } of [backends[0], backends[n - 1]] as MaglevBackend[]) {
      const after = maglevTable(without(backends, number), size);
      const others = before.filter((entry, i) => entry !== number && entry !== after[i]).length;
      expect(after).not.toContain(number);
      expect(others / size).toBeLessThan(0.06);
    }
  });

  test("a table does not shrink when backends go", () => {
    const endpoints = Array.from({ length: 11 }, (_, i) => endpoint(`10.0.0.${i + 1}`));
    const maglev = [service({ algorithm: "maglev" })];
    const before = compile({ services: maglev, slices: [slice(endpoints)] });
    const after = compile({ services: maglev, slices: [slice(endpoints.slice(0, 2))] }, before);
    const length = (tables: ServiceTables): number | undefined =>
      tables.frontends.get("10.96.0.1:80/TCP")?.table?.slots.length;
    expect([length(before), length(after)]).toEqual([2039, 2039]);
  });
});
