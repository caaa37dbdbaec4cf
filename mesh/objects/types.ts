/**
 * What the mesh knows of the cluster, as values: the same whether they came from YAML files, a Kubernetes watch or a store.
 *
 * Policies of all kinds become one `Policy`: NetworkPolicy's selectors are rewritten to the label keys that
 * CiliumNetworkPolicy uses, scoping to a namespace is already part of each selector, ports are numbers or names, and what
 * cannot be honoured has been refused. So the policy engine knows one language.
 */

/** Where in the sources something is written. `path`: the field, as `spec.ingress[0].toPorts[0].ports[1].port`. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly path: string;
}

export interface ObjectRef {
  readonly kind: string;
  /** Null: of the cluster. */
  readonly namespace: string | null;
  readonly name: string;
}

export type Labels = Readonly<Record<string, string>>;
export type Protocol = "TCP" | "UDP" | "SCTP" | "ICMP" | "ICMPv6";
export type Direction = "ingress" | "egress";

export interface Namespace {
  readonly name: string;
  readonly labels: Labels;
}

export interface NamedPort {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** Null: not scheduled yet. */
  readonly node: string | null;
  /** IPv4 and IPv6, in canonical text. */
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
  readonly hostNetwork: boolean;
  readonly serviceAccount: string;
  /** Takes new connections from services: condition Ready, true when nobody says otherwise. */
  readonly ready: boolean;
  /** Being deleted. */
  readonly terminating: boolean;
  /** Relative weight behind services, from the annotation `mesh.ebpf-ts.dev/weight`; 1. */
  readonly weight: number;
  /** May its sockets take the shortcut? From the annotation `mesh.ebpf-ts.dev/shortcut`: "enabled"; false. */
  readonly shortcut: boolean;
}

export interface Node {
  readonly name: string;
  readonly labels: Labels;
  readonly addresses: readonly string[];
  /** Serves the Kubernetes API (label node-role.kubernetes.io/control-plane). */
  readonly apiServer: boolean;
}

export interface ServicePort {
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly port: number;
  /** Number, or name of a port of the pod. */
  readonly targetPort: number | string;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** Empty: headless. */
  readonly addresses: readonly string[];
  readonly ports: readonly ServicePort[];
  /** Null: its backends are EndpointSlices written by somebody. */
  readonly selector: Labels | null;
  /** Seconds of session affinity by client; 0: none. */
  readonly affinity: number;
  /** From the annotation `mesh.ebpf-ts.dev/algorithm`. */
  readonly algorithm: "random" | "maglev";
}

export interface EndpointSlice {
  readonly namespace: string;
  readonly name: string;
  readonly service: string;
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: "TCP" | "UDP" | "SCTP";
    readonly port: number;
  }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly ready: boolean;
    readonly serving: boolean;
    readonly terminating: boolean;
    readonly node: string | null;
    /** Relative weight, 1 unless the annotation `mesh.ebpf-ts.dev/weight` of the slice says otherwise. */
    readonly weight: number;
  }[];
}

export interface CidrGroup {
  readonly name: string;
  readonly labels: Labels;
  readonly cidrs: readonly string[];
}

/** One requirement on labels. A key without a source, or with `any`, is met by a label of any source. */
export interface Requirement {
  /** `k8s`, `reserved`, `cidr`, `container`...; null: any. */
  readonly source: string | null;
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  /** Empty for Exists and DoesNotExist. */
  readonly values: readonly string[];
}

/** All must hold. Empty: everything (namespace scoping has been written into it). */
export type Selector = readonly Requirement[];

export type Entity =
  | "all"
  | "world"
  | "world-ipv4"
  | "world-ipv6"
  | "cluster"
  | "host"
  | "remote-node"
  | "kube-apiserver"
  | "init"
  | "unmanaged"
  | "health"
  | "ingress"
  | "none";

