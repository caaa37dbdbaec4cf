/**
 * A second reading of policies, for comparison: each flow is held against every rule, nothing is compiled, there are no
 * identities, ports or sets. "Some allow covers it, no deny covers it."
 */
import { contains, parseAddress, parsePrefix, prefixOf } from "../../../mesh/objects/address.ts";
import type {
  Cluster,
  DnsRule,
  NamedPort,
  Node,
  Peer,
  Pod,
  PortRule,
  Requirement,
  Rule,
  Selector,
} from "../../../mesh/objects/types.ts";
import type { FlowQuery } from "../../../mesh/policy/types.ts";

type Verdict = "allow" | "deny" | "http403";

export interface NaiveWorld {
  readonly cluster: Cluster;
  /** Addresses of names. */
  readonly dns: ReadonlyMap<string, readonly string[]>;
}

type Party =
  | { readonly kind: "pod"; readonly pod: Pod; readonly labels: readonly (readonly [string, string, string])[] }
  | { readonly kind: "node"; readonly node: Node }
  | { readonly kind: "outside"; readonly address: string };

/** Both ends, wherever they are. */
export function judgeNaively(world: NaiveWorld, flow: FlowQuery): Verdict {
  const source = findParty(world.cluster, flow.source);
  const destination = findParty(world.cluster, flow.destination);
  const ends = [
    judgeEnd(world, flow, "egress", source, destination),
    judgeEnd(world, flow, "ingress", destination, source),
  ];
  if (ends.includes("deny")) return "deny";
  return ends.includes("http403") ? "http403" : "allow";
}

function findParty({ nodes, pods, namespaces }: Cluster, address: string): Party {
  for (const node of nodes.values()) if (node.addresses.includes(address)) return { kind: "node", node };
  for (const pod of pods.values()) {
    if (pod.hostNetwork || !pod.addresses.includes(address)) continue;
    const own = Object.entries(pod.labels).map(([key, value]) => ["k8s", key, value] as const);
    const given = Object.entries(namespaces.get(pod.namespace)?.labels ?? {}).map(([key, value]) => {
      return ["k8s", `io.cilium.k8s.namespace.labels.${key}`, value] as const;
    });
    const more = [
      ["k8s", "io.kubernetes.pod.namespace", pod.namespace],
      ["k8s", "io.cilium.k8s.policy.serviceaccount", pod.serviceAccount],
      ["k8s", "io.cilium.k8s.policy.cluster", "default"],
    ] as const;
    return { kind: "pod", pod, labels: [...own, ...given, ...more] };
  }
  return { kind: "outside", address };
}

function judgeEnd(
  world: NaiveWorld,
  flow: FlowQuery,
  direction: "ingress" | "egress",
  own: Party,
  other: Party,
): Verdict {
  if (own.kind !== "pod") return "allow";
  const selected = [...world.cluster.policies.values()].flat().filter(({ subject }) => holds(subject, own.labels));
  const closed = selected.some(({ defaultDeny }) => defaultDeny[direction]);
  const server = direction === "ingress" ? own : other;
  const ports = server.kind === "pod" ? server.pod.ports : [];
  const seesPeer = (rule: Rule): boolean =>
    rule.peers === null || rule.peers.some((peer) => isPeer(world, peer, own.pod, other));
  const denies = selected
    .flatMap((policy) => (direction === "ingress" ? policy.ingressDeny : policy.egressDeny))
    .filter(seesPeer);
  if (denies.some((rule) => rule.ports === null || rule.ports.some((entry) => covers(entry, flow, ports))))
    return "deny";
  if (direction === "ingress" && other.kind === "node" && other.node.name === own.pod.node) return "allow";
  const allows = selected.flatMap((policy) => policy[direction]).filter(seesPeer);
  if (allows.some(({ ports: entries }) => entries === null)) return "allow";
  const covering = allows.flatMap((rule) => rule.ports ?? []).filter((entry) => covers(entry, flow, ports));
  if (covering.length === 0) return closed ? "deny" : "allow";
  if (covering.some(({ l7 }) => l7 === null || l7.rules.length === 0)) return "allow";
  const { http } = flow;
  if (http === undefined) return "allow";
  const admitted = covering.some(({ l7 }) => {
    return (
      l7?.kind === "http" &&
      l7.rules.some(({ method, path, headers }) => {
        return (
          (method === null || new RegExp(`^(?:${method})$`).test(http.method)) &&
          (path === null || new RegExp(`^(?:${path})$`).test(http.path)) &&
          headers.every(({ name, value }) =>
            http.headers.some(([n, v]) => n.toLowerCase() === name && (value === null || v === value)),
          )
        );
      })
    );
  });
  return admitted ? "allow" : "http403";
}

