/** HTTP rules end to end: YAML, agent, kernel and waypoint on one node of the bed, ingress and egress, edits and a killed waypoint. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { agentCni, ClusterFolder, startAgent } from "../../../mesh/bed/agent.ts";
import type { BedAgent } from "../../../mesh/bed/agent.ts";
import { createBed, whyNoBed } from "../../../mesh/bed/bed.ts";
import type { Bed } from "../../../mesh/bed/bed.ts";
import type { Hand } from "../../../mesh/bed/hand-process.ts";
import { startHand } from "../../../mesh/bed/hand-process.ts";
import { endLeftWaypoint } from "../../../mesh/waypoint/supervisor.ts";

const PODS = [
  { name: "frontend", address: "10.244.1.10" },
  { name: "backend", address: "10.244.1.11" },
  { name: "other", address: "10.244.1.12" },
];
const NODE = { name: "n1", addresses: ["172.18.0.11"] };
const BACKEND = "10.244.1.11";

const CLUSTER = [
  `apiVersion: v1
kind: Node
metadata: { name: n1 }
status: { addresses: [ { type: InternalIP, address: 172.18.0.11 } ] }
`,
  ...PODS.map(
    ({ name, address }) => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec: { nodeName: n1 }
status: { podIP: ${address} }
`,
  ),
].join("---\n");

const policy = (pod: string, section: string, peer: string, rules: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${pod}-${section} }
spec:
  endpointSelector: { matchLabels: { app: ${pod} } }
  ${section}:
  - ${peer}: [ { matchLabels: { app: ${section === "ingress" ? "frontend" : "backend"} } } ]
    toPorts:
    - ports: [ { port: "80", protocol: TCP } ]
      rules: { http: [ ${rules} ] }
`;
const DENY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: backend-deny }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingressDeny:
  - fromEndpoints: [ { matchLabels: { app: frontend } } ]
`;
const PUBLIC = '{ method: "GET", path: "/public/.*" }';

const reason = whyNoBed();
if (reason !== null) process.stderr.write(`skipped: HTTP rules end to end: ${reason.message}\n`);

describe.skipIf(reason !== null)("HTTP rules end to end", () => {
  let bed: Bed;
  let folder: ClusterFolder;
  let agent: BedAgent;
  const hands = new Map<string, Hand>();

  beforeAll(async () => {
    bed = await createBed({ nodes: [NODE], pods: [], outside: [] });
    folder = new ClusterFolder(bed.files);
    folder.write("cluster.yaml", CLUSTER);
    folder.write("ingress.yaml", policy("backend", "ingress", "fromEndpoints", PUBLIC));
    agent = await startAgent(bed.node("n1"), folder.path);
    const pods = PODS.map(({ name, address }) => ({
      namespace: "default",
      name,
      addresses: [address],
      hostNetwork: false,
      node: "n1",
    }));
    await bed.addPods(
      pods,
      agentCni(() => agent),
    );
    for (const { name } of PODS) hands.set(name, await startHand(bed.pod(`default/${name}`)));
    await hands.get("backend")?.listen("http", 80);
    await listening(["default/backend"]);
  });
  afterAll(async () => {
    await agent?.end("SIGTERM");
    if (bed !== undefined) {
      endLeftWaypoint(join(bed.node("n1").files, "state"));
      bed.close();
    }
  });

  const listening = async (pods: readonly string[]): Promise<void> => {
    for (;;) {
      const { waypoint } = await agent.client.status();
      if (JSON.stringify(waypoint.endpoints) === JSON.stringify(pods)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  /** @param limitMs - short where no answer is expected. */
  const ask = async (source: string, method: string, path: string, limitMs = 5000): Promise<string> => {
    const request = { method, path };
    const tried = await (hands.get(source) as Hand).try({
      service: "http",
      address: BACKEND,
      port: 80,
      limitMs,
      request,
    });
    return tried.status === null ? tried.outcome : String(tried.status);
  };

  test("method and path decide, another pod gets no connection", async () => {
    expect([
      await ask("frontend", "GET", "/public/x"),
      await ask("frontend", "GET", "/admin"),
      await ask("frontend", "POST", "/public/x"),
      await ask("other", "GET", "/public/x", 300),
    ]).toEqual(["200", "403", "403", "timeout"]);
  });

  test("an edit is in force at once", async () => {
    folder.write("ingress.yaml", policy("backend", "ingress", "fromEndpoints", `${PUBLIC}, { path: "/admin" }`));
    while ((await ask("frontend", "GET", "/admin")) !== "200");
    expect(await ask("frontend", "GET", "/private")).toBe("403");
  });

  test("egress rules are asked in the pod's own namespace, and both ends must agree", async () => {
    folder.write(
      "egress.yaml",
      policy("frontend", "egress", "toEndpoints", '{ path: "/public/y" }, { path: "/private" }'),
    );
    await listening(["default/backend", "default/frontend"]);
    expect([
      await ask("frontend", "GET", "/public/y"),
      await ask("frontend", "GET", "/public/x"),
      await ask("frontend", "GET", "/private"),
    ]).toEqual(["200", "403", "403"]);
  });

  test("where the other end's policy allows no connection, requests get no answer, and not the waypoint's 403", async () => {
    folder.write("deny.yaml", DENY);
    await agent.client.refresh();
    expect([await ask("frontend", "GET", "/public/y", 300), await ask("frontend", "GET", "/public/x", 300)]).toEqual([
      "timeout",
      "timeout",
    ]);
    folder.remove("deny.yaml");
    await agent.client.refresh();
    expect([await ask("frontend", "GET", "/public/y"), await ask("frontend", "GET", "/public/x")]).toEqual([
      "200",
      "403",
    ]);
  });

  test("a killed waypoint: nothing passes, until it is there again", async () => {
    const { waypoint } = await agent.client.status();
    process.kill(waypoint.pid ?? 0, "SIGKILL");
    expect(await ask("frontend", "GET", "/public/y", 200)).not.toBe("200");
    await listening(["default/backend", "default/frontend"]);
    expect(await ask("frontend", "GET", "/public/y")).toBe("200");
  });

  test("an agent that is killed and started again keeps the waypoint's connections", async () => {
    await agent.end("SIGKILL");
    expect(await ask("frontend", "GET", "/public/y")).toBe("200");
    agent = await startAgent(bed.node("n1"), folder.path);
    expect(await ask("frontend", "GET", "/public/y")).toBe("200");
    await listening(["default/backend", "default/frontend"]);
    expect(await ask("frontend", "GET", "/public/y")).toBe("200");
    expect(await ask("frontend", "GET", "/public/x")).toBe("403");
  });
});
