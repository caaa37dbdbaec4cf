/** Policies as YAML and the verdicts they give: the rules of MESH.md §3, one table row each. */
import { describe, expect, test } from "vitest";
import { createPolicyEngine } from "../../../mesh/policy/engine.ts";
import type { FlowQuery, PolicyEngine } from "../../../mesh/policy/types.ts";
import { addressOf, CLUSTER, NODES, withYaml } from "./clusters.ts";

/** `source destination port`, port as `80`, `udp/53`, `icmp/8`, or with a request `80 GET /x`. */
function readFlow(text: string): FlowQuery {
  const [from, to, target, method, path] = text.split(" ") as [string, string, string, string?, string?];
  const [protocol, port] = target.includes("/") ? target.split("/") : ["tcp", target];
  const names = { tcp: "TCP", udp: "UDP", sctp: "SCTP", icmp: "ICMP", icmp6: "ICMPv6" } as const;
  const http = method === undefined ? {} : { http: { method, path: path!, host: "be", headers: [] } };
  return {
    source: addressOf(from),
    destination: addressOf(to),
    protocol: names[protocol as keyof typeof names],
    port: Number(port),
    ...http,
  };
}

/** Both ends by the engines of all nodes. */
function judge(engines: readonly PolicyEngine[], flow: FlowQuery): string {
  const verdicts = engines.flatMap((engine) => engine.explain(flow)).map(({ verdict }) => verdict);
  return verdicts.includes("deny") ? "deny" : verdicts.includes("http403") ? "403" : "allow";
}

const engines = () => Object.keys(NODES).map((node) => createPolicyEngine({ node }));

const cnp = (spec: string, namespace = "default", name = "p"): string =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}\n---\n`;
const ccnp = (spec: string): string =>
  `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p}, spec: ${spec}}\n---\n`;
const np = (spec: string, namespace = "default"): string =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: ${namespace}}, spec: ${spec}}\n---\n`;

const BE = "endpointSelector: {matchLabels: {app: be}}";
const FE = "endpointSelector: {matchLabels: {app: fe}}";
const HTTP = "toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]";

