/** What YAML becomes: scoping, defaults and rewriting, each case the part of the result that it is about. */
import { describe, expect, test } from "vitest";
import { parseObjects } from "../../../mesh/objects/parse.ts";
import type { MeshObject, Policy, Requirement } from "../../../mesh/objects/types.ts";

function parse(text: string): readonly MeshObject[] {
  const { objects, diagnostics } = parseObjects(text, "test.yaml");
  expect(diagnostics.filter((d) => d.severity === "error")).toEqual([]);
  return objects.map((o) => o.object);
}

function parsePolicy(text: string): Policy {
  const [object] = parse(text);
  if (object?.kind !== "Policy") throw new Error("no policy");
  return object.value[0]!;
}

/** `k8s:app In a,b`. */
const show = (r: Requirement): string =>
  `${r.source === null ? "" : `${r.source}:`}${r.key} ${r.operator} ${r.values.join(",")}`.trimEnd();

const cilium = (spec: string): string =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: ns}, spec: ${spec}}`;
const clusterwide = (spec: string): string =>
  `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p}, spec: ${spec}}`;
const kubernetes = (spec: string): string =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: ns}, spec: ${spec}}`;

const OWN = "k8s:io.kubernetes.pod.namespace In ns";
const ANY = "k8s:io.kubernetes.pod.namespace Exists";

describe("the subject", () => {
  // prettier-ignore
  const rows: readonly [name: string, text: string, subject: readonly string[]][] = [
    ["has the policy's namespace",           cilium("{endpointSelector: {}, ingress: []}"),                                                        [OWN]],
    ["keeps it, whatever it says",           cilium("{endpointSelector: {matchLabels: {k8s:io.kubernetes.pod.namespace: x, a: b}}, ingress: []}"), ["a In b", OWN]],
    ["in another form, both must hold",      cilium("{endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: x}}, ingress: []}"),           ["io.kubernetes.pod.namespace In x", OWN]],
    ["is clusterwide as it is written",      clusterwide("{endpointSelector: {}, ingress: []}"),                                                   []],
    ["NetworkPolicy's is of pods",           kubernetes("{podSelector: {matchLabels: {a: b}}}"),                                                   ["k8s:a In b", OWN]],
    ["expressions come after labels",        clusterwide("{endpointSelector: {matchExpressions: [{key: e, operator: NotIn, values: [x, y]}], matchLabels: {any:a: b}}, ingress: []}"), ["a In b", "e NotIn x,y"]],
    ["reserved labels have their source",    clusterwide('{endpointSelector: {matchLabels: {"reserved:init": ""}}, ingress: []}'),                 ["reserved:init In"]],
  ];
  test.each(rows)("%s", (_name, text, subject) => {
    expect(parsePolicy(text).subject.map(show)).toEqual(subject);
  });
});

