/**
 * Ingress on the real kernel: to_pod judges, sk_lookup gives the connection to the waypoint's listener in the pod's namespace,
 * the waypoint asks the pod from the node. A client, a node that forwards, and a pod with a server.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readElf } from "ebpf-ts/elf";
import { attachNetns, attachTcx, connectTcp, indexOfInterface, listenTcp, load } from "ebpf-ts/loader";
import type { BpfMap, Link, LoadedObject } from "ebpf-ts/loader";
import { EndpointFlag, ENDPOINT, encodeOne, HOST, JUDGEMENT, JUDGEMENT_KEY, JudgementFlag, PORT_KEY, U32, VERDICT } from "../../../mesh/datapath/layouts.ts"; // prettier-ignore
import { mappedBytes, parseAddress } from "../../../mesh/objects/address.ts";
import type { EndpointPolicy, EngineChange, Verdict } from "../../../mesh/policy/types.ts";
import { endLeftWaypoint, WaypointSupervisor } from "../../../mesh/waypoint/supervisor.ts";
import type { AccessRecord } from "../../../mesh/waypoint/types.ts";
import { Bed, noKernel } from "../../kernel/bed.ts";
import { ANY, until } from "./rig.ts";

const OBJECT = resolve(import.meta.dirname, "../../../dist/programs/mesh.o");
const POD = "10.78.0.2";
const NODE = "10.78.0.1";
const CLIENT = "10.78.1.2";
const [POD6, NODE6, CLIENT6] = ["fd78::2", "fd78::1", "fd78:1::2"];
const ID = 7;

const redirect: Verdict = { action: "redirect", l7: 1, rule: 5 };
const POLICY: EndpointPolicy = {
  ingress: {
    otherwise: { verdict: { action: "deny", l7: 0, rule: 0 }, ports: null },
    identities: new Map([
      [
        300,
        {
          verdict: { action: "deny", l7: 0, rule: 0 },
          ports: { number: 1, entries: [{ protocol: 6, port: 80, bits: 16, verdict: redirect }] },
        },
      ],
    ]),
  },
  egress: { otherwise: { verdict: { action: "allow", l7: 0, rule: 0 }, ports: null }, identities: new Map() },
};
const CHANGE: EngineChange = {
  first: null,
  newPortTables: [],
  newHttpRules: [{ number: 1, dns: [], rules: [{ rule: 11, http: { ...ANY, method: "GET", path: "/ok.*" } }] }],
  newRules: [],
  endpoints: new Map([["default/backend", POLICY]]),
  hosts: { set: [], deleted: [] },
  identities: new Map(),
  prefilter: null,
  oldPortTables: [],
  oldHttpRules: [],
};

const ip = (...args: string[]): void => void execFileSync("ip", args, { stdio: "pipe" });
const nameOf = (netns: string): string => netns.slice("/run/netns/".length);

/** A veth from the node to a place that has its default routes through it. Addresses: the node's and the place's, by family. */
function wire(node: string, place: string, device: string, ...pairs: readonly (readonly [string, string])[]): void {
  const [at, to] = [nameOf(node), nameOf(place)];
  ip("-n", at, "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", to);
  ip("-n", at, "link", "set", device, "up");
  ip("-n", to, "link", "set", "eth0", "up");
  for (const [nodeAddress, address] of pairs) {
    const length = address.includes(":") ? 64 : 24;
    ip("-n", at, "addr", "add", `${nodeAddress}/${length}`, "dev", device, "nodad");
    ip("-n", to, "addr", "add", `${address}/${length}`, "dev", "eth0", "nodad");
    ip("-n", to, "route", "add", "default", "via", nodeAddress);
  }
}

