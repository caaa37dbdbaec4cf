/** The agent's socket, with an agent in memory behind it. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DiagnosticError } from "ebpf-ts/diag";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serveApi } from "../../../mesh/control/api.ts";
import type { ApiServer } from "../../../mesh/control/api.ts";
import { AgentClient } from "../../../mesh/control/client.ts";
import { EVENT_KIND } from "../../../mesh/observe/event.ts";
import type { Followed } from "../../../mesh/observe/log.ts";
import { eventBytes } from "../observe/events.ts";
import { BACKEND, FRONTEND, makeAgent } from "./agent.ts";

let folder: string;
let socket: string;
let agent: ReturnType<typeof makeAgent>;
let server: ApiServer;
let client: AgentClient;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "mesh-api-"));
  socket = join(folder, "agent.sock");
  agent = makeAgent();
  server = await serveApi(agent, { socket });
  client = new AgentClient(socket);
});
afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Raw {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

function raw(method: string, path: string, body?: string): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: socket, agent: false, method, path }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => void (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    sent.on("error", reject).end(body);
  });
}

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => {
  const error: unknown = await promise.then(
    () => null,
    (e: unknown) => e,
  );
  return error instanceof DiagnosticError ? error.diagnostics[0]?.code : String(error);
};

test("the socket is for its owner only, and goes with the server", async () => {
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  await server.close();
  expect(() => statSync(socket)).toThrow("ENOENT");
  expect(await codeOf(client.status())).toBe("Q001");
});

test("a socket that a dead agent left is replaced, a living agent's is not", async () => {
  const other = join(folder, "other.sock");
  writeFileSync(other, "");
  await (await serveApi(agent, { socket: other })).close();
  expect(await codeOf(serveApi(agent, { socket }))).toBe("Q003");
  expect((await client.status()).node).toBe("node-1");
});

test("a path that cannot be listened at", async () => {
  expect(await codeOf(serveApi(agent, { socket: join(folder, "x".repeat(120)) }))).toBe("Q003");
  expect(await codeOf(serveApi(agent, { socket: "/nowhere/at/all/agent.sock" }))).toBe("Q003");
});

test("status", async () => {
  expect(await client.status()).toMatchObject({
    node: "node-1",
    ready: true,
    endpoints: { total: 2, states: { ready: 2 } },
    policy: { revision: 3, objects: [{ name: "secure-access" }] },
    services: 1,
    waypoint: { state: "running" },
    flows: { seen: 0, lostInKernel: 4 },
  });
});

describe("readiness", () => {
  test("ready", async () => {
    expect((await raw("GET", "/readyz")).status).toBe(200);
    expect((await raw("GET", "/healthz")).text).toBe('{"ok":true}\n');
  });

  test.each([
    ["a check failed", { checks: () => [{ name: "datapath", state: "failed", message: "detached" }] as const }],
    ["no policy was in force yet", { bootstrapMilliseconds: null }],
  ])("not ready: %s", async (_name, more) => {
    const other = join(folder, "other.sock");
    const sick = await serveApi(makeAgent(more), { socket: other });
    expect((await new AgentClient(other).readiness()).ready).toBe(false);
    await sick.close();
  });
});

describe("endpoints", () => {
  const { namespace, name, netns, addresses } = BACKEND;
  const registration = { namespace, name, interface: "veth9", netns, cgroup: null, addresses };

  test("list and one", async () => {
    expect(await client.endpoints()).toEqual([FRONTEND, BACKEND]);
    expect(JSON.parse((await raw("GET", "/v1/endpoints/default/backend")).text)).toEqual(BACKEND);
  });

  test("a registration reaches the agent, and its answer the caller", async () => {
    expect(await client.register(registration)).toMatchObject({ interface: "veth9", state: "ready" });
    expect(agent.asked.registered).toEqual([registration]);
  });

  test("what the agent refuses is told in its words", async () => {
    await expect(client.register({ ...registration, interface: "missing" })).rejects.toThrow(
      "there is no interface missing",
    );
    expect(
      (await raw("PUT", "/v1/endpoints/default/x", JSON.stringify({ ...BODY, interface: "missing" }))).status,
    ).toBe(422);
  });

  test("removal", async () => {
    await client.unregister("default", "backend");
    expect(agent.asked.unregistered).toEqual(["default/backend"]);
    expect(await codeOf(client.unregister("default", "nobody"))).toBe("Q005");
  });
});

const BODY = { interface: "veth9", netns: "/run/netns/x", addresses: ["10.0.0.3", "fd00::3"] };

// prettier-ignore
const BAD: readonly [name: string, method: string, path: string, body: string | undefined, status: number, says: string][] = [
  ["unknown path",          "GET",    "/v2/status",                     undefined, 404, "there is no /v2/status here"],
  ["wrong method",          "POST",   "/v1/status",                     undefined, 405, "does not take POST"],
  ["unknown parameter",     "GET",    "/v1/status?pretty",              undefined, 400, "takes no parameter pretty"],
  ["no such endpoint",      "GET",    "/v1/endpoints/default/nobody",   undefined, 404, "no endpoint default/nobody on node-1"],
  ["no JSON",               "PUT",    "/v1/endpoints/default/x",        "{",       400, "the body is not JSON"],
  ["not an object",         "PUT",    "/v1/endpoints/default/x",        "[]",      400, "the body of the registration"],
  ["bad name",              "PUT",    "/v1/endpoints/default/X_Y",      JSON.stringify(BODY), 400, "name of the registration"],
  ["dots for a name",       "PUT",    "/v1/endpoints/default/%2e%2e",   JSON.stringify(BODY), 404, "there is no /v1/endpoints/ here"],
  ["unknown field",         "PUT",    "/v1/endpoints/default/x",        JSON.stringify({ ...BODY, ip: "10.0.0.3" }), 400, "ip of the registration"],
  ["bad interface",         "PUT",    "/v1/endpoints/default/x",        JSON.stringify({ ...BODY, interface: "a name that is too long" }), 400, "interface of the registration"],
  ["relative path",         "PUT",    "/v1/endpoints/default/x",        JSON.stringify({ ...BODY, netns: "x" }), 400, "netns of the registration"],
  ["bad address",           "PUT",    "/v1/endpoints/default/x",        JSON.stringify({ ...BODY, addresses: ["10.0.0.300"] }), 400, "addresses of the registration"],
  ["no address",            "PUT",    "/v1/endpoints/default/x",        JSON.stringify({ ...BODY, addresses: [] }), 400, "addresses of the registration"],
  ["too long",              "PUT",    "/v1/endpoints/default/x",        " ".repeat(70_000), 400, "more than 65536 bytes"],
  ["nothing to explain",    "GET",    "/v1/explain",                    undefined, 400, "the parameter destination is missing"],
  ["no such pod",           "GET",    "/v1/explain?source=a&destination=backend&port=80", undefined, 404, "no pod, node or address a"],
  ["no such port",          "GET",    "/v1/explain?source=frontend&destination=default/frontend&port=http", undefined, 400, "http is no port of default/frontend"],
  ["port of the service",   "GET",    "/v1/explain?source=frontend&destination=10.96.0.10&port=81", undefined, 404, "has no port 81/TCP"],
  ["two families",          "GET",    "/v1/explain?source=frontend&destination=fd00::1&port=80", undefined, 400, "no addresses of one family"],
  ["bad protocol",          "GET",    "/v1/explain?source=frontend&destination=10.0.0.2&port=80&protocol=QUIC", undefined, 400, "an unknown protocol"],
  ["bad header",            "GET",    "/v1/explain?source=frontend&destination=10.0.0.2&port=80&header=x", undefined, 400, "a header"],
  ["bad number",            "GET",    "/v1/flows?last=many",            undefined, 400, "the parameter last"],
];

describe("bad requests", () => {
  test.each(BAD)("%s", async (_name, method, path, body, status, says) => {
    const answer = await raw(method, path, body);
    const { ok, diagnostics } = JSON.parse(answer.text) as {
      ok: boolean;
      diagnostics: { message: string; remedy: string }[];
    };
    expect([answer.status, ok]).toEqual([status, false]);
    expect(diagnostics[0]?.message).toContain(says);
    expect(diagnostics[0]?.remedy).toBeTruthy();
    expect(agent.asked.registered).toEqual([]);
  });

  test("a fault of the agent is one answer of 500, and the next request is served", async () => {
    const other = join(folder, "other.sock");
    const sick = makeAgent({
      services: () => {
        throw new Error("out of order");
      },
    });
    const faulty = await serveApi(sick, { socket: other });
    expect(await codeOf(new AgentClient(other).services())).toBe("Q007");
    expect(await new AgentClient(other).endpoints()).toHaveLength(2);
    await faulty.close();
  });
});

test("the rules in force for an endpoint, with their traffic", async () => {
  const { revision, directions } = await client.endpointPolicy("default", "backend");
  expect(revision).toBe(3);
  expect(directions).toMatchObject({
    ingress: {
      otherwise: "deny",
      rules: [
        {
          action: "redirect",
          rule: { at: "ingress[0]", place: { line: 6 } },
          peers: [{ identity: 1001 }],
          ports: ["80/TCP"],
          http: [{ method: "GET", path: "/public/.*" }],
          traffic: { packets: 7, bytes: 700 },
        },
      ],
    },
    egress: { otherwise: "allow", rules: [] },
  });
  expect(await codeOf(client.endpointPolicy("default", "frontend"))).toBe("Q005");
});

describe("explain", () => {
  const ask = { source: "frontend", destination: "default/backend", port: "80", protocol: "TCP", http: null } as const;
  const get = { method: "GET", path: "/public/x", host: "backend", headers: [["X-A", "b"]] } as const;

  test.each([
    ["an HTTP rule decides later", ask, "redirect"],
    ["a request that matches", { ...ask, http: get }, "allow"],
    ["a request that does not", { ...ask, http: { ...get, method: "POST" } }, "http403"],
    ["another source", { ...ask, source: "192.0.2.7" }, "deny"],
    ["the way back is open", { ...ask, source: "backend", destination: "frontend" }, "allow"],
  ])("%s", async (_name, question, verdict) => {
    expect((await client.explain(question)).verdict).toBe(verdict);
  });

  test("a service is judged by its backend", async () => {
    const explained = await client.explain({ ...ask, destination: "10.96.0.10" });
    expect(explained).toMatchObject({
      destination: { address: "10.0.0.2", pod: "default/backend", service: "default/backend" },
      source: { pod: "default/frontend", identity: 1001, node: "node-1" },
      port: 80,
      verdict: "redirect",
      ends: [{ direction: "ingress", rule: { index: 0 } }],
      elsewhere: [],
    });
  });
});

describe("flows", () => {
  const event = { kind: EVENT_KIND.dropped, reason: 133, endpoint: 5, protocol: 6, destinationPort: 80, sourcePort: 1 };

  test("the recent ones that match", async () => {
    for (const port of [80, 81, 80]) agent.flows.add(eventBytes({ ...event, destinationPort: port }));
    const seen: Followed[] = [];
    for await (const next of client.flows({ filter: { port: ["80"] }, last: 5 })) seen.push(next);
    expect(seen.map((s) => "flow" in s && s.flow.sequence)).toEqual([0, 2]);
    expect(seen[0]).toMatchObject({ flow: { reason: { number: 133 }, closedBy: [{ name: "secure-access" }] } });
  });

  test("followed until the reader goes", async () => {
    const stop = new AbortController();
    agent.flows.add(eventBytes(event));
    const ports: (number | null)[] = [];
    for await (const next of client.flows({ follow: true, last: 1, signal: stop.signal })) {
      if ("flow" in next) ports.push(next.flow.source.port);
      if (ports.length === 3) stop.abort();
      else agent.flows.add(eventBytes({ ...event, sourcePort: ports.length + 1 }));
    }
    expect(ports).toEqual([1, 2, 3]);
  });

  test("a follower is told that the agent went", async () => {
    agent.flows.add(eventBytes(event));
    const following = client.flows({ follow: true, last: 1 });
    await following.next();
    await server.close();
    expect(await codeOf(following.next())).toBe("Q001");
  });

  test("a slow reader holds up nobody, and is told what it lost", async () => {
    const following = client.flows({ follow: true, last: 1 });
    agent.flows.add(eventBytes(event));
    await following.next();
    // Far more than a socket's buffers take while nobody reads.
    for (let i = 0; i < 20_000; i++) agent.flows.add(eventBytes(event));
    let flows = 1;
    let lost = 0;
    while (flows + lost < 20_001) {
      const { value } = await following.next();
      if (value !== undefined && "lost" in value) lost += value.lost;
      else flows++;
    }
    expect(flows + lost).toBe(20_001);
    expect(lost).toBeGreaterThan(0);
    expect(agent.flows.lost.followers).toBe(lost);
    await following.return(undefined);
  });
});

test("metrics, on the socket and over TCP; the rest is not there", async () => {
  const other = join(folder, "other.sock");
  const open = await serveApi(agent, { socket: other, metricsAddress: { host: "127.0.0.1", port: 0 } });
  const { host, port } = open.metricsAddress ?? { host: "", port: 0 };
  const get = (path: string): Promise<Response> => fetch(`http://${host}:${port}${path}`);
  expect(await client.metrics()).toContain("cilium_policy_max_revision 3");
  const response = await get("/metrics");
  expect(response.headers.get("content-type")).toContain("text/plain");
  expect(await response.text()).toContain("cilium_policy_max_revision 3");
  expect((await get("/readyz")).status).toBe(200);
  expect((await get("/v1/status")).status).toBe(404);
  await open.close();
});

test("refresh and drift", async () => {
  expect(await client.refresh()).toBe(4);
  expect(await client.checkDrift()).toEqual([]);
});