describe("a peer's namespace", () => {
  const from = (selector: string): string => `{endpointSelector: {}, ingress: [{fromEndpoints: [${selector}]}]}`;
  // prettier-ignore
  const rows: readonly [name: string, text: string, peer: readonly string[]][] = [
    ["is the policy's",                          cilium(from("{}")),                                                                 [OWN]],
    ["is what the selector says",                cilium(from("{matchLabels: {k8s:io.kubernetes.pod.namespace: x}}")),                ["k8s:io.kubernetes.pod.namespace In x"]],
    ["also with any source",                     cilium(from("{matchLabels: {any:io.kubernetes.pod.namespace: x}}")),                ["io.kubernetes.pod.namespace In x"]],
    ["also in expressions",                      cilium(from("{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: Exists}]}")), ["io.kubernetes.pod.namespace Exists"]],
    ["another source's key is no such key",      cilium(from("{matchLabels: {container:io.kubernetes.pod.namespace: x}}")),          ["container:io.kubernetes.pod.namespace In x", OWN]],
    ["may be given by the namespace's labels",   cilium(from("{matchLabels: {k8s:io.cilium.k8s.namespace.labels.team: a}}")),        ["k8s:io.cilium.k8s.namespace.labels.team In a"]],
    ["is none for reserved identities",          cilium(from('{matchLabels: {"reserved:host": ""}}')),                               ["reserved:host In"]],
    ["clusterwide: any, but there is one",       clusterwide(from("{}")),                                                            [ANY]],
    ["clusterwide: labels do not lift that",     clusterwide(from("{matchLabels: {k8s:io.cilium.k8s.namespace.labels.team: a}}")),   ["k8s:io.cilium.k8s.namespace.labels.team In a", ANY]],
    ["clusterwide: as it is written",            clusterwide(from("{matchLabels: {k8s:io.kubernetes.pod.namespace: x}}")),           ["k8s:io.kubernetes.pod.namespace In x"]],
    ["about pods without labels: none",          clusterwide('{endpointSelector: {matchLabels: {"reserved:init": ""}}, ingress: [{fromEndpoints: [{}]}]}'), []],
    ["podSelector: the policy's",                kubernetes("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {a: b}}}]}]}"), ["k8s:a In b", OWN]],
    ["namespaceSelector: every",                 kubernetes("{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}"),      [ANY]],
    ["namespaceSelector: by its labels",         kubernetes("{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]}"), ["k8s:io.cilium.k8s.namespace.labels.team In a", ANY]],
    ["both selectors must hold",                 kubernetes("{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {a: b}}, namespaceSelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}}]}]}"), ["k8s:a In b", "k8s:io.cilium.k8s.namespace.labels.team DoesNotExist", ANY]],
  ];
  test.each(rows)("%s", (_name, text, peer) => {
    const [first] = parsePolicy(text).ingress[0]!.peers!;
    expect(first?.kind === "endpoints" && first.selector.map(show)).toEqual(peer);
  });
});

describe("rules", () => {
  // prettier-ignore
  const rows: readonly [name: string, text: string, rules: unknown][] = [
    ["an empty rule is nobody",                    cilium("{endpointSelector: {}, ingress: [{}]}"),                              [{ peers: [], ports: null }]],
    ["NetworkPolicy's empty rule is anybody",      kubernetes("{podSelector: {}, ingress: [{}]}"),                               [{ peers: null, ports: null }]],
    ["ports without peers are for anybody",        cilium('{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}'), [{ peers: null, ports: [{ l7: null, ports: [{ kind: "range", protocols: ["TCP"], first: 80, last: 80 }] }] }]],
    ["an empty list of ports is none",             cilium("{endpointSelector: {}, ingress: [{toPorts: []}]}"),                   [{ peers: [], ports: null }]],
    ["an empty list of peers is nobody",           cilium("{endpointSelector: {}, ingress: [{fromEndpoints: []}]}"),             [{ peers: [], ports: null }]],
    ["NetworkPolicy's empty list is anybody",      kubernetes("{podSelector: {}, ingress: [{from: []}]}"),                       [{ peers: null, ports: null }]],
    ["entities",                                   cilium("{endpointSelector: {}, ingress: [{fromEntities: [world, remote-node]}]}"), [{ peers: [{ kind: "entity", entity: "world" }, { kind: "entity", entity: "remote-node" }], ports: null }]],
    ["prefixes in canonical text",                 cilium('{endpointSelector: {}, ingress: [{fromCIDR: [10.1.2.3, 10.1.2.3/8, "FD00::1/16"]}]}'), [{ peers: ["10.1.2.3/32", "10.0.0.0/8", "fd00::/16"].map((cidr) => ({ kind: "cidr", cidr, except: [] })), ports: null }]],
    ["exceptions",                                 cilium("{endpointSelector: {}, ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]}"), [{ peers: [{ kind: "cidr", cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }], ports: null }]],
    ["groups of prefixes",                         cilium("{endpointSelector: {}, ingress: [{fromCIDRSet: [{cidrGroupRef: g}, {cidrGroupSelector: {matchLabels: {a: b}}}]}]}"), [{ peers: [{ kind: "cidrGroup", name: "g", except: [] }, { kind: "cidrGroups", selector: [{ source: null, key: "a", operator: "In", values: ["b"] }], except: [] }], ports: null }]],
    ["ipBlock",                                    kubernetes("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}"), [{ peers: [{ kind: "cidr", cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }], ports: null }]],
    ["ICMP types by name and number",              cilium("{endpointSelector: {}, ingress: [{icmps: [{fields: [{type: EchoRequest}, {type: 128, family: IPv6}, {type: \"3\"}]}]}]}"), [{ peers: null, ports: [{ l7: null, ports: [{ kind: "icmp", protocol: "ICMP", type: 8 }, { kind: "icmp", protocol: "ICMPv6", type: 128 }, { kind: "icmp", protocol: "ICMP", type: 3 }] }] }]],
  ];
  test.each(rows)("%s", (_name, text, rules) => {
    expect(parsePolicy(text).ingress.map(({ peers, ports }) => ({ peers, ports }))).toEqual(rules);
  });
});

