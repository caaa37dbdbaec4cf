/** The loaded programs against the engine that wrote their maps: every pair of ends, protocol and port of a small cluster. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { canLoad } from "../../../loader/index.ts";
import { TestRunNode } from "../../../mesh/datapath/test-run.ts";
import type { JudgedPod, KernelVerdict } from "../../../mesh/datapath/test-run.ts";
import { applyChanges, EMPTY_CLUSTER } from "../../../mesh/objects/cluster.ts";
import { parseObjects } from "../../../mesh/objects/parse.ts";
import type { Cluster } from "../../../mesh/objects/types.ts";
import { createPolicyEngine } from "../../../mesh/policy/engine.ts";
import type { FlowQuery, PolicyEngine } from "../../../mesh/policy/types.ts";

const loadable = canLoad();
const reason = loadable.ok ? null : loadable.reason;
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);

const POD = (name: string, node: string, address: string, labels: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: ${labels} }
spec: { nodeName: ${node}, containers: [{ name: c, ports: [{ name: web, containerPort: 8080 }] }] }
status: { podIPs: [{ ip: ${address} }] }
---`;

const BASE = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Node
metadata: { name: n1 }
status: { addresses: [{ type: InternalIP, address: 172.18.0.11 }] }
---
apiVersion: v1
kind: Node
metadata: { name: n2 }
status: { addresses: [{ type: InternalIP, address: 172.18.0.12 }] }
---${POD("front", "n1", "10.1.0.1", "{ app: front }")}${POD("back", "n1", "10.1.0.2", "{ app: back }")}${POD("other", "n1", "10.1.0.3", "{ app: other }")}${POD("far", "n2", "10.2.0.1", "{ app: front, far: 'yes' }")}
`;

const POLICY = (name: string, spec: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
---`;

// Each on top of the one before.
// prettier-ignore
const STEPS: readonly (readonly [string, string])[] = [
  ["no policy", ""],
  ["one port from some", POLICY("a", "{ endpointSelector: { matchLabels: { app: back } }, ingress: [{ fromEndpoints: [{ matchLabels: { app: front } }], toPorts: [{ ports: [{ port: '8080', protocol: TCP }] }] }] }")],
  ["a range and a CIDR", POLICY("b", "{ endpointSelector: { matchLabels: { app: back } }, ingress: [{ fromCIDRSet: [{ cidr: 203.0.113.0/24, except: [203.0.113.64/26] }], toPorts: [{ ports: [{ port: '1000', endPort: 3000, protocol: UDP }] }] }] }")],
  ["a denied port", POLICY("c", "{ endpointSelector: {}, ingressDeny: [{ fromEndpoints: [{ matchLabels: { far: 'yes' } }], toPorts: [{ ports: [{ port: '8080', protocol: ANY }] }] }] }")],
  ["egress by name and to nodes", POLICY("d", "{ endpointSelector: { matchLabels: { app: front } }, egress: [{ toEndpoints: [{}], toPorts: [{ ports: [{ port: web, protocol: TCP }] }] }, { toEntities: [remote-node] }] }")],
  ["pings", POLICY("e", "{ endpointSelector: { matchLabels: { app: other } }, ingress: [{ fromEntities: [cluster], icmps: [{ fields: [{ type: 8, family: IPv4 }] }] }] }")],
  ["HTTP rules", POLICY("f", "{ endpointSelector: { matchLabels: { app: other } }, ingress: [{ fromEndpoints: [{ matchLabels: { app: back } }], toPorts: [{ ports: [{ port: '8080', protocol: TCP }], rules: { http: [{ method: GET }] } }] }] }")],
];

const ENDS = [
  "10.1.0.1",
  "10.1.0.2",
  "10.1.0.3",
  "10.2.0.1",
  "172.18.0.11",
  "172.18.0.12",
  "203.0.113.5",
  "203.0.113.70",
  "198.51.100.1",
];
// prettier-ignore
const PORTS = [
  ["TCP", 8080], ["TCP", 80], ["UDP", 8080], ["UDP", 1000], ["UDP", 2048], ["UDP", 3000], ["UDP", 3001], ["SCTP", 8080], ["ICMP", 8], ["ICMP", 13],
] as const;

function localPods(cluster: Cluster, engine: PolicyEngine): readonly JudgedPod[] {
  return [...cluster.pods.entries()].flatMap(([pod, { node, addresses }]) => {
    const policy = engine.policyOf(pod);
    if (node !== "n1" || policy === undefined) return [];
    return [{ pod, addresses, known: { identity: engine.identityOf(addresses[0] ?? ""), policy } }];
  });
}

describe.skipIf(reason !== null)("the programs say what the engine says", () => {
  let node: TestRunNode;
  let engine = createPolicyEngine({ node: "n1" });
  let cluster = EMPTY_CLUSTER;
  beforeAll(async () => {
    node = await TestRunNode.load();
  });
  afterAll(() => node.close());

  const said = (verdict: KernelVerdict | null): string | null => verdict?.verdict ?? null;
  const wanted = (flow: FlowQuery, direction: "ingress" | "egress"): string | null => {
    const [one] = engine.explain(flow).filter((explanation) => explanation.direction === direction);
    return one === undefined || one.reason === "not a managed endpoint" ? null : one.verdict;
  };
  const differences = (): readonly string[] =>
    ENDS.flatMap((source) =>
      ENDS.flatMap((destination) =>
        PORTS.flatMap(([protocol, port]) => {
          if (source === destination) return [];
          const flow: FlowQuery = { source, destination, protocol, port };
          const { egress, ingress } = node.judge(flow);
          return (["egress", "ingress"] as const).flatMap((direction) => {
            const [kernel, truth] = [said(direction === "egress" ? egress : ingress), wanted(flow, direction)];
            return kernel === truth
              ? []
              : [`${source} > ${destination} ${protocol} ${port} ${direction}: ${kernel}, not ${truth}`];
          });
        }),
      ),
    );

  test.each(STEPS)("%s", (name, yaml) => {
    const first = name === "no policy";
    const text = first ? BASE : yaml;
    const { objects, diagnostics } = parseObjects(text, "test.yaml");
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    cluster = applyChanges(
      cluster,
      objects.map(({ object }) => ({ kind: "set", object })),
    );
    const change = engine.update(cluster);
    if (first) node.begin(change, localPods(cluster, engine));
    else node.apply(change, localPods(cluster, engine));
    expect(differences()).toEqual([]);
  });

  test("another cluster in its place", () => {
    engine = createPolicyEngine({ node: "n1" });
    const { objects } = parseObjects(
      `${BASE}---${POLICY("z", "{ endpointSelector: {}, ingress: [{}] }")}`,
      "test.yaml",
    );
    cluster = applyChanges(
      EMPTY_CLUSTER,
      objects.map(({ object }) => ({ kind: "set", object })),
    );
    const change = engine.update(cluster);
    node.begin(change, localPods(cluster, engine));
    expect(differences()).toEqual([]);
    expect(
      node.judge({ source: "10.1.0.1", destination: "10.1.0.2", protocol: "TCP", port: 80 }).ingress,
    ).toMatchObject({ verdict: "deny", reason: 133 });
  });
});
