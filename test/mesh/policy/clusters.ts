/** A small cluster for policy tests: three nodes, pods in three namespaces, addresses outside; and policies from YAML. */
import { applyChanges, EMPTY_CLUSTER } from "../../../mesh/objects/cluster.ts";
import { parseObjects } from "../../../mesh/objects/parse.ts";
import type { Cluster } from "../../../mesh/objects/types.ts";

interface PodShape {
  readonly node: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports?: readonly (readonly [name: string, protocol: string, port: number])[];
}

export const NODES = { n1: "172.18.0.11", n2: "172.18.0.12", n3: "172.18.0.13" } as const;

// prettier-ignore
export const PODS: Readonly<Record<string, PodShape>> = {
  "default/fe":   { node: "n1", address: "10.0.1.1", labels: { app: "fe", env: "prod" },              ports: [["http", "TCP", 80]] },
  "default/be":   { node: "n1", address: "10.0.1.2", labels: { app: "be", env: "prod", tier: "api" }, ports: [["http", "TCP", 80], ["admin", "TCP", 8080]] },
  "default/bare": { node: "n1", address: "10.0.1.3", labels: {} },
  "shop/fe":      { node: "n1", address: "10.0.2.1", labels: { app: "fe", env: "dev" },               ports: [["http", "TCP", 8000]] },
  "shop/be":      { node: "n2", address: "10.0.2.2", labels: { app: "be", env: "dev", tier: "api" },  ports: [["http", "TCP", 81], ["dns", "UDP", 53]] },
  "sys/dns":      { node: "n2", address: "10.0.3.1", labels: { app: "dns" },                          ports: [["dns", "UDP", 53], ["dns-tcp", "TCP", 53]] },
};

export const OUTSIDE = { a: "203.0.113.10", b: "203.0.113.77", c: "198.51.100.5", v6: "2001:db8::5" } as const;

/** Documents of the cluster without policies, as YAML. */
export function clusterYaml(): string {
  const nodes = Object.entries(NODES).map(([name, address]) => {
    const plane = name === "n3" ? ', node-role.kubernetes.io/control-plane: ""' : "";
    return `{apiVersion: v1, kind: Node, metadata: {name: ${name}, labels: {zone: z-${name}${plane}}}, status: {addresses: [{type: InternalIP, address: ${address}}]}}`;
  });
  const namespaces = ["default", "shop", "sys"].map((name) => {
    return `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}, labels: {team: ${name === "sys" ? "ops" : "app"}}}}`;
  });
  const pods = Object.entries(PODS).map(([key, { node, address, labels, ports = [] }]) => {
    const [namespace, name] = key.split("/");
    const containers = [
      { ports: ports.map(([portName, protocol, containerPort]) => ({ name: portName, protocol, containerPort })) },
    ];
    const v6 = address.replace(/^10\.0\.(\d)\.(\d)$/, "fd00::$1:$2");
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { namespace, name, labels },
      spec: { nodeName: node, serviceAccountName: name, containers },
      status: { podIPs: [{ ip: address }, { ip: v6 }] },
    });
  });
  const services = [
    '{apiVersion: v1, kind: Service, metadata: {namespace: default, name: be, labels: {expose: "yes"}}, spec: {clusterIP: 10.96.0.1, selector: {app: be}, ports: [{port: 80}]}}',
    "{apiVersion: v1, kind: Service, metadata: {namespace: default, name: ext}, spec: {clusterIP: 10.96.0.2, ports: [{port: 443}]}}",
    "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: default, name: ext-1, labels: {kubernetes.io/service-name: ext}}, addressType: IPv4, ports: [{port: 443}], endpoints: [{addresses: [198.51.100.5]}]}",
  ];
  const groups = [
    "{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: blocked, labels: {risk: high}}, spec: {externalCIDRs: [203.0.113.64/26]}}",
  ];
  return [...nodes, ...namespaces, ...pods, ...services, ...groups].join("\n---\n");
}

/** The cluster after the documents; an error in them is thrown. */
export function withYaml(cluster: Cluster, yaml: string): Cluster {
  const { objects, diagnostics } = parseObjects(yaml, "test.yaml");
  const wrong = diagnostics.find(({ severity }) => severity === "error");
  if (wrong !== undefined) throw new Error(`${wrong.code} ${wrong.message}\n${yaml}`);
  return applyChanges(
    cluster,
    objects.map(({ object }) => ({ kind: "set", object })),
  );
}

export const CLUSTER: Cluster = withYaml(EMPTY_CLUSTER, clusterYaml());

/** Address of `namespace/pod`, a node or an outside name. */
export function addressOf(name: string): string {
  return PODS[name]?.address ?? (NODES as Record<string, string>)[name] ?? (OUTSIDE as Record<string, string>)[name]!;
}