// prettier-ignore
const CASES: readonly [name: string, yaml: string, flows: Readonly<Record<string, string>>][] = [
  ["no policy allows all", "", { "default/fe default/be 80": "allow", "a default/be 80": "allow", "default/be a udp/53": "allow" }],
  ["default deny is per direction", cnp(`{${BE}, ingress: [{}]}`), { "default/fe default/be 80": "deny", "default/be default/fe 80": "allow", "default/fe default/bare 80": "allow" }],
  ["a deny section closes too", cnp(`{${BE}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: x}}]}]}`), { "default/fe default/be 80": "deny" }],
  ["an empty section changes nothing", cnp(`{${BE}, ingress: [], egress: [{toEntities: [all]}]}`), { "default/fe default/be 80": "allow", "default/be a 80": "allow" }],
  ["CNP ingress [{}] is closed, NetworkPolicy's is open", np("{podSelector: {matchLabels: {app: be}}, ingress: [{}]}"), { "a default/be 80": "allow" }],
  ["an empty peer list is nobody", cnp(`{${BE}, ingress: [{fromEndpoints: []}]}`), { "default/fe default/be 80": "deny" }],
  ["ports without peers are for anybody", cnp(`{${BE}, ingress: [{toPorts: [{ports: [{port: '80'}]}]}]}`), { "a default/be 80": "allow", "n2 default/be udp/80": "allow", "a default/be 81": "deny", "a default/be icmp/8": "deny" }],
  ["peers without ports bring ICMP", cnp(`{${BE}, ingress: [{fromEndpoints: [{}]}]}`), { "default/fe default/be icmp/8": "allow", "shop/fe default/be 80": "deny" }],
  ["any port does not bring ICMP", cnp(`{${BE}, ingress: [{toPorts: [{ports: [{port: '0'}]}]}]}`), { "a default/be sctp/9": "allow", "a default/be 65535": "allow", "a default/be icmp/8": "deny" }],
  ["NotIn matches what lacks the key", cnp(`{${BE}, ingress: [{fromEndpoints: [{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}]}]}`), { "default/bare default/be 80": "allow", "default/fe default/be 80": "deny" }],
  ["other namespaces by their labels", cnp(`{${BE}, ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': ops}}]}]}`), { "sys/dns default/be 80": "allow", "default/fe default/be 80": "deny" }],
  ["by service account", ccnp(`{${BE}, ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: fe}}]}]}`), { "shop/fe default/be 80": "allow", "default/bare default/be 80": "deny" }],
  ["clusterwide {} is pods only", ccnp(`{${BE}, ingress: [{fromEndpoints: [{}]}]}`), { "sys/dns shop/be 80": "allow", "a shop/be 80": "deny", "n1 shop/be 80": "deny" }],
  ["without default deny the pod stays open", cnp(`{${BE}, enableDefaultDeny: {ingress: false}, ingress: [{fromEndpoints: [{}]}], ingressDeny: [{fromEntities: [world]}]}`), { "shop/fe default/be 80": "allow", "a default/be 80": "deny" }],
  ["the own node always gets in", cnp(`{${BE}, ingress: [{}]}`), { "n1 default/be 80": "allow", "n2 default/be 80": "deny" }],
  ["also past HTTP rules", cnp(`{${BE}, ingress: [{fromEntities: [host], ${HTTP}}]}`), { "n1 default/be 80 POST /": "allow" }],
  ["unless it is denied", cnp(`{${BE}, ingressDeny: [{fromEntities: [host], toPorts: [{ports: [{port: '80'}]}]}]}`), { "n1 default/be 80": "deny", "n1 default/be 81": "allow" }],
  ["remote nodes", cnp(`{${BE}, ingress: [{fromEntities: [remote-node]}]}`), { "n2 default/be 80": "allow", "n3 default/be 80": "allow", "a default/be 80": "deny" }],
  ["the API server", cnp(`{${BE}, ingress: [{fromEntities: [kube-apiserver]}]}`), { "n3 default/be 80": "allow", "n2 default/be 80": "deny" }],
  ["nodes by label", cnp(`{${BE}, ingress: [{fromNodes: [{matchLabels: {zone: z-n2}}]}]}`), { "n2 default/be 80": "allow", "n3 default/be 80": "deny" }],
  ["world is no pod and no node", cnp(`{${BE}, ingress: [{fromEntities: [world]}]}`), { "a default/be 80": "allow", "default/fe default/be 80": "deny", "n2 default/be 80": "deny" }],
  ["cluster is pods and nodes", cnp(`{${BE}, ingress: [{fromEntities: [cluster]}]}`), { "shop/fe default/be 80": "allow", "n2 default/be 80": "allow", "a default/be 80": "deny" }],
  ["all and none", cnp(`{${BE}, ingress: [{fromEntities: [all]}], egress: [{toEntities: [none]}]}`), { "a default/be 80": "allow", "default/be a 80": "deny" }],
  ["prefixes match no pod and no node", cnp(`{${BE}, ingress: [{fromCIDR: [0.0.0.0/0]}]}`), { "a default/be 80": "allow", "default/fe default/be 80": "deny", "n2 default/be 80": "deny" }],
  ["an exception cuts its entry", cnp(`{${BE}, ingress: [{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}]}]}`), { "a default/be 80": "allow", "b default/be 80": "deny" }],
  ["another entry adds it back", cnp(`{${BE}, ingress: [{fromCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.64/26]}, {cidr: 203.0.113.77/32}]}]}`), { "b default/be 80": "allow" }],
  ["the narrower prefix does not hide the broader", cnp(`{${BE}, ingress: [{fromCIDR: [203.0.113.0/24], toPorts: [{ports: [{port: '80'}]}]}, {fromCIDR: [203.0.113.10/32], toPorts: [{ports: [{port: '81'}]}]}]}`), { "a default/be 80": "allow", "a default/be 81": "allow", "b default/be 81": "deny" }],
  ["broad deny, narrow allow", cnp(`{${BE}, ingress: [{fromCIDR: [203.0.113.10/32]}], ingressDeny: [{fromCIDR: [203.0.113.0/24]}]}`), { "a default/be 80": "deny" }],
  ["narrow deny, broad allow", cnp(`{${BE}, ingress: [{fromEntities: [world]}], ingressDeny: [{fromCIDR: [203.0.113.10/32]}]}`), { "a default/be 80": "deny", "b default/be 80": "allow" }],
  ["groups of prefixes", cnp(`{${BE}, ingress: [{fromCIDRSet: [{cidrGroupRef: blocked}]}]}`), { "b default/be 80": "allow", "a default/be 80": "deny" }],
  ["groups by label, with exceptions", cnp(`{${BE}, ingress: [{fromCIDRSet: [{cidrGroupSelector: {matchLabels: {risk: high}}, except: [203.0.113.77/32]}]}]}`), { "b default/be 80": "deny" }],
  ["services by name", cnp(`{${FE}, egress: [{toServices: [{k8sService: {serviceName: be, namespace: default}}]}]}`), { "default/fe default/be 81": "allow", "default/fe shop/be 81": "deny" }],
  ["services without a selector are addresses", cnp(`{${FE}, egress: [{toServices: [{k8sService: {serviceName: ext, namespace: default}}]}]}`), { "default/fe c 443": "allow", "default/fe a 443": "deny" }],
  ["services by label", cnp(`{${FE}, egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {expose: 'yes'}}}}]}]}`), { "default/fe default/be 81": "allow", "default/fe c 443": "deny" }],
  ["named ports of the selected pod", cnp(`{${BE}, ingress: [{toPorts: [{ports: [{port: ADMIN, protocol: TCP}]}]}]}`), { "a default/be 8080": "allow", "a default/be 80": "deny" }],
  ["named ports of each destination", ccnp(`{${FE}, egress: [{toPorts: [{ports: [{port: http, protocol: TCP}]}]}]}`), { "default/fe default/be 80": "allow", "default/fe shop/be 81": "allow", "default/fe shop/be 80": "deny", "default/fe a 80": "deny", "default/fe shop/fe 8000": "allow" }],
  ["a name has a protocol", ccnp(`{${FE}, egress: [{toPorts: [{ports: [{port: dns, protocol: TCP}]}]}]}`), { "default/fe sys/dns 53": "deny", "default/fe sys/dns udp/53": "deny" }],
  ["ICMP by type and family", cnp(`{${BE}, ingress: [{icmps: [{fields: [{type: 8}, {family: IPv6, type: EchoRequest}]}]}]}`), { "default/fe default/be icmp/8": "allow", "default/fe default/be icmp/0": "deny", "default/fe default/be icmp6/128": "allow" }],
  ["ranges are inclusive", cnp(`{${BE}, ingress: [{toPorts: [{ports: [{port: '1', endPort: 32767, protocol: TCP}]}]}]}`), { "a default/be 1": "allow", "a default/be 32767": "allow", "a default/be 32768": "deny", "a default/be udp/1": "deny" }],
  ["deny a port of an open pod", cnp(`{${BE}, ingress: [{fromEntities: [all]}], ingressDeny: [{toPorts: [{ports: [{port: '80'}]}]}]}`), { "a default/be 80": "deny", "a default/be 81": "allow", "a default/be icmp/8": "allow" }],
  ["both ends must agree", cnp(`{${FE}, egress: [{toEndpoints: [{matchLabels: {app: be}}]}]}`) + cnp(`{${BE}, ingress: [{fromEndpoints: [{matchLabels: {app: x}}]}]}`, "default", "q"), { "default/fe default/be 80": "deny" }],
  ["HTTP rules", cnp(`{${BE}, ingress: [{fromEndpoints: [{matchLabels: {app: fe}}], ${HTTP}}]}`), { "default/fe default/be 80 GET /": "allow", "default/fe default/be 80 PUT /": "403", "default/bare default/be 80 GET /": "deny" }],
  ["rules add up", cnp(`{${BE}, ingress: [{fromEndpoints: [{matchLabels: {app: fe}}], ${HTTP}}]}`) + cnp(`{${BE}, ingress: [{fromEndpoints: [{}], ${HTTP.replace("GET", "PUT")}}]}`, "default", "q"), { "default/fe default/be 80 PUT /": "allow", "default/bare default/be 80 GET /": "403" }],
  ["a plain allow voids them", cnp(`{${BE}, ingress: [{fromEndpoints: [{matchLabels: {app: fe}}], ${HTTP}}, {fromEndpoints: [{}]}]}`), { "default/fe default/be 80 PUT /": "allow" }],
  ["so does another port range, where it covers", cnp(`{${BE}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: '80', endPort: 90, protocol: TCP}], rules: {http: [{method: GET}]}}]}, {toPorts: [{ports: [{port: '85', protocol: TCP}]}]}]}`), { "default/fe default/be 80 PUT /": "403", "default/fe default/be 85 PUT /": "allow", "a default/be 80": "deny" }],
  ["deny goes before HTTP rules", cnp(`{${BE}, ingress: [{fromEndpoints: [{}], ${HTTP}}], ingressDeny: [{fromEndpoints: [{matchLabels: {app: fe}}]}]}`), { "default/fe default/be 80 GET /": "deny", "default/bare default/be 80 GET /": "allow" }],
  ["both ends may have HTTP rules", cnp(`{${FE}, egress: [{toEndpoints: [{matchLabels: {app: be}}], ${HTTP}}]}`) + cnp(`{${BE}, ingress: [{fromEndpoints: [{}], ${HTTP.replace("method: GET", "path: /x")}}]}`, "default", "q"), { "default/fe default/be 80 GET /x": "allow", "default/fe default/be 80 GET /y": "403", "default/fe default/be 80 PUT /x": "403" }],
];

describe("policies", () => {
  test.each(CASES)("%s", (_, yaml, flows) => {
    const cluster = withYaml(CLUSTER, yaml);
    const all = engines();
    for (const engine of all) engine.update(cluster);
    const found = Object.fromEntries(Object.keys(flows).map((flow) => [flow, judge(all, readFlow(flow))]));
    expect(found).toEqual(flows);
  });
});
