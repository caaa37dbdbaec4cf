// Services at the socket, with real sockets: a namespace whose loopback has the backends' addresses, a cgroup with the
// programs, Node in both. The service addresses exist nowhere but in the maps.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "ebpf-ts/elf";
import { attach, load } from "ebpf-ts/loader";
import type { Attachment, LoadedObject } from "ebpf-ts/loader";
import type { Cluster, EndpointSlice, Service } from "../../../mesh/objects/types.ts";
import {
  applyServices,
  compileServices,
  diffServices,
  NO_SERVICES,
  readServices,
} from "../../../mesh/services/index.ts";
import type { ServiceMaps, ServiceTables } from "../../../mesh/services/index.ts";
import { Bed, noKernel } from "../../kernel/bed.ts";

const OBJECT = new URL("../../../dist/programs/mesh.o", import.meta.url).pathname;
const PROGRAMS = ["sock_connect4", "sock_connect6", "sock_sendmsg4", "sock_sendmsg6"].concat([
  "sock_recvmsg4",
  "sock_recvmsg6",
  "sock_peername4",
  "sock_peername6",
]);
const BACKENDS = ["10.1.0.1", "10.1.0.2", "10.1.0.3", "fd01::1", "fd01::2"];
const PORT = 8080;

/** What a client saw of one connection or datagram: who answered, and from where it seemed to come. */
interface Seen {
  readonly by?: string;
  readonly from?: string;
  readonly error?: string;
}

// Each backend answers with its own address. `do` is run with helpers in reach and gives what is printed as JSON.
const SERVER = `
const net = require("node:net"), dgram = require("node:dgram");
(async () => {
  for (const address of ${JSON.stringify(BACKENDS)}) {
    await new Promise((done) => net.createServer((s) => s.on("error", () => {}).end(address)).listen(${PORT}, address, done));
    const udp = dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
    udp.on("message", (_, from) => udp.send(address, from.port, from.address));
    await new Promise((done) => udp.bind(${PORT}, address, done));
  }
  console.log("ready");
})();`;

const CLIENT = `
const net = require("node:net"), dgram = require("node:dgram");
const at = (address, port) => (address.includes(":") ? "[" + address + "]" : address) + ":" + port;
const tcp = (host, port = 80) => new Promise((done) => {
  const s = net.connect({ host, port, autoSelectFamily: false });
  let by = "", from = "";
  s.on("connect", () => (from = at(s.remoteAddress, s.remotePort)));
  s.on("data", (d) => (by += d)).on("end", () => done({ by, from })).on("error", (e) => done({ error: e.code }));
});
const answer = (s) => new Promise((done) => {
  const timer = setTimeout(() => done({ error: "no answer" }), 1000);
  s.once("message", (m, r) => (clearTimeout(timer), done({ by: String(m), from: at(r.address, r.port) })));
  s.once("error", (e) => (clearTimeout(timer), done({ error: e.code })));
});
const udp = (type = "udp4") => dgram.createSocket(type);
const send = (s, host, port = 53) => { const a = answer(s); s.send("?", port, host, (e) => e && s.emit("error", e)); return a; };
const connected = (s, host, port = 53) => new Promise((done) => s.connect(port, host, (e) => done(e ? { error: e.code } : at(s.remoteAddress().address, s.remoteAddress().port))));
const times = async (n, f) => { const all = []; for (let i = 0; i < n; i++) all.push(await f(i)); return all; };
const line = () => new Promise((done) => process.stdin.once("data", done));
`;

function service(name: string, addresses: string[], more: Partial<Service> = {}): Service {
  const ports = [
    { name: "web", protocol: "TCP" as const, port: 80, targetPort: PORT },
    { name: "dns", protocol: "UDP" as const, port: 53, targetPort: PORT },
  ];
  return {
    namespace: "a",
    name,
    labels: {},
    addresses,
    ports,
    selector: null,
    affinity: 0,
    algorithm: "random",
    ...more,
  };
}

