// A node with many pods, its agent, and a cluster around it: what the sections about memory and numbers of pods share.
import { readFileSync } from "node:fs";
import { agentCni, ClusterFolder, createBed, startBedAgent } from "../../../dist/mesh/index.js";

export const NODE = { name: "n1", addresses: ["172.18.0.1"] };
const REMOTE = { name: "n2", addresses: ["172.18.0.2"] };
/** Pods that share their labels, as replicas do. */
const REPLICAS = 10;

const address = (net, i) => `10.${net}.${i >> 8}.${i & 255}`;

/** Pods of the node itself. */
export const podsOf = (count, first = 0) =>
  Array.from({ length: count }, (_, i) => ({
    namespace: "default",
    name: `pod-${first + i}`,
    node: NODE.name,
    addresses: [address(1, first + i + 1)],
    hostNetwork: false,
  }));

const document = (value) => `${JSON.stringify(value)}\n`;
const join = (documents) => documents.map(document).join("---\n");

function podDocument({ name, node, addresses: [ip] }, group) {
  const metadata = { name, labels: { app: `app-${group}`, tier: group % 2 === 0 ? "web" : "data" } };
  return { apiVersion: "v1", kind: "Pod", metadata, spec: { nodeName: node }, status: { podIP: ip } };
}

const nodeDocument = ({ name, addresses: [ip] }) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name },
  status: { addresses: [{ type: "InternalIP", address: ip }] },
});

/** A policy per group of replicas, round and round: each lets a few other groups in, on ports of its own. */
function policyDocument(i, groups) {
  const peers = [1, 7, 13].map((step) => ({ matchLabels: { app: `app-${(i + step) % groups}` } }));
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: `policy-${i}` },
    spec: {
      endpointSelector: { matchLabels: { app: `app-${i % groups}` } },
      ingress: [{ fromEndpoints: peers, toPorts: [{ ports: [{ port: String(1000 + i), protocol: "TCP" }] }] }],
    },
  };
}

/** The cluster's files: nodes, this node's pods, pods elsewhere, policies. */
export function writeCluster(folder, { pods, remote, policies }) {
  const groups = Math.ceil(pods.length / REPLICAS);
  folder.write("nodes.yaml", join([NODE, REMOTE].map(nodeDocument)));
  folder.write("pods.yaml", join(pods.map((pod, i) => podDocument(pod, i % groups))));
  const elsewhere = Array.from({ length: remote }, (_, i) =>
    podDocument({ name: `remote-${i}`, node: REMOTE.name, addresses: [address(2, i + 1)] }, i % groups),
  );
  if (remote > 0) folder.write("remote.yaml", join(elsewhere));
  const all = Array.from({ length: policies }, (_, i) => policyDocument(i, groups));
  if (policies > 0) folder.write("policies.yaml", join(all));
}

/** A bed of the node alone, its agent started. The caller closes the bed. */
export async function startNode(cluster) {
  const bed = await createBed({ nodes: [NODE], pods: [], outside: [] });
  try {
    const folder = new ClusterFolder(bed.files);
    writeCluster(folder, cluster);
    const agent = await startBedAgent(bed.node(NODE.name), folder.path);
    return { bed, folder, agent, cni: agentCni(() => agent) };
  } catch (error) {
    bed.close();
    throw error;
  }
}

/** Bytes: resident, and the share of it that no other process has (shared pages by the number of their users). */
export function memoryOf(pid) {
  const field = (file, name) => {
    const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/${file}`, "utf8"));
    return Number(kilobytes) * 1024;
  };
  return { resident: field("status", "VmRSS"), proportional: field("smaps_rollup", "Pss") };
}

/** Bytes of the agent's maps in the kernel. */
export async function mapMemory(agent) {
  const { maps } = await agent.client.status();
  return maps.reduce((sum, { memory }) => sum + (memory ?? 0), 0);
}
