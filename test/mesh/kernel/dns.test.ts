/**
 * DNS rules and toFQDNs end to end: YAML, agent, kernel, waypoint and a DNS server on one node of the bed. A pod may ask for some
 * names, and connect only where their answers led.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agentCni, ClusterFolder, startAgent } from "../../../mesh/bed/agent.ts";
import type { BedAgent } from "../../../mesh/bed/agent.ts";
import { createBed, whyNoBed } from "../../../mesh/bed/bed.ts";
import type { Bed } from "../../../mesh/bed/bed.ts";
import { startHand } from "../../../mesh/bed/hand-process.ts";
import type { Flow } from "../../../mesh/observe/types.ts";
import { endLeftWaypoint } from "../../../mesh/waypoint/supervisor.ts";
import { runIn } from "./pair.ts";

const NODE = { name: "n1", addresses: ["172.18.0.11"] };
const PODS = [
  { name: "client", address: "10.244.1.10" },
  { name: "resolver", address: "10.244.1.11" },
];
const OUTSIDE = ["203.0.113.7", "203.0.113.8", "203.0.113.9"];
const RESOLVER = "10.244.1.11";
const SERVICE = "10.96.0.10";

const YAML = `apiVersion: v1
kind: Node
metadata: { name: n1 }
status: { addresses: [ { type: InternalIP, address: 172.18.0.11 } ] }
---
apiVersion: v1
kind: Service
metadata: { name: dns }
spec:
  clusterIP: ${SERVICE}
  selector: { app: resolver }
  ports: [ { name: dns, port: 53, protocol: UDP } ]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: dns-1, labels: { kubernetes.io/service-name: dns } }
addressType: IPv4
ports: [ { name: dns, port: 53, protocol: UDP } ]
endpoints: [ { addresses: [ ${RESOLVER} ], conditions: { ready: true } } ]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names }
spec:
  endpointSelector: { matchLabels: { app: client } }
  egress:
  - toEndpoints: [ { matchLabels: { app: resolver } } ]
    toPorts:
    - ports: [ { port: "53", protocol: UDP } ]
      rules: { dns: [ { matchPattern: "*.example.com" }, { matchName: "other.example.org" } ] }
  - toFQDNs: [ { matchPattern: "*.example.com" } ]
    toPorts: [ { ports: [ { port: "80", protocol: TCP } ] } ]
${PODS.map(
  ({ name, address }) => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec: { nodeName: n1 }
status: { podIP: ${address} }
`,
).join("")}`;

/** Answers any name by a table, and counts what it was asked. */
const SERVER = `
const NAMES = { "api.example.com": "203.0.113.7", "other.example.org": "203.0.113.8", "evil.example.net": "203.0.113.9", "alias.example.com": "->api.example.com", "zero.example.com": "203.0.113.9" };
const asked = [];
const labels = (name) => Buffer.concat([...name.split(".").map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])), Buffer.from([0])]);
const record = (name, type, data, ttl) => { const head = Buffer.alloc(10); head.writeUInt16BE(type); head.writeUInt16BE(1, 2); head.writeUInt32BE(ttl, 4); head.writeUInt16BE(data.length, 8); return Buffer.concat([labels(name), head, data]); };
const socket = require("node:dgram").createSocket("udp4", (query, from) => {
  const parts = []; let at = 12;
  for (let n; (n = query[at]) !== 0; at += n + 1) parts.push(query.toString("latin1", at + 1, at + 1 + n));
  const name = parts.join(".").toLowerCase();
  asked.push(name);
  const question = Buffer.from(query.subarray(0, at + 5));
  const type = query.readUInt16BE(at + 1);
  const records = [];
  let found = NAMES[name], owner = name;
  if (name === "count.example.com") found = "203.0.113." + (100 + asked.filter((n) => !NAMES[n] || n.startsWith("evil")).length - 1);
  if (found?.startsWith("->")) { records.push(record(name, 5, labels(found.slice(2)), 5)); owner = found.slice(2); found = NAMES[owner]; }
  if (type === 1 && found) records.push(record(owner, 1, Buffer.from(found.split(".").map(Number)), 0));
  question.writeUInt16BE(found ? 0x8180 : 0x8183, 2);
  question.writeUInt16BE(records.length, 6); question.writeUInt32BE(0, 8);
  socket.send(Buffer.concat([question, ...records]), from.port, from.address);
}).bind(53, "0.0.0.0", () => console.log("up"));
`;