export type Peer =
  | { readonly kind: "endpoints"; readonly selector: Selector }
  | { readonly kind: "entity"; readonly entity: Entity }
  | { readonly kind: "cidr"; readonly cidr: string; readonly except: readonly string[] }
  | { readonly kind: "cidrGroup"; readonly name: string; readonly except: readonly string[] }
  | { readonly kind: "cidrGroups"; readonly selector: Selector; readonly except: readonly string[] }
  /** `namespace` null: in any. */
  | { readonly kind: "service"; readonly namespace: string | null; readonly name: string }
  | { readonly kind: "services"; readonly selector: Selector; readonly namespace: string | null }
  | { readonly kind: "fqdn"; readonly name: string | null; readonly pattern: string | null }
  | { readonly kind: "nodes"; readonly selector: Selector };

/** Ports first to last, or a name. Port 0 to 65535 is "any port". */
export type PortSpec =
  | { readonly kind: "range"; readonly protocols: readonly Protocol[]; readonly first: number; readonly last: number }
  | { readonly kind: "name"; readonly protocols: readonly Protocol[]; readonly name: string }
  | { readonly kind: "icmp"; readonly protocol: "ICMP" | "ICMPv6"; readonly type: number };

export interface HeaderMatch {
  /** Lower case. */
  readonly name: string;
  /** Exact value; null: presence is enough. */
  readonly value: string | null;
  /** What a mismatch does; null: the rule does not match. */
  readonly mismatch: "LOG" | "ADD" | "DELETE" | "REPLACE" | null;
}

/** One HTTP rule: all that is given must match. Patterns are RE2, matched against the whole string; null: not asked. */
export interface HttpRule {
  readonly method: string | null;
  readonly path: string | null;
  readonly host: string | null;
  readonly headers: readonly HeaderMatch[];
}

/** `*` inside a name does not cross dots; a lone `*` is every name. */
export interface DnsRule {
  readonly name: string | null;
  readonly pattern: string | null;
}

export type L7Rules =
  | { readonly kind: "http"; readonly rules: readonly HttpRule[] }
  | { readonly kind: "dns"; readonly rules: readonly DnsRule[] };

/** Entries are alternatives. `l7` null: no restriction beyond L4. */
export interface PortRule {
  readonly ports: readonly PortSpec[];
  readonly l7: L7Rules | null;
}

/** Peers AND ports. */
export interface Rule {
  /** Position in the policy's list of its direction and action, from 0. */
  readonly index: number;
  /** Null: any peer; empty: none. */
  readonly peers: readonly Peer[] | null;
  /** Null: all ports and protocols. */
  readonly ports: readonly PortRule[] | null;
  readonly place: Place;
}

export interface Policy {
  readonly object: ObjectRef;
  /** Position in `specs` of the object; 0 for `spec`. */
  readonly spec: number;
  /** Which pods it is about; has the policy's namespace in it when it has one. */
  readonly subject: Selector;
  readonly ingress: readonly Rule[];
  readonly egress: readonly Rule[];
  readonly ingressDeny: readonly Rule[];
  readonly egressDeny: readonly Rule[];
  /** Whether it closes the direction for its subjects. */
  readonly defaultDeny: { readonly ingress: boolean; readonly egress: boolean };
  readonly place: Place;
}

export type MeshObject =
  | { readonly kind: "Namespace"; readonly value: Namespace }
  | { readonly kind: "Pod"; readonly value: Pod }
  | { readonly kind: "Node"; readonly value: Node }
  | { readonly kind: "Service"; readonly value: Service }
  | { readonly kind: "EndpointSlice"; readonly value: EndpointSlice }
  | { readonly kind: "CidrGroup"; readonly value: CidrGroup }
  /** All specs of one object. */
  | { readonly kind: "Policy"; readonly object: ObjectRef; readonly value: readonly Policy[] };

/** Everything that is known, by key (`namespace/name`, or `name`). Immutable: a change makes a new one. */
export interface Cluster {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly services: ReadonlyMap<string, Service>;
  readonly endpointSlices: ReadonlyMap<string, EndpointSlice>;
  readonly cidrGroups: ReadonlyMap<string, CidrGroup>;
  /** By `kind namespace/name`. */
  readonly policies: ReadonlyMap<string, readonly Policy[]>;
}