describe("ports", () => {
  const ALL = ["TCP", "UDP", "SCTP"];
  const to = (port: string): string => cilium(`{endpointSelector: {}, ingress: [{toPorts: [{ports: [${port}]}]}]}`);
  const np = (port: string): string => kubernetes(`{podSelector: {}, ingress: [{ports: [${port}]}]}`);
  // prettier-ignore
  const rows: readonly [name: string, text: string, port: unknown][] = [
    ["no protocol is all of them",          to('{port: "80"}'),                              { kind: "range", protocols: ALL, first: 80, last: 80 }],
    ["ANY is all of them",                  to('{port: "80", protocol: ANY}'),               { kind: "range", protocols: ALL, first: 80, last: 80 }],
    ["protocols in any case",               to('{port: "80", protocol: udp}'),               { kind: "range", protocols: ["UDP"], first: 80, last: 80 }],
    ["a number without quotes",             to("{port: 80}"),                                { kind: "range", protocols: ALL, first: 80, last: 80 }],
    ["a range",                             to('{port: "80", endPort: 90, protocol: TCP}'),  { kind: "range", protocols: ["TCP"], first: 80, last: 90 }],
    ["port 0 is all ports",                 to('{port: "0", protocol: TCP}'),                { kind: "range", protocols: ["TCP"], first: 0, last: 65535 }],
    ["names in lower case",                 to('{port: HTTP-Alt, protocol: TCP}'),           { kind: "name", protocols: ["TCP"], name: "http-alt" }],
    ["0x10 is a name",                      to('{port: "0x10", protocol: TCP}'),             { kind: "name", protocols: ["TCP"], name: "0x10" }],
    ["NetworkPolicy's protocol is TCP",     np("{port: 80}"),                                { kind: "range", protocols: ["TCP"], first: 80, last: 80 }],
    ["NetworkPolicy's range",               np("{port: 80, endPort: 90, protocol: UDP}"),    { kind: "range", protocols: ["UDP"], first: 80, last: 90 }],
    ["NetworkPolicy's protocol alone",      np("{protocol: SCTP}"),                          { kind: "range", protocols: ["SCTP"], first: 0, last: 65535 }],
    ["NetworkPolicy's name",                np("{port: http}"),                              { kind: "name", protocols: ["TCP"], name: "http" }],
  ];
  test.each(rows)("%s", (_name, text, port) => {
    expect(parsePolicy(text).ingress[0]!.ports![0]!.ports[0]).toEqual(port);
  });
});