/** Functions that a test's script in the pod calls. */
const CLIENT = `
const { execFileSync } = require("node:child_process");
const { Resolver } = require("node:dns").promises;
const dgram = require("node:dgram"), net = require("node:net");
const resolver = (server) => { const r = new Resolver({ timeout: 1500, tries: 1 }); r.setServers([server]); return r; };
const resolve = (name, server = "${RESOLVER}") => resolver(server).resolve4(name).catch((e) => e.code);
const connect = (host, port = 80) => new Promise((done) => {
  const s = net.connect({ host, port });
  s.on("connect", () => { done("connected"); s.destroy(); });
  s.on("error", (e) => done(e.code));
  setTimeout(() => { s.destroy(); done("timeout"); }, 800);
});
const query = (name) => Buffer.concat([Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...name.split(".").map((l) => Buffer.concat([Buffer.from([l.length]), Buffer.from(l)])), Buffer.from([0, 0, 1, 0, 1])]);
const raw = (bytes, { to = "${RESOLVER}", port = 53, bind = 0, connected = false } = {}) => new Promise((done) => {
  const s = dgram.createSocket("udp4");
  s.on("message", (m, from) => { done({ rcode: m[3] & 15, from: from.address + " " + from.port, peer: connected ? s.remoteAddress().address : null }); s.close(); });
  s.on("error", (e) => { done(e.code); s.close(); });
  const go = () => connected ? s.connect(port, to, () => s.send(bytes)) : s.send(bytes, port, to);
  if (bind) s.bind(bind, go); else go();
  setTimeout(() => { try { s.close(); } catch {} done("timeout"); }, 700);
});
`;

const reason = whyNoBed();
if (reason !== null) process.stderr.write(`skipped: DNS rules end to end: ${reason.message}\n`);

