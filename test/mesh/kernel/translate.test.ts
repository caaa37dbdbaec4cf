// Services without programs at the cgroup: a pod's packets to a service's address, translated at its veth. Real sockets, and
// three ways in which checksums come about: left to a device that never computes them (two veths), computed by the kernel
// after the translation, and computed by the sender before it.
import { execFileSync } from "node:child_process";
import { withNetns } from "ebpf-ts/loader";
import type { PodPlace } from "ebpf-ts/mesh";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EndpointSlice, Service } from "../../../mesh/objects/types.ts";
import { applyServices, compileServices, diffServices, NO_SERVICES } from "../../../mesh/services/index.ts";
import type { ServiceTables } from "../../../mesh/services/index.ts";
import { noKernel } from "../../kernel/bed.ts";
import { ALLOW_ALL, DENY_ALL, compileC, createPair, runIn } from "./pair.ts";
import type { Pair } from "./pair.ts";

const stream = noKernel ? null : compileC("stream");
const offload = noKernel ? null : compileC("offload");
const SERVICE = ["10.96.0.1", "fd96::1"] as const;
const BACKEND = ["10.88.0.2", "fd88::2"] as const;
const MB = 1_000_000;
/** Of the service, of the backend. */
const [ASKED, SERVED, ASKED_UDP, SERVED_UDP] = [700, 7700, 53, 5300];

const SERVER = `
const dgram = require("node:dgram");
const serve = (type, address) => new Promise((done) => {
  const s = dgram.createSocket(type);
  s.on("message", (m, from) => s.send(m, from.port, from.address)).bind(${SERVED_UDP}, address, done);
});
Promise.all([serve("udp4", "${BACKEND[0]}"), serve("udp6", "${BACKEND[1]}")]).then(() => console.log("up"));`;

// Sends one datagram from a connected socket, which hears only from the address that it asked, and prints what came back.
const ASK = `
const [address, port, size] = process.argv.slice(1);
const s = require("node:dgram").createSocket(address.includes(":") ? "udp6" : "udp4");
const sent = Buffer.from(Array.from({ length: Number(size) }, (_, i) => i * 7));
const end = (word) => (console.log(word), process.exit());
s.on("message", (m, r) => end(m.equals(sent) ? "same from " + r.address + " " + r.port : "different"));
s.on("error", (e) => end(e.code));
s.connect(Number(port), address, () => s.send(sent));
setTimeout(() => end("nothing"), 500);`;

function service(): Service {
  const ports = [
    { name: "stream", protocol: "TCP" as const, port: ASKED, targetPort: SERVED },
    { name: "echo", protocol: "UDP" as const, port: ASKED_UDP, targetPort: SERVED_UDP },
  ];
  const addresses = [...SERVICE];
  return { namespace: "t", name: "s", labels: {}, addresses, ports, selector: null, affinity: 0, algorithm: "random" };
}

function slice(addresses: readonly string[]): EndpointSlice {
  const ports = [
    { name: "stream", protocol: "TCP" as const, port: SERVED },
    { name: "echo", protocol: "UDP" as const, port: SERVED_UDP },
  ];
  const endpoints = addresses.map((address) => ({
    ...{ addresses: [address], ready: true, serving: true, terminating: false, node: null, weight: 1 },
  }));
  return { namespace: "t", name: "s", service: "s", ports, endpoints };
}

describe.skipIf(stream === null || offload === null)("services per packet", () => {
  let pair: Pair;
  let server: { kill(): void } | undefined;
  let tables: ServiceTables = NO_SERVICES;

  function become(addresses: readonly string[]): void {
    const { object } = pair;
    const cluster = {
      services: new Map([["t/s", service()]]),
      endpointSlices: new Map([["t/s", slice(addresses)]]),
      pods: new Map(),
    };
    const next = compileServices(cluster, tables);
    applyServices(
      {
        services: object.map("services"),
        slots: object.map("slots"),
        maglevs: object.map("maglevs"),
        backends: object.map("backends"),
        makeMaglev: (length) => object.makeInner("maglevs", length),
      },
      diffServices(tables, next),
    );
    tables = next;
  }

  beforeAll(async () => {
    pair = await createPair({ cgroup: [] });
    const started = runIn(pair.b, process.execPath, ["-e", SERVER]);
    server = started;
    expect(await started.first).toBe("up");
  });
  afterAll(() => {
    server?.kill();
    pair?.close();
  });

  /** Both ends of a connection to the service say `ok`, or what was wrong. */
  async function exchange(family: 0 | 1, bytes: number, meanwhile?: () => void): Promise<string[]> {
    const seed = String(1 + Math.floor(Math.random() * 2 ** 31));
    const size = String(bytes);
    const more = meanwhile === undefined ? [] : ["pause=200"];
    const listening = runIn(pair.b, stream ?? "", ["listen", BACKEND[family], String(SERVED), seed, size, size]);
    await listening.first;
    const args = ["connect", SERVICE[family], String(ASKED), seed, size, size, ...more];
    const connecting = runIn(pair.a, stream ?? "", args);
    if (meanwhile !== undefined) setTimeout(meanwhile, 100);
    const [client, other] = await Promise.all([connecting.ended, listening.ended]);
    const said = [...client.lines, ...other.lines.slice(1)];
    return said.join() === "ok,ok" ? said : [...said, `seed ${seed}`];
  }

  async function ask(family: 0 | 1, size = 100): Promise<string> {
    const ran = runIn(pair.a, process.execPath, ["-e", ASK, SERVICE[family], String(ASKED_UDP), String(size)]);
    return ran.first;
  }

  const turnOff = (netns: string, device: string): void =>
    void withNetns(netns, () => execFileSync(offload ?? "", [device]));
  const places = (): PodPlace[] => [pair.a, pair.b];

  // In this order: what is turned off stays off.
  describe.each<[string, () => void]>([
    ["checksums by nobody", () => undefined],
    [
      "checksums by the kernel after the translation",
      () => {
        for (const place of places()) turnOff(place.node.netns, place.nodeDevice?.name ?? "");
      },
    ],
    [
      "checksums by the sender",
      () => {
        for (const place of places()) turnOff(place.netns, place.device?.name ?? "");
      },
    ],
  ])("%s", (_, prepare) => {
    beforeAll(() => {
      become(BACKEND);
      prepare();
    });
    test.each([
      ["IPv4", 0],
      ["IPv6", 1],
    ] as const)("%s: 8 MB each way by TCP; datagrams, also in fragments", async (_family, family) => {
      expect(await exchange(family, 8 * MB)).toEqual(["ok", "ok"]);
      const same = `same from ${SERVICE[family]} ${ASKED_UDP}`;
      expect([await ask(family), await ask(family, 6000)]).toEqual([same, same]);
    });
  });

  test("a backend that is gone keeps its connections and gets no datagram; nobody there is told", async () => {
    become(BACKEND);
    expect(await exchange(0, MB, () => become([]))).toEqual(["ok", "ok"]);
    const events = pair.object.ringbuf<{ reason: number; protocol: number }>("events");
    while (events.read() !== undefined);
    expect(await ask(0)).toBe("nothing");
    expect(events.read()).toMatchObject({ reason: 158, protocol: 17 });
    events.close();
  });

  test("policy judges the backend: what denies it cuts flows to the service", async () => {
    become(BACKEND);
    pair.give(pair.a, DENY_ALL);
    expect(await ask(1)).toBe("nothing");
    pair.give(pair.a, ALLOW_ALL);
    expect(await ask(1)).toBe(`same from ${SERVICE[1]} ${ASKED_UDP}`);
  });
});