function covers({ ports }: PortRule, { protocol, port }: FlowQuery, named: readonly NamedPort[]): boolean {
  return ports.some((spec) => {
    switch (spec.kind) {
      case "icmp":
        return spec.protocol === protocol && spec.type === port;
      case "range":
        return spec.protocols.includes(protocol) && port >= spec.first && port <= spec.last;
      case "name":
        return (
          spec.protocols.includes(protocol) &&
          named.some(
            (one) =>
              one.name.toLowerCase() === spec.name.toLowerCase() && one.port === port && one.protocol === protocol,
          )
        );
    }
  });
}

function isPeer(world: NaiveWorld, peer: Peer, own: Pod, other: Party): boolean {
  const { cluster, dns } = world;
  switch (peer.kind) {
    case "endpoints":
      return holds(peer.selector, labelsOf(other, own));
    case "entity":
      return isEntity(peer.entity, other, own);
    case "cidr":
      return inPrefixes([peer.cidr], peer.except, other);
    case "cidrGroup":
      return inPrefixes(cluster.cidrGroups.get(peer.name)?.cidrs ?? [], peer.except, other);
    case "cidrGroups": {
      const groups = [...cluster.cidrGroups.values()].filter(({ labels }) => holds(peer.selector, kubernetes(labels)));
      return groups.some(({ cidrs }) => inPrefixes(cidrs, peer.except, other));
    }
    case "service":
    case "services": {
      const services = [...cluster.services.values()].filter((service) => {
        if (peer.namespace !== null && service.namespace !== peer.namespace) return false;
        return peer.kind === "service" ? service.name === peer.name : holds(peer.selector, kubernetes(service.labels));
      });
      return services.some(({ namespace, name, selector }) => {
        if (selector !== null) {
          return (
            other.kind === "pod" &&
            other.pod.namespace === namespace &&
            Object.entries(selector).every(([k, v]) => other.pod.labels[k] === v)
          );
        }
        const slices = [...cluster.endpointSlices.values()].filter(
          (slice) => slice.namespace === namespace && slice.service === name,
        );
        return (
          other.kind === "outside" &&
          slices.some(({ endpoints }) => endpoints.some(({ addresses }) => addresses.includes(other.address)))
        );
      });
    }
    case "fqdn":
      return (
        other.kind === "outside" &&
        [...dns].some(([name, addresses]) => addresses.includes(other.address) && isNamed(peer, name))
      );
    case "nodes":
      return (
        other.kind === "node" &&
        holds(
          peer.selector.map((r) => ({ ...r, source: null })),
          kubernetes(other.node.labels),
        )
      );
  }
}

function isNamed({ name, pattern }: DnsRule, asked: string): boolean {
  if (name === asked || pattern === "*") return true;
  if (pattern === null) return false;
  const labels = pattern.split(".");
  const found = asked.split(".");
  if (labels[0] === "**") return found.length >= labels.length && asked.endsWith(pattern.slice(2));
  return labels.length === found.length && labels.every((label, at) => label === "*" || label === found[at]);
}

function isEntity(entity: string, other: Party, own: Pod): boolean {
  const isHere = other.kind === "node" && other.node.name === own.node;
  switch (entity) {
    case "all":
      return true;
    case "world":
      return other.kind === "outside";
    case "world-ipv4":
      return other.kind === "outside" && !other.address.includes(":");
    case "world-ipv6":
      return other.kind === "outside" && other.address.includes(":");
    case "cluster":
      return other.kind !== "outside";
    case "host":
      return isHere;
    case "remote-node":
      return other.kind === "node" && !isHere;
    case "kube-apiserver":
      return other.kind === "node" && other.node.apiServer;
    default:
      return false;
  }
}

function inPrefixes(cidrs: readonly string[], except: readonly string[], other: Party): boolean {
  if (other.kind !== "outside") return false;
  const address = prefixOf(parseAddress(other.address)!);
  const has = (text: string): boolean => contains(parsePrefix(text)!, address);
  return cidrs.some(has) && !except.some(has);
}

function labelsOf(party: Party, own: Pod): readonly (readonly [string, string, string])[] {
  if (party.kind === "pod") return party.labels;
  if (party.kind === "outside") return [["reserved", "world", ""]];
  return [["reserved", party.node.name === own.node ? "host" : "remote-node", ""]];
}

const kubernetes = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels).map(([k, v]) => ["k8s", k, v] as const);

function holds(selector: Selector, labels: readonly (readonly [string, string, string])[]): boolean {
  return selector.every(({ source, key, operator, values }: Requirement) => {
    const found = labels.filter(([s, k]) => k === key && (source === null || s === source)).map(([, , value]) => value);
    if (operator === "Exists") return found.length > 0;
    if (operator === "DoesNotExist") return found.length === 0;
    const is = found.some((value) => values.includes(value));
    return operator === "In" ? is : !is;
  });
}