describe.skipIf(reason !== null)("DNS rules end to end", () => {
  let bed: Bed;
  let folder: ClusterFolder;
  let agent: BedAgent;
  let server: { kill(): void };

  beforeAll(async () => {
    bed = await createBed({
      nodes: [NODE],
      pods: [],
      outside: [{ name: "world", addresses: OUTSIDE }],
    });
    folder = new ClusterFolder(bed.files);
    folder.write("cluster.yaml", YAML);
    agent = await startAgent(bed.node("n1"), folder.path);
    await bed.addPods(
      PODS.map(({ name, address }) => ({
        ...{ namespace: "default", name, addresses: [address] },
        ...{ hostNetwork: false, node: "n1" },
      })),
      agentCni(() => agent),
    );
    const started = runIn(bed.pod("default/resolver"), process.execPath, ["-e", SERVER]);
    server = started;
    expect(await started.first).toBe("up");
    const world = bed.outside.get("world");
    if (world !== undefined) await (await startHand(world)).listen("tcp", 80);
    await listening();
  }, 30_000);
  afterAll(async () => {
    server?.kill();
    await agent?.end("SIGTERM");
    if (bed === undefined) return;
    endLeftWaypoint(join(bed.node("n1").files, "state"));
    bed.close();
  });

  async function listening(): Promise<void> {
    for (;;) {
      const { waypoint } = await agent.client.status();
      if (waypoint.endpoints.includes("default/client")) return;
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  async function see(script: string): Promise<unknown> {
    const code = `${CLIENT}(async () => { ${script} })().then((r) => { console.log(JSON.stringify(r)); process.exit(); });`;
    const { lines } = await runIn(bed.pod("default/client"), process.execPath, ["-e", code]).ended;
    return JSON.parse(lines[0] ?? "null");
  }

  test("nothing is open before a name was asked for", async () => {
    expect(await see('return Promise.all([connect("203.0.113.7"), connect("203.0.113.8")])')).toEqual([
      "EPERM",
      "EPERM",
    ]);
  });

  test("an allowed name resolves, and what it resolved to is open at once, on the ports of the rule", async () => {
    const script =
      'return [await resolve("API.example.com"), await connect("203.0.113.7"), await connect("203.0.113.7", 81)]';
    expect(await see(script)).toEqual([["203.0.113.7"], "connected", "EPERM"]);
  });

  test("a name that may be asked for and not connected to", async () => {
    const script = 'return [await resolve("other.example.org"), await connect("203.0.113.8")]';
    expect(await see(script)).toEqual([["203.0.113.8"], "EPERM"]);
  });

  test("other names are refused, and the server is not asked", async () => {
    const script = `
      const refused = [];
      for (const name of ["evil.example.net", "example.com", "a.b.example.com"]) refused.push(await resolve(name));
      return [refused, await connect("203.0.113.9"), await resolve("count.example.com")];`;
    expect(await see(script)).toEqual([["EREFUSED", "EREFUSED", "EREFUSED"], "EPERM", ["203.0.113.100"]]);
  });

  test("a chain of aliases opens what is at its end, an answer whose TTL is 0 too", async () => {
    const script = `return [await resolve("alias.example.com"), await resolve("zero.example.com"), await connect("203.0.113.9"),
      await resolve("none.example.com")]`;
    expect(await see(script)).toEqual([["203.0.113.7"], ["203.0.113.9"], "connected", "ENOTFOUND"]);
  });

  test("sockets see the server that they asked: by its service, bound, connected or not", async () => {
    const script = `
      const seen = [await resolve("api.example.com", "${SERVICE}")];
      for (const to of ["${SERVICE}", "${RESOLVER}"])
        for (const more of [{}, { bind: 5353 }, { connected: true }, { connected: true, bind: 5354 }])
          seen.push(await raw(query("api.example.com"), { to, ...more }));
      return seen;`;
    const answers = [SERVICE, RESOLVER].flatMap((server) =>
      [null, null, server, server].map((peer) => ({ rcode: 0, from: `${server} 53`, peer })),
    );
    expect(await see(script)).toEqual([["203.0.113.7"], ...answers]);
  });

  test("what is no question, and what nobody sent to the proxy, has no answer", async () => {
    const script = `return Promise.all([
      raw(Buffer.from("no DNS at all")),
      raw(Buffer.concat([query("api.example.com"), Buffer.from("more")])),
      raw(query("api.example.com"), { to: "127.0.0.1", port: 15001 }),
    ])`;
    expect(await see(script)).toEqual(["timeout", "timeout", "timeout"]);
  });

  test("a socket that escapes the programs at sockets reaches no server", async () => {
    const cgroup = bed.outside.get("world")?.cgroup ?? "";
    const code = `${CLIENT}raw(query("api.example.com")).then((r) => { console.log(JSON.stringify(r)); process.exit(); });`;
    const { lines } = await runIn({ ...bed.pod("default/client"), cgroup }, process.execPath, ["-e", code]).ended;
    expect(lines).toEqual(['"timeout"']);
  });

  test("questions are in the flow log", async () => {
    const flows: Flow[] = [];
    for await (const followed of agent.client.flows({ filter: { protocol: ["dns"] }, last: 1000 })) {
      if ("flow" in followed) flows.push(followed.flow);
    }
    const lines = flows.map(({ verdict, endpoint, destination, rule, dns }) =>
      [verdict, endpoint, destination.pod, rule?.section, dns?.type, dns?.query, dns?.rcode, dns?.addresses].join(" "),
    );
    expect(lines).toContain("FORWARDED default/client resolver egress A api.example.com 0 203.0.113.7");
    expect(lines).toContain("DROPPED default/client resolver egress A evil.example.net 5 ");
    expect(lines).toContain("FORWARDED default/client resolver egress A none.example.com 3 ");
    expect(lines).toContain("DROPPED default/client resolver egress TYPE0   ");
  });

  test("without an agent nothing is answered and what is open stays open; the next one goes on", async () => {
    await agent.end("SIGKILL");
    const script =
      'return [await resolve("api.example.com"), await connect("203.0.113.7"), await connect("203.0.113.8")]';
    const [answer, ...connections] = (await see(script)) as unknown[];
    expect(typeof answer).toBe("string");
    expect(connections).toEqual(["connected", "EPERM"]);
    agent = await startAgent(bed.node("n1"), folder.path);
    await listening();
    expect(await see('return [await connect("203.0.113.7"), await resolve("api.example.com")]')).toEqual([
      "connected",
      ["203.0.113.7"],
    ]);
  });
});
