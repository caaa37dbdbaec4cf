/** `ebpf-ts mesh …` against an agent in memory. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { runCli } from "../../cli/cli.ts";
import { serveApi } from "../../mesh/control/api.ts";
import type { ApiServer } from "../../mesh/control/api.ts";
import { EVENT_KIND } from "../../mesh/observe/event.ts";
import { makeAgent } from "../mesh/control/agent.ts";
import { eventBytes } from "../mesh/observe/events.ts";
import { documents, run } from "./command.ts";

let folder: string;
let socket: string;
let server: ApiServer;
let agent: ReturnType<typeof makeAgent>;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-cli-"));
});
beforeEach(async () => {
  await server?.close();
  socket = join(folder, `${Math.random().toString(36).slice(2)}.sock`);
  agent = makeAgent();
  server = await serveApi(agent, { socket });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const mesh = (...argv: string[]): ReturnType<typeof run> => run("mesh", ...argv, "--socket", socket);
const lines = (text: string): string[] => text.trimEnd().split("\n");

test("without an agent: what is wrong, and what to do", async () => {
  const ran = await run("mesh", "status", "--socket", "/nowhere/agent.sock");
  expect(ran.code).toBe(EXIT.environment);
  expect(ran.stderr).toContain("error Q001: no agent answers at /nowhere/agent.sock");
  expect(ran.stderr).toContain("remedy:   start one with `ebpf-ts mesh up`");
  const json = await run("mesh", "endpoints", "--json", "--socket", "/nowhere/agent.sock");
  expect(documents(json)).toMatchObject([{ ok: false, diagnostics: [{ code: "Q001" }] }]);
});

test("status", async () => {
  const ran = await mesh("status");
  expect(ran.code, ran.stderr).toBe(EXIT.ok);
  expect(lines(ran.stdout)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^node-1: ready, agent 1\.2\.3, up for \d+d/),
      "policy:    revision 3, 1 object, 0 problems",
      "endpoints: 2 ready",
      "waypoint:  running (process 42), listens in default/backend",
      "flows:     0 seen, 4 lost in the kernel, 0 by slow readers",
      "datapath  ok     all programs are attached",
      "tcx     yes   judges packets",
      "flows    65536     65536  100.0 %  8.2 kB",
      "drift: none seen",
    ]),
  );
  expect(documents(await mesh("status", "--json"))).toMatchObject([{ node: "node-1", ready: true }]);
});

test("status of an agent that is not ready", async () => {
  await server.close();
  const checks = [{ name: "datapath", state: "failed", message: "from_pod of default/backend is detached" }] as const;
  server = await serveApi(makeAgent({ checks: () => checks }), { socket });
  const ran = await mesh("status");
  expect(ran.code).toBe(EXIT.input);
  expect(ran.stdout).toContain("node-1: NOT READY");
  expect(ran.stdout).toContain("datapath  failed  from_pod of default/backend is detached");
});

test("endpoints", async () => {
  const ran = await mesh("endpoints");
  expect(lines(ran.stdout)).toEqual([
    "ENDPOINT          ID  STATE  IDENTITY  LABELS        ADDRESSES  INTERFACE  ENFORCING  WAYPOINT  REVISION",
    "default/frontend   4  ready      1001  app=frontend  10.0.0.1   veth4      none       none             3",
    "default/backend    5  ready      1002  app=backend   10.0.0.2   veth5      ingress    up               3",
  ]);
  expect(documents<unknown[]>(await mesh("endpoints", "--json"))[0]).toHaveLength(2);
});

test("services", async () => {
  expect(lines((await mesh("services")).stdout)).toEqual([
    "SERVICE          ADDRESS            CHOICE  BACKENDS",
    "default/backend  10.96.0.10:80/TCP  random  10.0.0.2:80",
  ]);
});

describe("policy get", () => {
  test("a pod", async () => {
    expect(lines((await mesh("policy", "get", "backend")).stdout)).toEqual([
      "default/backend (revision 3)",
      "  ingress: denied, except",
      "    ACTION    PEER          PORTS   HTTP            RULE                              PLACE          PACKETS  BYTES",
      "    redirect  app=frontend  80/TCP  GET /public/.*  default/secure-access ingress[0]  policy.yaml:6  7        700 B",
      "  egress: allowed, no policy closes it",
    ]);
  });

  test("all", async () => {
    const ran = await mesh("policy", "get");
    expect(ran.stdout).toContain(
      "revision 3, 1 in force\nKIND                 NAME\nCiliumNetworkPolicy  default/secure-access\n",
    );
    expect(ran.stdout).toContain("\ndefault/backend (revision 3)\n");
  });

  test("no such pod", async () => {
    const ran = await mesh("policy", "get", "default/nobody");
    expect([ran.code, ran.stderr]).toEqual([EXIT.input, expect.stringContaining("Q005")]);
  });

  test("a name that is none", async () => {
    expect((await mesh("policy", "get", "a/b/c")).code).toBe(EXIT.usage);
  });
});

const ENDS = "default/frontend (10.0.0.1, identity 1001) -> default/backend (10.0.0.2, identity 1002) port 80/TCP";
const RULE = "default/secure-access ingress[0] (policy.yaml:6)";

// prettier-ignore
const EXPLAINED: readonly [argv: string[], code: number, lines: string[]][] = [
  [["frontend", "backend", "80"], EXIT.ok, [
    ENDS,
    `  ingress of default/backend: redirect, allowed by rule: ${RULE}`,
    "ALLOWED, and HTTP rules decide each request (give --method and --path to ask them)",
  ]],
  [["frontend", "backend", "80", "--path", "/public/x"], EXIT.ok, [
    `${ENDS}, GET /public/x of backend`,
    `  ingress of default/backend: allow, HTTP rule matches: ${RULE}`,
    "ALLOWED",
  ]],
  [["frontend", "backend", "80", "--method", "POST", "--header", "X-A: b"], EXIT.input, [
    `${ENDS}, POST / of backend`,
    `  ingress of default/backend: http403, no HTTP rule matches: ${RULE}`,
    "DENIED: the connection is allowed, the request is answered 403",
  ]],
  [["192.0.2.7", "10.96.0.10", "80"], EXIT.input, [
    "world (192.0.2.7, identity 2) -> default/backend as service default/backend (10.0.0.2, identity 1002) port 80/TCP",
    "  ingress of default/backend: deny, default deny: no rule of default/secure-access allows it",
    "DENIED",
  ]],
];

describe("policy explain", () => {
  test.each(EXPLAINED)("%j", async (argv, code, expected) => {
    const ran = await mesh("policy", "explain", ...argv);
    expect(lines(ran.stdout), ran.stderr).toEqual(expected);
    expect(ran.code).toBe(code);
  });

  test("as JSON", async () => {
    const ran = await mesh("policy", "explain", "frontend", "backend", "80", "--json");
    expect(documents(ran)).toMatchObject([
      { verdict: "redirect", ends: [{ rule: { object: { name: "secure-access" } } }] },
    ]);
  });

  test.each([
    ["a header without a colon", ["frontend", "backend", "80", "--header", "x"], EXIT.usage],
    ["no port", ["frontend", "backend"], EXIT.usage],
    ["an unknown protocol", ["frontend", "backend", "80", "--protocol", "QUIC"], EXIT.usage],
    ["an unknown pod", ["nobody", "backend", "80"], EXIT.input],
  ])("%s", async (_name, argv, code) => {
    expect((await mesh("policy", "explain", ...argv)).code).toBe(code);
  });
});

describe("flows", () => {
  const drop = {
    kind: EVENT_KIND.dropped,
    reason: 133,
    endpoint: 5,
    protocol: 6,
    destinationPort: 80,
    sourcePort: 43120,
  };

  test("lines, newest last", async () => {
    for (const port of [80, 81, 82]) agent.flows.add(eventBytes({ ...drop, destinationPort: port }));
    const ran = await mesh("flows", "--last", "2", "--verdict", "DROPPED");
    expect(lines(ran.stdout).map((line) => line.slice(14))).toEqual(
      [81, 82].map(
        (port) =>
          `default/frontend:43120 -> default/backend:${port} TCP  DROPPED  Policy denied (133)  ingress, no rule of default/secure-access allows it`,
      ),
    );
  });

  test("filters: several values of one option, several options", async () => {
    for (const port of [80, 81, 82]) agent.flows.add(eventBytes({ ...drop, destinationPort: port }));
    agent.flows.add(eventBytes({ ...drop, kind: EVENT_KIND.forwarded, reason: 0, destinationPort: 80 }));
    const ran = await mesh("flows", "--port", "80", "--port", "82", "--reason", "policy denied", "--json");
    const ports = documents<{ flow: { l4: { TCP: { destination_port: number } } } }>(ran).map(
      (d) => d.flow.l4.TCP.destination_port,
    );
    expect(ports).toEqual([80, 82]);
  });

  test("twenty unless somebody asks for more", async () => {
    for (let i = 0; i < 50; i++) agent.flows.add(eventBytes(drop));
    expect(lines((await mesh("flows")).stdout)).toHaveLength(20);
    expect(lines((await mesh("flows", "--last", "30")).stdout)).toHaveLength(30);
    const now = { ...drop, time: Number(process.hrtime.bigint()) };
    for (let i = 0; i < 40; i++) agent.flows.add(eventBytes(now));
    expect(lines((await mesh("flows", "--since", "1m")).stdout)).toHaveLength(40);
  });

  test("colours only where the output has them", async () => {
    agent.flows.add(eventBytes(drop));
    let stdout = "";
    const io = { stdout: (t: string): void => void (stdout += t), stderr: (): void => {}, colours: true };
    await runCli(["mesh", "flows", "--socket", socket], io);
    expect(stdout).toContain("\u001b[31mDROPPED\u001b[0m");
    expect((await mesh("flows")).stdout).not.toContain("\u001b");
  });

  test("followed until Ctrl-C, which is exit code 0", async () => {
    agent.flows.add(eventBytes(drop));
    let stdout = "";
    let seen: (() => void) | null = null;
    const io = {
      stdout: (t: string): void => {
        stdout += t;
        seen?.();
      },
      stderr: (): void => {},
    };
    const running = runCli(["mesh", "flows", "--follow", "--socket", socket], io);
    await new Promise<void>((resolve) => (seen = resolve));
    const next = new Promise<void>((resolve) => (seen = resolve));
    agent.flows.add(eventBytes({ ...drop, destinationPort: 81 }));
    await next;
    process.emit("SIGINT");
    expect(await running).toBe(EXIT.ok);
    expect(lines(stdout)).toHaveLength(2);
  });

  test.each([
    ["--last", "many"],
    ["--since", "yesterday"],
  ])("%s %s is a wrong option", async (...argv) => {
    expect((await mesh("flows", ...argv)).code).toBe(EXIT.usage);
  });
});

const CLUSTER = `
apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Pod
metadata: { name: frontend, namespace: default, labels: { app: frontend } }
spec: { containers: [{ name: c, image: i }] }
status: { podIP: 10.0.0.1 }
---
apiVersion: v1
kind: Pod
metadata: { name: backend, namespace: default, labels: { app: backend } }
spec: { nodeName: node-2, containers: [{ name: c, image: i, ports: [{ name: http, containerPort: 80 }] }] }
status: { podIP: 10.0.0.2 }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: default }
spec: { clusterIP: 10.96.0.10, selector: { app: backend }, ports: [{ port: 8080, targetPort: http }] }
`;
const POLICY = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: secure-access, namespace: default }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingress:
  - fromEndpoints: [{ matchLabels: { app: frontend } }]
    toPorts:
    - ports: [{ port: "80", protocol: TCP }]
      rules: { http: [{ method: GET, path: "/public/.*" }] }
`;

function makePolicies(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

describe("without an agent", () => {
  let good: string;
  beforeAll(() => {
    good = makePolicies("good", { "cluster.yaml": CLUSTER, "policy.yaml": POLICY });
  });

  // prettier-ignore
  const OFFLINE: readonly [argv: string[], code: number, says: string][] = [
    [["frontend", "backend", "80"],                                EXIT.ok,    "redirect, allowed by rule: default/secure-access ingress[0]"],
    [["frontend", "web", "8080", "--path", "/public/x"],           EXIT.ok,    "default/backend as service default/web (10.0.0.2"],
    [["frontend", "10.96.0.10", "8080", "--path", "/admin"],       EXIT.input, "http403, no HTTP rule matches"],
    [["frontend", "backend", "http", "--method", "GET", "--path", "/public/"], EXIT.ok, "allow, HTTP rule matches"],
    [["192.0.2.7", "backend", "80"],                               EXIT.input, "deny, default deny: no rule of default/secure-access allows it"],
    [["backend", "frontend", "80"],                                EXIT.ok,    "egress of default/backend: allow, no policy"],
  ];
  test.each(OFFLINE)("explain --offline %j", async (argv, code, says) => {
    const ran = await run("mesh", "policy", "explain", ...argv, "--offline", good);
    expect(ran.stdout, ran.stderr).toContain(says);
    expect(ran.code).toBe(code);
  });

  test("validate a folder that is in order", async () => {
    const ran = await run("mesh", "policy", "validate", good);
    expect([ran.code, ran.stdout]).toEqual([EXIT.ok, "namespaces 1, pods 2, services 1, policies 1; no errors\n"]);
  });

  test("validate one that is not: file, line and field, exit code 1", async () => {
    const bad = makePolicies("bad", { "policy.yaml": POLICY.replace("fromEndpoints", "fromEndpoint") });
    const ran = await run("mesh", "policy", "validate", bad, "--json");
    expect(ran.code).toBe(EXIT.input);
    expect(ran.stderr).toContain("policy.yaml:8:5: error Y003: spec.ingress[0].fromEndpoint");
    expect(documents(ran)).toMatchObject([{ ok: false, objects: { policies: 0 }, diagnostics: [{ code: "Y003" }] }]);
  });

  test("a folder that is not there", async () => {
    expect((await run("mesh", "policy", "validate", join(folder, "nowhere"))).stderr).toContain("error Y022");
  });
});
