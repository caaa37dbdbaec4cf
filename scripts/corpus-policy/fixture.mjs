// The cluster of fixture.json as Kubernetes documents, and the ends that its flows name.
import { readFileSync } from "node:fs";
import { clusterOf, parseObjects } from "../../dist/mesh/index.js";

/** Reads fixture.json: `documents` (Kubernetes objects), `cluster`, and `find` for the ends of flows. */
export function readFixture(file) {
  const fixture = JSON.parse(readFileSync(file, "utf8"));
  const documents = [
    ...fixture.nodes.map(nodeDocument),
    ...fixture.namespaces.map(namespaceDocument),
    ...fixture.pods.map(podDocument),
    ...fixture.services.flatMap(serviceDocuments),
  ];
  return { fixture, documents, cluster: clusterOf(parseDocuments(documents)) };
}

/** Objects of documents that have to be right. */
export function parseDocuments(documents) {
  const text = documents.map((document) => JSON.stringify(document)).join("\n---\n");
  const { objects, diagnostics } = parseObjects(text, "fixture.json");
  const wrong = diagnostics.find(({ severity }) => severity === "error");
  if (wrong !== undefined) throw new Error(`fixture.json: ${wrong.message}`);
  return objects.map(({ object }) => object);
}

/** `kind namespace/name`, or `kind name` of what has no namespace. */
export function documentKey({ kind, metadata: { namespace, name } }) {
  const own = CLUSTER_WIDE.has(kind) ? name : `${namespace ?? "default"}/${name}`;
  return `${kind} ${own}`;
}
const CLUSTER_WIDE = new Set(["Namespace", "Node", "CiliumClusterwideNetworkPolicy", "CiliumCIDRGroup"]);

function nodeDocument({ name, ip, labels, kubeApiserver }) {
  const plane = kubeApiserver ? { "node-role.kubernetes.io/control-plane": "" } : {};
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { ...labels, ...plane } },
    status: { addresses: [{ type: "InternalIP", address: ip }] },
  };
}

export function namespaceDocument({ name, labels }) {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

export function podDocument({
  namespace,
  name,
  node,
  ip,
  ip6,
  serviceAccount,
  labels,
  ports = [],
  hostNetwork = false,
}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { namespace, name, labels: labels ?? {} },
    spec: {
      nodeName: node,
      hostNetwork,
      ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }),
      containers: [
        { ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, containerPort: port.port })) },
      ],
    },
    status: { podIPs: [ip, ip6].filter((one) => one !== undefined).map((one) => ({ ip: one })) },
  };
}

function serviceDocuments({ namespace, name, clusterIP, labels, selector, endpoints, ports }) {
  const named = ports.map((port) => ({ name: `${port.protocol.toLowerCase()}-${port.port}`, ...port }));
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name, labels },
    spec: { clusterIP, ports: named, ...(selector === undefined ? {} : { selector }) },
  };
  if (endpoints === undefined) return [service];
  const slice = {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace, name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    ports: named.map((port) => ({ name: port.name, protocol: port.protocol, port: port.targetPort })),
    endpoints: endpoints.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  };
  return [service, slice];
}

/**
 * An end of a flow: `namespace/pod`, `host:NODE`, `ext:NAME`. Gives its addresses, the node it is on (null: outside), and
 * the pod when it is one with a network of its own.
 */
export function findEnd(name, fixture, cluster) {
  const [kind, rest] = name.includes(":") ? name.split(":") : ["pod", name];
  if (kind === "ext")
    return { addresses: [fixture.external.find((one) => one.name === rest).ip], node: null, pod: null };
  if (kind === "host") return { addresses: cluster.nodes.get(rest).addresses, node: rest, pod: null };
  const pod = cluster.pods.get(rest);
  return { addresses: pod.addresses, node: pod.node, pod: pod.hostNetwork ? null : rest };
}

/** Addresses of one family for both ends: IPv4 when both have one. */
export function addressesOf(source, destination) {
  for (const isFamily of [(address) => !address.includes(":"), (address) => address.includes(":")]) {
    const from = source.addresses.find(isFamily);
    const to = destination.addresses.find(isFamily);
    if (from !== undefined && to !== undefined) return { from, to };
  }
  return null;
}