describe("default deny", () => {
  // prettier-ignore
  const rows: readonly [text: string, ingress: boolean, egress: boolean][] = [
    [cilium("{endpointSelector: {}, ingress: [{}]}"),                                                  true,  false],
    [cilium("{endpointSelector: {}, ingress: []}"),                                                    false, false],
    [cilium("{endpointSelector: {}, ingress: [], egress: [{}]}"),                                      false, true],
    [cilium("{endpointSelector: {}, ingressDeny: [{}], egressDeny: [{}]}"),                            true,  true],
    [cilium("{endpointSelector: {}, ingress: [{}], enableDefaultDeny: {ingress: false}}"),             false, false],
    [cilium("{endpointSelector: {}, ingress: [{}], enableDefaultDeny: {egress: true}}"),               true,  true],
    [kubernetes("{podSelector: {}}"),                                                                  true,  false],
    [kubernetes("{podSelector: {}, policyTypes: []}"),                                                 true,  false],
    [kubernetes("{podSelector: {}, egress: []}"),                                                      true,  true],
    [kubernetes("{podSelector: {}, policyTypes: [Egress]}"),                                           false, true],
    [kubernetes("{podSelector: {}, policyTypes: [Ingress, Egress]}"),                                  true,  true],
    [kubernetes("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}"),                            true,  false],
  ];
  test.each(rows)("%s", (text, ingress, egress) => {
    expect(parsePolicy(text).defaultDeny).toEqual({ ingress, egress });
  });

  test("a section that policyTypes does not name has no effect", () => {
    expect(parsePolicy(kubernetes("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}")).egress).toEqual([]);
  });
});

describe("application protocols", () => {
  const http = (rules: string): string =>
    cilium(`{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: ${rules}}]}]}`);
  const dns = (rules: string): string =>
    cilium(`{endpointSelector: {}, egress: [{toPorts: [{ports: [{port: "53"}], rules: ${rules}}]}]}`);
  const ANYTHING = { method: null, path: null, host: null, headers: [] };
  // prettier-ignore
  const rows: readonly [name: string, text: string, l7: unknown][] = [
    ["patterns as they are written",   http('{http: [{method: GET, path: "/a.*$", host: ""}]}'),                    { kind: "http", rules: [{ ...ANYTHING, method: "GET", path: "/a.*$" }] }],
    ["an empty rule is any request",   http("{http: [{}]}"),                                                        { kind: "http", rules: [ANYTHING] }],
    ["no rules are no restriction",    http("{http: []}"),                                                          null],
    ["nor is nothing",                 http("{}"),                                                                  null],
    ["headers",                        http('{http: [{headers: ["X-A: b c", X-D]}]}'),                              { kind: "http", rules: [{ ...ANYTHING, headers: [{ name: "x-a", value: "b c", mismatch: null }, { name: "x-d", value: null, mismatch: null }] }] }],
    ["headers that may mismatch",      http("{http: [{headerMatches: [{name: X-A, value: b, mismatch: LOG}]}]}"),   { kind: "http", rules: [{ ...ANYTHING, headers: [{ name: "x-a", value: "b", mismatch: "LOG" }] }] }],
    ["names and patterns",             dns('{dns: [{matchName: Example.COM.}, {matchPattern: "*.example.com"}]}'),  { kind: "dns", rules: [{ name: "example.com", pattern: null }, { name: null, pattern: "*.example.com" }] }],
  ];
  test.each(rows)("%s", (_name, text, l7) => {
    const { ingress, egress } = parsePolicy(text);
    expect([...ingress, ...egress][0]!.ports![0]!.l7).toEqual(l7);
  });
});

