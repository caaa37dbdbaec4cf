/** The numbers in events, with the real engine behind them. */
import { expect, test } from "vitest";
import { clusterOf } from "../../../mesh/objects/cluster.ts";
import { parseObjects } from "../../../mesh/objects/parse.ts";
import { createFlowContext } from "../../../mesh/observe/context.ts";
import { EVENT_KIND } from "../../../mesh/observe/event.ts";
import { formatFlow } from "../../../mesh/observe/format.ts";
import { FlowLog } from "../../../mesh/observe/log.ts";
import { createPolicyEngine } from "../../../mesh/policy/engine.ts";
import { eventBytes } from "./events.ts";

const pod = (name: string, ip: string): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: ${name} } }
spec: { nodeName: node-1, containers: [{ name: c, image: i }] }
status: { podIP: ${ip}, podIPs: [{ ip: ${ip} }] }
`;
const policy = (name: string): string => `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: default }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingress: [{ fromEndpoints: [{ matchLabels: { app: ${name} } }] }]
`;
const NAMESPACE = `
apiVersion: v1
kind: Namespace
metadata: { name: default }
`;

const parse = (...texts: string[]): ReturnType<typeof clusterOf> => {
  const { objects, diagnostics } = parseObjects(texts.join("---"), "all.yaml");
  expect(diagnostics).toEqual([]);
  return clusterOf(objects.map((o) => o.object));
};

test("a drop names every policy that closed the direction, with the cluster as it was then", () => {
  const engine = createPolicyEngine({ node: "node-1" });
  let cluster = parse(NAMESPACE, pod("frontend", "10.0.0.1"), pod("backend", "10.0.0.2"), policy("one"), policy("two"));
  engine.update(cluster);
  const endpoints = [{ id: 5, namespace: "default", name: "backend" }];
  const log = new FlowLog(
    createFlowContext({ node: "node-1", engine, cluster: () => cluster, endpoints: () => endpoints }),
  );
  const drop = eventBytes({
    kind: EVENT_KIND.dropped,
    reason: 133,
    endpoint: 5,
    protocol: 6,
    sourcePort: 1,
    destinationPort: 80,
    sourceIdentity: engine.identityOf("10.0.0.1"),
    destinationIdentity: engine.identityOf("10.0.0.2"),
  });
  log.add(drop);
  cluster = parse(NAMESPACE, pod("frontend", "10.0.0.9"), pod("backend", "10.0.0.2"), policy("two"));
  engine.update(cluster);
  log.add(drop);
  expect(log.recent().map((flow) => formatFlow(flow).slice(14))).toEqual([
    "default/frontend:1 -> default/backend:80 TCP  DROPPED  Policy denied (133)  ingress, no rule of default/one, default/two allows it",
    expect.stringMatching(
      /^10\.0\.0\.1:1 \(.*\) -> default\/backend:80 TCP {2}DROPPED .* no rule of default\/two allows it$/,
    ),
  ]);
  expect(log.recent()[0]?.source.labels).toContain("k8s:app=frontend");
});
