/** The cluster of the agent's tests as YAML: a server, a client that may reach it, and a stranger who may not. */
export const PODS = {
  server: { address: "10.244.1.2", app: "back" },
  client: { address: "10.244.1.1", app: "front" },
  stranger: { address: "10.244.1.3", app: "other" },
} as const;
export type PodName = keyof typeof PODS;

const pod = (name: PodName): string => `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, labels: { app: ${PODS[name].app} } }
spec: { nodeName: n1 }
status: { podIPs: [{ ip: ${PODS[name].address} }] }
`;

export const CLUSTER = `apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: v1
kind: Node
metadata: { name: n1 }
status: { addresses: [{ type: InternalIP, address: 172.18.0.11 }] }
${pod("server")}${pod("client")}${pod("stranger")}`;

const policy = (name: string, ingress: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: back } }
  ingress: ${ingress}
`;

export const POLICY = policy(
  "server",
  `[{ fromEndpoints: [{ matchLabels: { app: front } }], toPorts: [{ ports: [{ port: "7", protocol: ANY }] }] }]`,
);
/** Nobody at all. */
export const FORBIDDEN = policy("server", "[{}]");