describe("egress peers", () => {
  // prettier-ignore
  const rows: readonly [text: string, peer: unknown][] = [
    ["{toServices: [{k8sService: {serviceName: s, namespace: n}}]}",                         { kind: "service", name: "s", namespace: "n" }],
    ["{toServices: [{k8sService: {serviceName: s}}]}",                                       { kind: "service", name: "s", namespace: null }],
    ["{toServices: [{k8sServiceSelector: {selector: {matchLabels: {a: b}}, namespace: n}}]}", { kind: "services", selector: [{ source: null, key: "a", operator: "In", values: ["b"] }], namespace: "n" }],
    ["{toFQDNs: [{matchName: Example.com}]}",                                                { kind: "fqdn", name: "example.com", pattern: null }],
    ['{toFQDNs: [{matchPattern: "*"}]}',                                                     { kind: "fqdn", name: null, pattern: "*" }],
    ["{toNodes: [{matchLabels: {zone: a}}]}",                                                { kind: "nodes", selector: [{ source: null, key: "zone", operator: "In", values: ["a"] }] }],
  ];
  test.each(rows)("%s", (rule, peer) => {
    expect(parsePolicy(cilium(`{endpointSelector: {}, egress: [${rule}]}`)).egress[0]!.peers).toEqual([peer]);
  });
});

describe("documents", () => {
  test("several, with places", () => {
    const text = `# comment
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: shop}
specs:
- endpointSelector: {}
  ingress:
  - {}
- endpointSelector: {}
  egress:
  - {}
`;
    const { objects, diagnostics, complete } = parseObjects(text, "a.yaml");
    expect({ diagnostics, complete }).toEqual({ diagnostics: [], complete: true });
    expect(objects.map((o) => o.ref)).toEqual([
      { kind: "Namespace", namespace: null, name: "shop" },
      { kind: "CiliumNetworkPolicy", namespace: "shop", name: "p" },
    ]);
    const policies = objects[1]!.object.value as readonly Policy[];
    expect(policies.map((p) => p.spec)).toEqual([0, 1]);
    expect(policies[1]!.egress[0]!.place).toEqual({ file: "a.yaml", line: 16, column: 5, path: "specs[1].egress[0]" });
  });

  test("anchors, merge keys and lists", () => {
    const text = `
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: &meta {name: a, namespace: n, labels: &l {app: x}}
  status: {podIP: 10.0.0.1}
- apiVersion: v1
  kind: Pod
  metadata:
    <<: *meta
    name: b
  status: {podIP: 10.0.0.2}
- apiVersion: cilium.io/v2
  kind: CiliumNetworkPolicy
  metadata: {name: p, namespace: n}
  spec:
    endpointSelector: {matchLabels: *l}
    ingress: [{}]
`;
    const objects = parse(text);
    expect(objects.map((o) => o.kind)).toEqual(["Pod", "Pod", "Policy"]);
    expect(objects[1]!.value).toMatchObject({
      name: "b",
      namespace: "n",
      labels: { app: "x" },
      addresses: ["10.0.0.2"],
    });
    expect(objects[2]!.value).toMatchObject([{ subject: [{ key: "app", values: ["x"] }, {}] }]);
  });

  test("a list of one kind says it for its entries", () => {
    expect(parse("{apiVersion: v1, kind: NodeList, items: [{metadata: {name: n1}}]}")).toMatchObject([
      { kind: "Node", value: { name: "n1", addresses: [] } },
    ]);
  });

  test("JSON", () => {
    expect(parse('{\n\t"apiVersion": "v1",\n\t"kind": "Node",\n\t"metadata": {"name": "n1"}\n}')).toHaveLength(1);
  });

  test("nothing at all", () => {
    for (const text of ["", "\n", "# only this\n", "---\n---\n", "null"]) {
      expect(parseObjects(text, "f")).toEqual({ objects: [], refused: [], complete: true, diagnostics: [] });
    }
  });

  test("a bad document leaves the others", () => {
    const text = `{apiVersion: v1, kind: Node, metadata: {name: n1}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: x}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n3}}`;
    const { objects, refused, complete } = parseObjects(text, "f");
    expect(objects.map((o) => o.ref.name)).toEqual(["n1", "n3"]);
    expect({ refused, complete }).toEqual({ refused: [{ kind: "Node", namespace: null, name: "n2" }], complete: true });
  });
});