describe.skipIf(noKernel)("steered connections", () => {
  const bed = new Bed();
  const stateDir = mkdtempSync(join(tmpdir(), "waypoint-"));
  const pins = `/sys/fs/bpf/waypoint-steer-${process.pid}`;
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.socket.remoteAddress?.replace("::ffff:", "")} ${request.method} ${request.url}`);
    response.end("from the pod");
  });
  const records: AccessRecord[] = [];
  const links: Link[] = [];
  let object: LoadedObject;
  let node: string;
  let client: string;
  let pod: string;
  let supervisor: WaypointSupervisor;

  const map = (name: string) => object.map(name) as unknown as BpfMap;
  const bytes = (text: string) => mappedBytes(parseAddress(text) as NonNullable<ReturnType<typeof parseAddress>>);

  function writeEndpoint(isUp: boolean): void {
    const index = indexOfInterface({ interface: "vpod", netns: node });
    const flags = isUp ? EndpointFlag.waypointUp : 0;
    const row = { ipv4: bytes(POD), ipv6: bytes(POD6), id: ID, identity: 400, generation: 1, flags, policy: 1 };
    map("endpoints").setRaw(encodeOne(U32, index), encodeOne(ENDPOINT, row));
  }

  function writeTables(): void {
    const host = (address: string, identity: number, endpoint: number, local: boolean) =>
      map("hosts").setRaw(bytes(address), encodeOne(HOST, { identity, endpoint, local }));
    for (const address of [POD, POD6]) host(address, 400, ID, false);
    for (const address of [CLIENT, CLIENT6]) host(address, 300, 0, false);
    for (const address of [NODE, NODE6]) host(address, 1, 0, true);
    const judge = (identity: number, direction: number, action: "allow" | "deny", ports: number) =>
      map("judgements").setRaw(
        encodeOne(JUDGEMENT_KEY, { policy: 1, identity, direction }),
        encodeOne(JUDGEMENT, { ports, rule: 0, action, flags: ports === 0 ? 0 : JudgementFlag.exact, l7: 0 }),
      );
    judge(0, 0, "deny", 0);
    judge(300, 0, "deny", 1);
    judge(0, 1, "allow", 0);
    map("verdicts").setRaw(
      encodeOne(PORT_KEY, { ports: 1, protocol: 6, port: 80 }),
      encodeOne(VERDICT, { rule: 5, action: "redirect", l7: 1 }),
    );
    writeEndpoint(false);
  }

  /** Requests on one connection from a namespace; null: no connection within the time. */
  async function ask(netns: string, request: string, ms = 3000, address = POD): Promise<string | null> {
    const socket = new Socket({ fd: connectTcp({ address, port: 80, netns }) });
    let text = "";
    let ended = false;
    socket.on("data", (part) => (text += part.toString()));
    socket.on("error", () => undefined).on("close", () => (ended = true));
    socket.write(request);
    const limit = Date.now() + ms;
    while (!ended && Date.now() < limit) await new Promise((wait) => setTimeout(wait, 2));
    socket.destroy();
    return text === "" ? null : text;
  }
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;

  beforeAll(async () => {
    node = bed.netns("node");
    pod = bed.netns("pod");
    client = bed.netns("client");
    wire(node, pod, "vpod", [NODE, POD], [NODE6, POD6]);
    wire(node, client, "vclient", ["10.78.1.1", CLIENT], ["fd78:1::1", CLIENT6]);
    const forward = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
    execFileSync("ip", ["netns", "exec", nameOf(node), "sysctl", "-qw", ...forward]);
    object = await load(readElf(readFileSync(OBJECT)), { programs: ["to_pod", "from_pod", "steer"] });
    for (const name of ["steered", "proxied", "listeners"]) map(name).pin(`${pins}/${name}`);
    writeTables();
    links.push(attachTcx(object.program("to_pod"), { interface: "vpod", netns: node }));
    links.push(attachTcx(object.program("from_pod"), { interface: "vpod", netns: node }));
    links.push(attachNetns(object.program("steer"), pod));
    server.listen({ fd: listenTcp({ address: "::", port: 80, netns: pod }).fd });
    supervisor = new WaypointSupervisor({
      maps: { steered: `${pins}/steered`, proxied: `${pins}/proxied`, listeners: `${pins}/listeners` },
      egressPort: 15_001,
      netns: node,
      stateDir,
      identityOf: () => 300,
      changed: (pods) => writeEndpoint(pods.has("default/backend")),
      access: (_pod, record) => records.push(record),
      diagnose: () => undefined,
    });
  });
  afterAll(async () => {
    await supervisor.stop(0);
    endLeftWaypoint(stateDir);
    for (const link of links) link.close();
    server.closeAllConnections();
    server.close();
    object.close();
    rmSync(pins, { recursive: true, force: true });
    rmSync(stateDir, { recursive: true });
    bed.close();
  });

  test("without a waypoint there is no connection; with it, the rules decide", async () => {
    expect(await ask(client, get("/ok"), 200)).toBe(null);
    supervisor.apply(CHANGE);
    supervisor.add({ pod: "default/backend", id: ID, netns: pod, addresses: [POD, POD6] }, POLICY);
    await until(() => supervisor.state().endpoints.length === 1);
    expect(await ask(client, get("/ok?x=1"))).toMatch(/^HTTP\/1\.1 200 [^]*from the pod$/);
    expect(await ask(client, get("/admin"))).toMatch(/^HTTP\/1\.1 403 /);
    expect(await ask(client, get("/ok").replace("GET", "POST"))).toMatch(/^HTTP\/1\.1 403 /);
    expect(seen).toEqual([`${NODE} GET /ok?x=1`]);
    await until(() => records.length === 3);
    expect(records.map(({ path, status, rule }) => [path, status, rule])).toEqual([
      ["/ok?x=1", 200, 11],
      ["/admin", 403, 0],
      ["/ok", 403, 0],
    ]);
    expect(records[0]?.origin).toMatchObject({
      direction: "ingress",
      endpoint: ID,
      identity: 300,
      client: { address: CLIENT },
      destination: { address: POD, port: 80 },
      l7: 1,
      rule: 5,
    });
  });

  test("over IPv6, with the same listener", async () => {
    seen.length = 0;
    expect(await ask(client, get("/ok"), 3000, POD6)).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask(client, get("/admin"), 3000, POD6)).toMatch(/^HTTP\/1\.1 403 /);
    expect(seen).toEqual([`${NODE6} GET /ok`]);
    await until(() => records.at(-1)?.path === "/admin" && records.length === 5);
    expect(records.at(-1)?.origin).toMatchObject({
      client: { address: CLIENT6 },
      destination: { address: POD6, port: 80 },
    });
  });

  test("the node itself reaches the pod past the waypoint", async () => {
    const before = records.length;
    expect(await ask(node, get("/admin"))).toMatch(/^HTTP\/1\.1 200 /);
    expect(records.length).toBe(before);
  });

  test("smuggled requests do not reach the pod", async () => {
    seen.length = 0;
    const chunked = "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect(await ask(client, chunked + get("/admin"))).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toEqual([]);
  });

  test("killed: no connection until it is up again", async () => {
    process.kill(supervisor.state().pid ?? 0, "SIGKILL");
    await until(() => supervisor.state().endpoints.length === 0);
    await until(() => supervisor.state().endpoints.length === 1);
    expect(await ask(client, get("/ok"))).toMatch(/^HTTP\/1\.1 200 /);
  });
});