function slice(of: string, addresses: string[], weights: number[] = []): EndpointSlice {
  const ports = [
    { name: "web", protocol: "TCP" as const, port: PORT },
    { name: "dns", protocol: "UDP" as const, port: PORT },
  ];
  const endpoints = addresses.map((address, i) => ({
    addresses: [address],
    ready: true,
    serving: true,
    terminating: false,
    node: null,
    weight: weights[i] ?? 1,
  }));
  return { namespace: "a", name: of, service: of, ports, endpoints };
}

const byKey = <T extends { namespace: string; name: string }>(values: T[]): Map<string, T> =>
  new Map(values.map((value) => [`${value.namespace}/${value.name}`, value]));

describe.skipIf(noKernel)("services at the socket", () => {
  let bed: Bed;
  let object: LoadedObject;
  let netns: string;
  let cgroup: string;
  let tables: ServiceTables = NO_SERVICES;
  const links: Attachment[] = [];
  const maps = (): ServiceMaps => ({
    services: object.map("services"),
    slots: object.map("slots"),
    maglevs: object.map("maglevs"),
    backends: object.map("backends"),
    makeMaglev: (length) => object.makeInner("maglevs", length),
  });

  function become(services: Service[], slices: EndpointSlice[]): Pick<Cluster, "services" | "endpointSlices" | "pods"> {
    const cluster = { services: byKey(services), endpointSlices: byKey(slices), pods: new Map() };
    const next = compileServices(cluster, tables);
    expect(next.problems).toEqual([]);
    applyServices(maps(), diffServices(tables, next));
    tables = next;
    return cluster;
  }

  function see<T = Seen>(script: string): T {
    const run = `${CLIENT}(async () => { ${script} })().then((r) => { console.log(JSON.stringify(r)); process.exit(); });`;
    return JSON.parse(bed.run(run, { netns, cgroup })) as T;
  }

  beforeAll(async () => {
    bed = new Bed();
    netns = bed.netns("a");
    for (const address of BACKENDS) {
      const how = address.includes(":") ? [`${address}/128`, "nodad"] : [`${address}/32`];
      execFileSync("ip", ["-n", netns.slice("/run/netns/".length), "addr", "add", "dev", "lo", ...how]);
    }
    cgroup = bed.cgroup();
    object = await load(readElf(readFileSync(OBJECT)), { programs: PROGRAMS });
    for (const name of PROGRAMS) links.push(attach(object.program(name), { cgroup }));
    await bed.start(SERVER, { netns });
  });
  afterAll(() => {
    for (const link of links) link.close();
    object?.close();
    bed?.close();
  });

  test.each<[string, string, Seen]>([
    ["IPv4", "10.96.0.1", { by: "10.1.0.1", from: "10.96.0.1:80" }],
    ["IPv6", "fd96::1", { by: "fd01::1", from: "[fd96::1]:80" }],
    ["IPv4 on an IPv6 socket", "::ffff:10.96.0.1", { by: "10.1.0.1", from: "[::ffff:10.96.0.1]:80" }],
  ])("TCP, %s: the backend answers, the peer is the service", (_, host, expected) => {
    become([service("s", ["10.96.0.1", "fd96::1"])], [slice("s", ["10.1.0.1", "fd01::1"])]);
    expect(see(`return tcp(${JSON.stringify(host)})`)).toEqual(expected);
  });

  test.each<[string, string, string, Seen]>([
    ["IPv4", "udp4", "10.96.0.1", { by: "10.1.0.1", from: "10.96.0.1:53" }],
    ["IPv6", "udp6", "fd96::1", { by: "fd01::1", from: "[fd96::1]:53" }],
    ["IPv4 on an IPv6 socket", "udp6", "::ffff:10.96.0.1", { by: "10.1.0.1", from: "[::ffff:10.96.0.1]:53" }],
  ])("UDP, %s: the answer comes from the service, connected or not", (_, type, host, expected) => {
    become([service("s", ["10.96.0.1", "fd96::1"])], [slice("s", ["10.1.0.1", "fd01::1"])]);
    const [loose, peer, tight] = see<[Seen, string, Seen]>(`
      const free = udp("${type}"), bound = udp("${type}");
      const loose = await send(free, "${host}");
      const peer = await connected(bound, "${host}");
      const a = answer(bound);
      bound.send("?");
      return [loose, peer, await a];`);
    expect({ loose, peer, tight }).toEqual({ loose: expected, peer: expected.from, tight: expected });
  });

  test("an address that is no service's is left alone, and so is another port or protocol", () => {
    become([service("s", ["10.96.0.1"])], [slice("s", ["10.1.0.1"])]);
    const [other, port, direct] = see<Seen[]>(`
      return [await tcp("10.96.0.1", 81), await send(udp(), "10.96.0.1", 80), await tcp("10.1.0.2", ${PORT})];`);
    expect(other?.error).toMatch(/ENETUNREACH|EHOSTUNREACH/);
    expect(port?.error).toMatch(/ENETUNREACH|EHOSTUNREACH/);
    expect(direct).toEqual({ by: "10.1.0.2", from: `10.1.0.2:${PORT}` });
  });

  test("without a backend connect and sendto are refused at once, and an event says why", () => {
    become([service("s", ["10.96.0.1", "fd96::1"])], [slice("s", [])]);
    const seen = see<Seen[]>(`
      return [await tcp("10.96.0.1"), await tcp("fd96::1"), await tcp("::ffff:10.96.0.1"),
        await send(udp(), "10.96.0.1"), await send(udp("udp6"), "fd96::1")];`);
    expect(seen.map(({ error }) => error)).toEqual(["EPERM", "EPERM", "EPERM", "EPERM", "EPERM"]);
    // One a second for each flow: what the third and the first ask for is the same.
    const events = object.ringbuf<{ reason: number; kind: number; protocol: number }>("events");
    const told: number[][] = [];
    for (let event = events.read(); event !== undefined; event = events.read()) {
      told.push([event.reason, event.kind, event.protocol]);
    }
    events.close();
    expect(told).toEqual([6, 6, 17, 17].map((protocol) => [158, 2, protocol]));
  });

  test("weights decide who gets how much, and a backend of weight 0 gets nothing", () => {
    become([service("s", ["10.96.0.1"])], [slice("s", ["10.1.0.1", "10.1.0.2", "10.1.0.3"], [1, 3, 0])]);
    const seen = see<Seen[]>('return times(400, () => tcp("10.96.0.1"))');
    const count = (address: string): number => seen.filter(({ by }) => by === address).length;
    expect(count("10.1.0.3")).toBe(0);
    // 5 standard deviations of a binomial distribution (400, 1/4) are 43.
    expect(Math.abs(count("10.1.0.1") - 100)).toBeLessThan(44);
    expect(count("10.1.0.1") + count("10.1.0.2")).toBe(400);
  });

  test("Maglev gives one client the same backend each time", () => {
    become([service("s", ["10.96.0.1"], { algorithm: "maglev" })], [slice("s", ["10.1.0.1", "10.1.0.2", "10.1.0.3"])]);
    const seen = see<Seen[]>('return times(20, () => tcp("10.96.0.1"))');
    expect(new Set(seen.map(({ by }) => by)).size).toBe(1);
    expect(BACKENDS).toContain(seen[0]?.by);
    // Its backend goes: another one.
    const left = BACKENDS.slice(0, 3).filter((address) => address !== seen[0]?.by);
    become([service("s", ["10.96.0.1"], { algorithm: "maglev" })], [slice("s", left)]);
    expect(left).toContain(see('return tcp("10.96.0.1")').by);
  });

  test("session affinity: the same backend until the time is over or it goes", () => {
    const three = slice("s", ["10.1.0.1", "10.1.0.2", "10.1.0.3"]);
    const sticky = service("s", ["10.96.0.1"], { affinity: 3600 });
    become([sticky], [three]);
    const first = see<Seen[]>('return times(20, () => tcp("10.96.0.1"))').map(({ by }) => by);
    expect(new Set(first).size).toBe(1);
    // Gone: the client picks again, and stays there.
    const left = BACKENDS.slice(0, 3).filter((address) => address !== first[0]);
    become([sticky], [slice("s", left)]);
    const second = see<Seen[]>('return times(20, () => tcp("10.96.0.1"))').map(({ by }) => by);
    expect(new Set(second).size).toBe(1);
    expect(left).toContain(second[0]);
    // Terminating: no new flows either.
    const leaving = slice("s", left);
    const endpoints = leaving.endpoints.map((endpoint) =>
      endpoint.addresses[0] === second[0] ? { ...endpoint, ready: false, terminating: true } : endpoint,
    );
    become([sticky], [{ ...leaving, endpoints }]);
    const third = see<Seen[]>('return times(20, () => tcp("10.96.0.1"))').map(({ by }) => by);
    expect(new Set(third)).toEqual(new Set(left.filter((address) => address !== second[0])));
    // Time over: whoever comes is a new client. Of 8 such, all fall on one of three backends once in 2,187.
    become([sticky], [three]);
    const age = (): void => {
      for (const [key, { backend, reserved }] of affinities) affinities.set(key, { used: 0n, backend, reserved });
    };
    const affinities = object.map<unknown, { used: bigint; backend: number; reserved: number }>("affinities");
    const late = Array.from({ length: 8 }, () => {
      age();
      return see('return tcp("10.96.0.1")').by;
    });
    expect(new Set(late).size).toBeGreaterThan(1);
  });

  test("a UDP socket stays with its backend while it is there, then picks again; late answers keep their face", () => {
    become([service("s", ["10.96.0.1"])], [slice("s", ["10.1.0.1", "10.1.0.2", "10.1.0.3"])]);
    const seen = see<Seen[]>('const s = udp().setMaxListeners(0); return times(20, () => send(s, "10.96.0.1"))');
    expect(new Set(seen.map(({ by }) => by)).size).toBe(1);
    expect(new Set(seen.map(({ from }) => from))).toEqual(new Set(["10.96.0.1:53"]));
    // Two services in turn on one socket: both answer from the address that was asked.
    become(
      [service("s", ["10.96.0.1"]), service("t", ["10.96.0.2"])],
      [slice("s", ["10.1.0.1"]), slice("t", ["10.1.0.2"])],
    );
    const pairs = see<Seen[]>(`
      const s = udp(), got = [];
      s.on("message", (m, r) => got.push({ by: String(m), from: at(r.address, r.port) }));
      for (const host of ["10.96.0.1", "10.96.0.2", "10.96.0.1"]) await new Promise((r) => s.send("?", 53, host, r));
      for (let i = 0; i < 100 && got.length < 3; i++) await new Promise((r) => setTimeout(r, 10));
      return got;`);
    expect(pairs).toHaveLength(3);
    for (const { by, from } of pairs) expect(from).toBe(by === "10.1.0.1" ? "10.96.0.1:53" : "10.96.0.2:53");
  });

  test("a restart reads back what the maps hold, and deletes what a killed agent left", () => {
    const cluster = become(
      [service("s", ["10.96.0.1", "fd96::1"]), service("m", ["10.96.0.2"], { algorithm: "maglev", affinity: 60 })],
      [slice("s", ["10.1.0.1", "10.1.0.2", "fd01::1"]), slice("m", ["10.1.0.3"])],
    );
    const { services, maglevs, backends } = maps();
    const other = maps().makeMaglev(251);
    maglevs.set(7001, other.fd);
    backends.set(7002, { hi: 0n, lo: 0n, service: 7003, port: 1, state: 0, reserved: 0 });

    const read = readServices(maps());
    expect(read.orphans.map(({ kind }) => kind).toSorted()).toEqual(["delete backend", "delete table"]);
    applyServices(maps(), read.orphans);
    expect([maglevs.has(7001), backends.get(7002)?.service]).toEqual([false, 0]);

    // All is there but the content of Maglev tables and who the services are: compiling again writes just the former.
    const again = compileServices(cluster, read.tables);
    const writes = diffServices(read.tables, again);
    expect(writes.map(({ kind }) => kind)).toEqual([
      "set table",
      "set table",
      "set service",
      "set service",
      "delete table",
      "delete table",
    ]);
    const ids = (of: ServiceTables): unknown =>
      new Map([...of.frontends].map(([key, { id, backends: b }]) => [key, [id, b]]));
    expect(ids(again)).toEqual(ids(tables));
    applyServices(maps(), writes);
    tables = again;
    expect(readServices(maps()).orphans).toEqual([]);
    expect([...services].length).toBe(6);
  });
});