describe("the cluster's objects", () => {
  // prettier-ignore
  const rows: readonly [text: string, value: unknown][] = [
    ["{apiVersion: v1, kind: Namespace, metadata: {name: shop}}", { name: "shop", labels: { "kubernetes.io/metadata.name": "shop" } }],
    ["{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: ''}}, status: {addresses: [{type: Hostname, address: n1}, {type: InternalIP, address: 172.18.0.11}]}}",
      { name: "n1", labels: { "node-role.kubernetes.io/control-plane": "" }, addresses: ["172.18.0.11"], apiServer: true }],
    ["{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {nodeName: n1, containers: [{image: x, ports: [{name: http, containerPort: 80}, {containerPort: 81}]}], initContainers: [{restartPolicy: Always, ports: [{name: side, containerPort: 9, protocol: UDP}]}, {ports: [{name: gone, containerPort: 1}]}]}, status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'FD00::1'}], conditions: [{type: Ready, status: 'False'}]}}",
      { namespace: "default", name: "p", labels: {}, node: "n1", addresses: ["10.0.0.1", "fd00::1"], ports: [{ name: "http", protocol: "TCP", port: 80 }, { name: "side", protocol: "UDP", port: 9 }], hostNetwork: false, serviceAccount: "default", ready: false, terminating: false, weight: 1, shortcut: false }],
    ["{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: n, annotations: {mesh.ebpf-ts.dev/weight: '3', mesh.ebpf-ts.dev/shortcut: enabled}, deletionTimestamp: '2026-01-01T00:00:00Z'}, spec: {hostNetwork: true, serviceAccountName: s}, status: {phase: Succeeded, podIP: 10.0.0.1}}",
      { namespace: "n", name: "p", labels: {}, node: null, addresses: [], ports: [], hostNetwork: true, serviceAccount: "s", ready: true, terminating: true, weight: 3, shortcut: true }],
    ["{apiVersion: v1, kind: Service, metadata: {name: s, annotations: {mesh.ebpf-ts.dev/algorithm: maglev}}, spec: {clusterIP: 10.96.0.1, selector: {app: x}, sessionAffinity: ClientIP, ports: [{name: a, port: 80, targetPort: http}, {name: b, port: 53, protocol: UDP}]}}",
      { namespace: "default", name: "s", labels: {}, addresses: ["10.96.0.1"], ports: [{ name: "a", protocol: "TCP", port: 80, targetPort: "http" }, { name: "b", protocol: "UDP", port: 53, targetPort: 53 }], selector: { app: "x" }, affinity: 10800, algorithm: "maglev" }],
    ["{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: None}}",
      { namespace: "default", name: "s", labels: {}, addresses: [], ports: [], selector: null, affinity: 0, algorithm: "random" }],
    ["{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e, labels: {kubernetes.io/service-name: s}}, addressType: IPv4, ports: [{name: a, port: 80}], endpoints: [{addresses: [10.0.0.1], conditions: {ready: false, terminating: true}, nodeName: n1}, {addresses: [10.0.0.2]}]}",
      { namespace: "default", name: "e", service: "s", ports: [{ name: "a", protocol: "TCP", port: 80 }], endpoints: [{ addresses: ["10.0.0.1"], ready: false, serving: false, terminating: true, node: "n1", weight: 1 }, { addresses: ["10.0.0.2"], ready: true, serving: true, terminating: false, node: null, weight: 1 }] }],
    ["{apiVersion: cilium.io/v2alpha1, kind: CiliumCIDRGroup, metadata: {name: g, labels: {a: b}}, spec: {externalCIDRs: [10.0.0.0/8]}}",
      { name: "g", labels: { a: "b" }, cidrs: ["10.0.0.0/8"] }],
  ];
  test.each(rows)("%s", (text, value) => {
    expect(parse(text)[0]!.value).toEqual(value);
  });
});
