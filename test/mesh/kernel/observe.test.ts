/**
 * An agent as a process of its own, real connections between pods, and what the commands say of them: every drop with its
 * object, rule and reason; counters; a policy edit; the agent's end; its removal.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../../../cli/exit.ts";
import { ClusterFolder, agentCni, startAgent } from "../../../mesh/bed/agent.ts";
import type { BedAgent } from "../../../mesh/bed/agent.ts";
import { createBed, whyNoBed } from "../../../mesh/bed/bed.ts";
import type { Bed } from "../../../mesh/bed/bed.ts";
import type { Hand } from "../../../mesh/bed/hand-process.ts";
import { run } from "../../cli/command.ts";
import type { Ran } from "../../cli/command.ts";

const reason = whyNoBed()?.message ?? null;
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

const ADDRESSES = { frontend: "10.244.1.10", backend: "10.244.1.11", other: "10.244.1.12" } as const;
type Name = keyof typeof ADDRESSES;
const NAMES = Object.keys(ADDRESSES) as Name[];
const NODE = "172.18.0.11";
const [SERVICE, EMPTY] = ["10.96.0.10", "10.96.0.11"];

const CLUSTER = [
  { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } },
  {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n1" },
    status: { addresses: [{ type: "InternalIP", address: NODE }] },
  },
  ...NAMES.map((name) => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] },
    status: { podIP: ADDRESSES[name] },
  })),
  ...[
    { name: "web", clusterIP: SERVICE, selector: { app: "backend" }, port: 8080 },
    { name: "empty", clusterIP: EMPTY, selector: { app: "nobody" }, port: 8080 },
  ].map(({ name, clusterIP, selector, port }) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { clusterIP, selector, ports: [{ port, targetPort: 80 }] },
  })),
];

const policy = (allowed: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: secure-access, namespace: default }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingress:
  - fromEndpoints: [{ matchLabels: { app: ${allowed} } }]
    toPorts: [{ ports: [{ port: "80", protocol: TCP }] }]
  - fromEndpoints: [{ matchLabels: { app: ${allowed} } }]
    toPorts: [{ ports: [{ port: "8000", protocol: TCP }], rules: { http: [{ method: GET, path: "/public/.*" }] } }]
  ingressDeny:
  - fromEndpoints: [{ matchLabels: { app: other } }]
    toPorts: [{ ports: [{ port: "443", protocol: TCP }] }]
`;

let bed: Bed;
let folder: ClusterFolder;
let agent: BedAgent;
const hands = new Map<Name, Hand>();

const mesh = (...argv: string[]): Promise<Ran> => run("mesh", ...argv, "--socket", agent.client.socket);
const ask = async (from: Name, address: string, port: number): Promise<string> =>
  (await (hands.get(from) as Hand).try({ service: "tcp", address, port, limitMs: 300 })).outcome;

/** How many flows are told in this way. */
async function countLines(line: string): Promise<number> {
  const pattern = new RegExp(line.replaceAll(/[[\]().]/g, "\\$&").replaceAll("*", "\\d+"));
  const { stdout } = await mesh("flows", "--last", "100");
  return stdout.split("\n").filter((text) => pattern.test(text)).length;
}

