/** Random policies and changes of a cluster; shaped like the corpus' fuzz sets, and broader. */
import { ANY_NAMESPACE, inNamespace } from "../../../mesh/objects/selector.ts";
import type { ObjectChange } from "../../../mesh/objects/cluster.ts";
import type {
  Cluster,
  Entity,
  HttpRule,
  L7Rules,
  MeshObject,
  Peer,
  Pod,
  Policy,
  PortRule,
  PortSpec,
  Protocol,
  Requirement,
  Rule,
  Selector,
} from "../../../mesh/objects/types.ts";
import type { FlowQuery } from "../../../mesh/policy/types.ts";
import { OUTSIDE } from "./clusters.ts";
import type { Random } from "./random.ts";

const KEYS = ["app", "env", "tier"] as const;
const VALUES: Record<string, readonly string[]> = {
  app: ["fe", "be", "dns"],
  env: ["prod", "dev"],
  tier: ["api", "web"],
};
const NAMESPACES = ["default", "shop", "sys"] as const;
const CIDRS = [
  "0.0.0.0/0",
  "203.0.113.0/24",
  "203.0.113.64/26",
  "203.0.113.10/32",
  "198.51.100.0/24",
  "10.0.0.0/8",
  "2001:db8::/32",
  "::/0",
] as const;
const ENTITIES: readonly Entity[] = [
  "all",
  "world",
  "world-ipv4",
  "world-ipv6",
  "cluster",
  "host",
  "remote-node",
  "kube-apiserver",
  "none",
];
const PORTS = [1, 50, 53, 79, 80, 81, 443, 8000, 8080, 8081, 65535] as const;
const NAMES = ["http", "admin", "dns", "DNS-TCP"] as const;

export function randomPolicy(random: Random, name: string): Policy {
  const kind = random.pick(["CiliumNetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"]);
  const namespace = kind === "CiliumNetworkPolicy" ? random.pick(NAMESPACES) : null;
  const place = { file: "random", line: 1, column: 1, path: "spec" };
  const rules = (probability: number, make: (index: number) => Rule): Rule[] => {
    return random.chance(probability) ? Array.from({ length: 1 + random.below(3) }, (_, index) => make(index)) : [];
  };
  const rule =
    (egress: boolean, deny: boolean) =>
    (index: number): Rule => ({
      index,
      place,
      peers: random.chance(0.15) ? null : randomPeers(random, namespace, egress, deny),
      ports: random.chance(0.35) ? null : randomPorts(random, deny, egress),
    });
  const ingress = rules(0.7, rule(false, false));
  const egress = rules(0.5, rule(true, false));
  const ingressDeny = rules(0.3, rule(false, true));
  const egressDeny = rules(0.25, rule(true, true));
  const closes = (given: number): boolean => given > 0 && random.chance(0.85);
  const own = randomSelector(random);
  return {
    object: { kind, namespace, name },
    spec: 0,
    subject: namespace === null ? own : [...own, inNamespace(namespace)],
    ingress,
    egress,
    ingressDeny,
    egressDeny,
    defaultDeny: {
      ingress: closes(ingress.length + ingressDeny.length),
      egress: closes(egress.length + egressDeny.length),
    },
    place,
  };
}

function randomSelector(random: Random): Selector {
  const count = random.pick([0, 1, 1, 1, 2]);
  return Array.from({ length: count }, (): Requirement => {
    const key = random.pick(KEYS);
    const operator = random.pick(["In", "In", "In", "NotIn", "Exists", "DoesNotExist"] as const);
    const values =
      operator === "In" || operator === "NotIn"
        ? [...new Set([random.pick(VALUES[key]!), random.pick(VALUES[key]!)])]
        : [];
    return { source: random.pick(["k8s", null]), key, operator, values };
  });
}

function randomPeers(random: Random, namespace: string | null, egress: boolean, deny: boolean): Peer[] {
  const kinds = ["endpoints", "endpoints", "endpoints", "cidr", "cidr", "entity", "nodes", "cidrGroup", "cidrGroups"];
  const kind = random.pick(egress ? [...kinds, "service", "services", ...(deny ? [] : ["fqdn"])] : kinds);
  return Array.from({ length: random.pick([0, 1, 1, 1, 2, 2]) }, () => randomPeer(random, kind, namespace));
}

function randomPeer(random: Random, kind: string, namespace: string | null): Peer {
  switch (kind) {
    case "cidr": {
      const cidr = random.pick(CIDRS);
      const inside = cidr === "0.0.0.0/0" ? "203.0.113.0/24" : cidr === "203.0.113.0/24" ? "203.0.113.64/26" : null;
      return { kind, cidr, except: inside !== null && random.chance(0.5) ? [inside] : [] };
    }
    case "entity":
      return { kind, entity: random.pick(ENTITIES) };
    case "nodes":
      return {
        kind,
        selector: [
          {
            source: null,
            key: "zone",
            operator: random.pick(["In", "NotIn"]),
            values: [random.pick(["z-n1", "z-n2"])],
          },
        ],
      };
    case "cidrGroup":
      return { kind, name: random.pick(["blocked", "missing"]), except: random.chance(0.3) ? ["203.0.113.77/32"] : [] };
    case "cidrGroups":
      return { kind, selector: [{ source: null, key: "risk", operator: "Exists", values: [] }], except: [] };
    case "service":
      return { kind, namespace: "default", name: random.pick(["be", "ext", "missing"]) };
    case "services":
      return {
        kind,
        namespace: random.pick([null, "default", "shop"]),
        selector: [{ source: null, key: "expose", operator: "Exists", values: [] }],
      };
    case "fqdn":
      return {
        kind,
        ...random.pick([
          { name: "api.example.com", pattern: null },
          { name: null, pattern: "*.example.com" },
          { name: null, pattern: "*" },
          { name: null, pattern: "**.example.com" },
        ]),
      };
    default:
      return { kind: "endpoints", selector: randomPeerSelector(random, namespace) };
  }
}

function randomPeerSelector(random: Random, namespace: string | null): Selector {
  if (random.chance(0.08))
    return [{ source: "reserved", key: random.pick(["host", "world", "remote-node"]), operator: "Exists", values: [] }];
  const own = randomSelector(random);
  const scope = random.below(4);
  if (scope === 0) return [...own, inNamespace(random.pick(NAMESPACES))];
  if (scope === 1)
    return [
      ...own,
      {
        source: "k8s",
        key: "io.cilium.k8s.namespace.labels.team",
        operator: "In",
        values: [random.pick(["app", "ops"])],
      },
      ANY_NAMESPACE,
    ];
  return [...own, namespace === null ? ANY_NAMESPACE : inNamespace(namespace)];
}

function randomPorts(random: Random, deny: boolean, egress: boolean): PortRule[] {
  return Array.from({ length: 1 + random.below(2) }, () => {
    const l7 = deny ? null : randomL7(random, egress);
    const ports = Array.from({ length: 1 + random.below(3) }, () => randomPort(random, l7 !== null));
    return { ports, l7 };
  });
}

function randomPort(random: Random, forL7: boolean): PortSpec {
  const protocols: readonly Protocol[] = forL7
    ? ["TCP"]
    : random.pick([["TCP"], ["TCP"], ["UDP"], ["SCTP"], ["TCP", "UDP", "SCTP"]] as const);
  const form = random.below(forL7 ? 8 : 10);
  if (form >= 9) return { kind: "icmp", protocol: random.pick(["ICMP", "ICMPv6"]), type: random.pick([0, 8, 128]) };
  if (form === 8) return { kind: "range", protocols, first: 0, last: 65535 };
  if (form >= 6) return { kind: "name", protocols, name: random.pick(NAMES) };
  const first = random.pick(PORTS);
  return { kind: "range", protocols, first, last: form < 3 ? first : Math.max(first, random.pick(PORTS)) };
}

function randomL7(random: Random, egress: boolean): L7Rules | null {
  if (egress && random.chance(0.05)) return { kind: "dns", rules: [{ name: null, pattern: "*" }] };
  return random.chance(0.25)
    ? { kind: "http", rules: Array.from({ length: random.below(3) }, () => randomHttp(random)) }
    : null;
}

function randomHttp(random: Random): HttpRule {
  return {
    method: random.pick([null, "GET", "GET|PUT"]),
    path: random.pick([null, "/public/.*", "/", "/a[0-9]"]),
    host: null,
    headers: random.chance(0.2) ? [{ name: "x-t", value: random.pick([null, "1"]), mismatch: null }] : [],
  };
}

/** Between addresses of the cluster, mostly pods, and outside ones. */
export function randomFlow(random: Random, cluster: Cluster): FlowQuery {
  const isIpv6 = random.chance(0.2);
  const ofFamily = (address: string): boolean => address.includes(":") === isIpv6;
  const inside = [...cluster.pods.values()].flatMap(({ addresses }) => addresses).filter(ofFamily);
  const nodes = [...cluster.nodes.values()].flatMap(({ addresses }) => addresses);
  const all = [...inside, ...inside, ...[...nodes, ...Object.values(OUTSIDE)].filter(ofFamily)];
  const pickEnd = (): string => random.pick(inside.length > 0 && random.chance(0.7) ? inside : all);
  const [source, destination] = [pickEnd(), pickEnd()];
  if (source === destination) return randomFlow(random, cluster);
  const protocol = random.pick(["TCP", "TCP", "TCP", "UDP", "SCTP", isIpv6 ? "ICMPv6" : "ICMP"] as const);
  return { source, destination, protocol, ...randomTarget(random, protocol) };
}