describe.skipIf(reason !== null)("an agent on a node of the bed", () => {
  beforeAll(async () => {
    bed = await createBed({ nodes: [{ name: "n1", addresses: [NODE] }], pods: [], outside: [] });
    folder = new ClusterFolder(bed.node("n1").files);
    for (const [i, object] of CLUSTER.entries()) folder.write(`object-${i}.json`, JSON.stringify(object));
    folder.write("policy.yaml", policy("frontend"));
    agent = await startAgent(bed.node("n1"), folder.path);
    const pods = NAMES.map((name) => ({
      namespace: "default",
      name,
      node: "n1",
      addresses: [ADDRESSES[name]],
      hostNetwork: false,
    }));
    await bed.addPods(
      pods,
      agentCni(() => agent),
    );
    for (const name of NAMES) hands.set(name, await bed.start(bed.pod(`default/${name}`)));
    for (const port of [80, 443]) await (hands.get("backend") as Hand).listen("tcp", port);
    await (hands.get("backend") as Hand).listen("http", 8000);
  });
  afterAll(() => bed?.close());

  // `*` is the client's port.
  // prettier-ignore
  const CONNECTIONS: readonly [from: Name, address: string, port: number, outcome: string, verdict: string, line: string][] = [
    ["frontend", ADDRESSES.backend, 80,   "reached",   "ALLOWED", "default/frontend:* -> default/backend:80 TCP  FORWARDED  ingress, allowed by default/secure-access ingress[0] (policy.yaml:8)"],
    ["frontend", SERVICE,           8080, "reached",   "ALLOWED", "default/frontend:* -> default/backend:80 TCP  FORWARDED  ingress, allowed by default/secure-access ingress[0] (policy.yaml:8)"],
    ["frontend", ADDRESSES.backend, 443,  "timeout",   "DENIED",  "default/frontend:* -> default/backend:443 TCP  DROPPED  Policy denied (133)  ingress, no rule of default/secure-access allows it"],
    ["other",    ADDRESSES.backend, 80,   "timeout",   "DENIED",  "default/other:* -> default/backend:80 TCP  DROPPED  Policy denied (133)  ingress, no rule of default/secure-access allows it"],
    ["other",    ADDRESSES.backend, 443,  "timeout",   "DENIED",  "default/other:* -> default/backend:443 TCP  DROPPED  Policy denied by denylist (181)  ingress, denied by default/secure-access ingressDeny[0] (policy.yaml:13)"],
    ["frontend", EMPTY,             8080, "forbidden", "Q005",    "10.96.0.11:8080 (service default/empty) TCP  DROPPED  Service backend not found (158)"],
  ];

  test.each(CONNECTIONS)(
    "%s to %s port %d: %s, explained and told",
    async (from, address, port, outcome, verdict, line) => {
      const seen = await countLines(line);
      expect(await ask(from, address, port)).toBe(outcome);
      const explained = await mesh("policy", "explain", from, address, String(port));
      expect(explained.stdout + explained.stderr).toContain(verdict);
      for (let i = 0; (await countLines(line)) === seen && i < 50; i++) await sleep(20);
      expect(await countLines(line)).toBe(seen + 1);
    },
  );

  // prettier-ignore
  const REQUESTS: readonly [path: string, status: number, line: string][] = [
    ["/public/x", 200, "default/frontend:* -> default/backend:8000 HTTP GET /public/x  FORWARDED  200 in *.* ms  ingress, allowed by default/secure-access ingress[1] (policy.yaml:10)"],
    ["/admin",    403, "default/frontend:* -> default/backend:8000 HTTP GET /admin  DROPPED  403 in *.* ms  ingress, no HTTP rule of default/secure-access ingress[1] (policy.yaml:10) matches"],
  ];

  test.each(REQUESTS)("GET %s is answered %d, explained and told", async (path, status, line) => {
    while ((await agent.client.status()).waypoint.state !== "running") await sleep(20);
    const request = { method: "GET", path };
    const asked = { service: "http", address: ADDRESSES.backend, port: 8000, limitMs: 3000, request } as const;
    expect(await (hands.get("frontend") as Hand).try(asked)).toMatchObject({ outcome: "reached", status });
    const explained = await mesh("policy", "explain", "frontend", "backend", "8000", "--path", path);
    expect(explained.code).toBe(status === 200 ? EXIT.ok : EXIT.input);
    for (let i = 0; (await countLines(line)) === 0 && i < 50; i++) await sleep(20);
    expect(await countLines(line)).toBe(1);
    expect(await agent.client.metrics()).toContain(
      `hubble_http_requests_total{method="GET",protocol="HTTP/1.1",status="${status}",reporter="server"} 1`,
    );
  });

  test("counters are the kernel's", async () => {
    const { stdout } = await mesh("policy", "get", "backend");
    expect(stdout).toMatch(
      /deny +app=other +443\/TCP +default\/secure-access ingressDeny\[0\] +\S+policy\.yaml:13 +1 /,
    );
    expect(await agent.client.metrics()).toMatch(
      /^cilium_drop_count_total\{reason="Policy denied by denylist",direction="INGRESS"\} 1$/m,
    );
    const status = await mesh("status");
    expect([status.code, status.stdout]).toEqual([EXIT.ok, expect.stringContaining("endpoints: 3 ready")]);
  });

  test("a policy edit is in force, with the next revision", async () => {
    const before = (await agent.client.policy()).revision;
    folder.write("policy.yaml", policy("other"));
    while ((await agent.client.policy()).revision === before) await sleep(10);
    expect(await ask("other", ADDRESSES.backend, 80)).toBe("reached");
    expect(await ask("frontend", ADDRESSES.backend, 80)).toBe("timeout");
  });

  test("a bad edit changes nothing, and is told with its place", async () => {
    folder.write("policy.yaml", policy("frontend").replace("fromEndpoints", "fromEndpoint"));
    while ((await agent.client.policy()).problems.length === 0) await sleep(10);
    const { stdout, stderr } = await mesh("policy", "get");
    expect(stdout).toContain("1 in force, 1 refused");
    expect(stderr).toMatch(/policy\.yaml:8:5: error Y003: .*fromEndpoint/);
    expect(await ask("other", ADDRESSES.backend, 80)).toBe("reached");
  });

  test("when the agent ends, policy stays in force, and it says so", async () => {
    expect(await agent.end("SIGTERM")).toBe(0);
    expect(readFileSync(agent.log, "utf8")).toContain("policy stays in force in the kernel");
    expect((await mesh("status")).code).toBe(EXIT.environment);
    expect(await ask("frontend", ADDRESSES.backend, 80)).toBe("timeout");
    expect(await ask("other", ADDRESSES.backend, 80)).toBe("reached");
  });

  test("uninstall asks the agent, which ends; nothing is left, and pods keep their traffic", async () => {
    const node = bed.node("n1");
    agent = await startAgent(node, folder.path);
    const places = ["--bpffs", node.pins, "--state", join(node.files, "state")];
    const ran = await mesh("uninstall", ...places);
    expect([ran.code, ran.stdout + ran.stderr]).toEqual([
      EXIT.ok,
      expect.stringContaining("the agent has ended; nothing"),
    ]);
    expect(await agent.ended).toBe(0);
    expect([node.pins, join(node.files, "state"), agent.client.socket].filter((path) => existsSync(path))).toEqual([]);
    expect(await ask("frontend", ADDRESSES.backend, 443)).toBe("reached");
    expect((await mesh("uninstall", ...places)).code).toBe(EXIT.ok);
  });
});