const FLOW_PORTS = [1, 49, 50, 53, 79, 80, 81, 82, 443, 8000, 8080, 9000, 65535] as const;

function randomTarget(random: Random, protocol: FlowQuery["protocol"]): Pick<FlowQuery, "port" | "http"> {
  if (protocol === "ICMP") return { port: random.pick([0, 8, 13]) };
  if (protocol === "ICMPv6") return { port: random.pick([128, 129]) };
  const port = random.pick(FLOW_PORTS);
  if (protocol !== "TCP" || random.chance(0.5)) return { port };
  const headers = random.chance(0.3) ? [["X-T", random.pick(["1", "2"])] as const] : [];
  const method = random.pick(["GET", "PUT", "POST"]);
  return { port, http: { method, path: random.pick(["/", "/public/x", "/a1", "/a1?b"]), host: "", headers } };
}

/** Changes that one event of a cluster makes; `round` goes into names. */
export function randomChange(random: Random, cluster: Cluster, round: number): ObjectChange[] {
  return settle(cluster, pickChange(random, cluster, round));
}

function pickChange(random: Random, cluster: Cluster, round: number): ObjectChange {
  const set = (object: MeshObject): ObjectChange => ({ kind: "set", object });
  switch (random.below(12)) {
    case 0:
    case 1: {
      const [key] = random.pick([...cluster.policies, ["none", []] as const]);
      const [kind = "", name = ""] = key.split(" ");
      const [first = "", second] = name.split("/");
      return { kind: "delete", ref: { kind, namespace: second === undefined ? null : first, name: second ?? first } };
    }
    case 2: {
      const pod = random.pick([...cluster.pods.values()]);
      return set({ kind: "Pod", value: { ...pod, labels: random.pick([...cluster.pods.values()]).labels } });
    }
    case 3:
      return set({ kind: "Pod", value: changePod(random, cluster) });
    case 4: {
      const { namespace, name } = random.pick([...cluster.pods.values()]);
      return cluster.pods.size < 5
        ? set({ kind: "Pod", value: changePod(random, cluster) })
        : { kind: "delete", ref: { kind: "Pod", namespace, name } };
    }
    case 5:
      return set({
        kind: "Namespace",
        value: { name: random.pick(["default", "shop"]), labels: { team: random.pick(["app", "ops"]) } },
      });
    case 6: {
      const service = cluster.services.get("default/be")!;
      return set({ kind: "Service", value: { ...service, selector: { app: random.pick(["be", "fe"]) } } });
    }
    case 7: {
      const slice = cluster.endpointSlices.get("default/ext-1")!;
      const endpoints = [{ ...slice.endpoints[0]!, addresses: [random.pick([OUTSIDE.a, OUTSIDE.c, "10.0.1.1"])] }];
      return set({ kind: "EndpointSlice", value: { ...slice, endpoints } });
    }
    case 8: {
      const cidrs = [random.pick(["203.0.113.64/26", "198.51.100.0/24", "203.0.113.0/24"])];
      return set({ kind: "CidrGroup", value: { name: "blocked", labels: random.pick([{}, { risk: "high" }]), cidrs } });
    }
    default: {
      const name = random.pick(["p", "q", "r", "s"]);
      const policy = randomPolicy(random, name);
      const more = random.chance(0.2)
        ? [{ ...randomPolicy(random, `${name}${round}`), object: policy.object, spec: 1 }]
        : [];
      return set({ kind: "Policy", object: policy.object, value: [policy, ...more] });
    }
  }
}

/** A pod with another address, node or ports: an address that is free, or that a pod had that goes. */
function changePod(random: Random, cluster: Cluster): Pod {
  const pod = random.pick([...cluster.pods.values()]);
  const used = new Set([...cluster.pods.values()].flatMap(({ addresses }) => addresses));
  const free = ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.9.1", "10.0.9.2"].filter((address) => !used.has(address));
  const ports = random.pick([...cluster.pods.values()]).ports;
  const address = free.length > 0 && random.chance(0.5) ? [random.pick(free)] : pod.addresses;
  return {
    ...pod,
    name: random.chance(0.3) ? `${pod.name}-2` : pod.name,
    addresses: address,
    node: random.pick(["n1", "n2"]),
    ports,
  };
}

/** A pod under a new name takes the address away from the one that had it. */
function settle(cluster: Cluster, change: ObjectChange): ObjectChange[] {
  if (change.kind === "delete" || change.object.kind !== "Pod") return [change];
  const { value } = change.object;
  const losers = [...cluster.pods.values()].filter((pod) => {
    const other = pod.name !== value.name || pod.namespace !== value.namespace;
    return other && pod.addresses.some((address) => value.addresses.includes(address));
  });
  return [
    ...losers.map(({ namespace, name }): ObjectChange => ({ kind: "delete", ref: { kind: "Pod", namespace, name } })),
    change,
  ];
}
