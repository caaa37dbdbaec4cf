/**
 * What the policy engine makes: for each endpoint and direction, a judgement by identity, and port tables shared by all.
 * `programs/mesh/tables.ts` tells how the kernel reads the same; `mesh/datapath` writes it there.
 */
import type { Cluster, Direction, DnsRule, HttpRule, ObjectRef, Place } from "../objects/types.ts";

/** A security identity: numbers as Cilium's (1 host, 2 world, 5 init, 6 remote-node, 256 to 65535 cluster, 1 << 24 and up of this node). */
export type IdentityNumber = number;
/** Number of a rule, as counters and events carry it; 0: none. */
export type RuleNumber = number;

/** Which rule of which object. */
export interface RuleInfo {
  readonly number: RuleNumber;
  readonly object: ObjectRef;
  readonly spec: number;
  readonly section: "ingress" | "egress" | "ingressDeny" | "egressDeny";
  /** Position in the section. */
  readonly index: number;
  readonly place: Place;
}

export interface Verdict {
  readonly action: "allow" | "deny" | "redirect";
  readonly rule: RuleNumber;
  /** Number of a set of HTTP rules (`PolicyEngine.httpRules`); 0 unless `redirect`. */
  readonly l7: number;
}

/** Ports `port` to `port + 2 ** (16 - bits) - 1` of a protocol. ICMP types are ports `0x8000 | type`. */
export interface PortEntry {
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
  /** 0: any port of the protocol; 16: this one. */
  readonly bits: number;
  readonly verdict: Verdict;
}

/** Immutable; the same entries have the same number everywhere. Longest prefix wins, and is right: precedence is resolved. */
export interface PortTable {
  readonly number: number;
  readonly entries: readonly PortEntry[];
}

/** `ports` is asked first; `verdict` is for what it does not cover. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly ports: PortTable | null;
}

export interface DirectionPolicy {
  /** For identities that are not listed. */
  readonly otherwise: Judgement;
  readonly identities: ReadonlyMap<IdentityNumber, Judgement>;
}

/** Endpoints with the same policy share one object: compare with `===`. */
export interface EndpointPolicy {
  readonly ingress: DirectionPolicy;
  readonly egress: DirectionPolicy;
}

/** One flow to be judged, before anybody opened it. */
export interface FlowQuery {
  /** Addresses in canonical text. */
  readonly source: string;
  readonly destination: string;
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ICMP" | "ICMPv6";
  /** ICMP: the type. */
  readonly port: number;
  readonly http?: HttpRequestHead;
}

export interface HttpRequestHead {
  readonly method: string;
  /** As sent, with the query. */
  readonly path: string;
  /** The authority, with the port when it was sent. */
  readonly host: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** One end's decision and why. */
export interface Explanation {
  readonly direction: Direction;
  readonly endpoint: string;
  readonly verdict: "allow" | "deny" | "http403" | "redirect";
  /** Null: no rule decided (`reason` says which default). */
  readonly rule: RuleInfo | null;
  /** The object that decided: the rule's, or for "default deny" the first that closes the direction; null: none did. */
  readonly object: ObjectRef | null;
  readonly reason:
    | "no policy"
    | "allowed by rule"
    | "denied by rule"
    | "default deny"
    | "local host"
    | "not a managed endpoint"
    | "no HTTP rule matches"
    | "HTTP rule matches"
    | "no DNS rule matches"
    | "DNS rule matches";
  readonly identity: IdentityNumber;
  readonly labels: readonly string[];
}

/** The L7 rules of a redirected verdict: a request that matches any HTTP rule passes, a query that matches any DNS rule. */
export interface HttpRuleSet {
  readonly number: number;
  readonly rules: readonly { readonly rule: RuleNumber; readonly http: HttpRule }[];
  /** Egress to DNS servers only; such a set has no HTTP rules, unless two policies want both of one port. */
  readonly dns: readonly { readonly rule: RuleNumber; readonly dns: DnsRule }[];
}

/** What an address is: `prefix` in canonical text with its length (a single address has 32 or 128). */
export interface HostEntry {
  readonly prefix: string;
  readonly identity: IdentityNumber;
  /** `namespace/name` of the pod it belongs to; null: none. */
  readonly pod: string | null;
  /** An address of this node. */
  readonly local: boolean;
}

/** A source prefix that every endpoint of the node denies, whatever the port: may be dropped at the node's device. */
export interface PrefilterEntry {
  readonly prefix: string;
  readonly rule: RuleNumber;
}

/**
 * What a change of the cluster means for the kernel, in the order in which it has to be written so that no moment is
 * weaker than before or after: port tables and HTTP rule sets that are new, judgements (they know new identities before any
 * address has them), addresses, and last what nothing names any more.
 */
export interface EngineChange {
  /**
   * To be written whole before this one; null: nothing. Before policies name other prefixes, addresses get identities that
   * the old policies and the new ones know: a deny of 10.0.0.0/8 that becomes one of 10.1.0.0/16 has no moment without.
   */
  readonly first: EngineChange | null;
  readonly newPortTables: readonly PortTable[];
  readonly newHttpRules: readonly HttpRuleSet[];
  readonly newRules: readonly RuleInfo[];
  /**
   * By pod (`namespace/name`): endpoints of this node whose policy is another one now. One whose pod is gone has that of
   * `initPolicy` (and identity init), until its interface is gone too.
   */
  readonly endpoints: ReadonlyMap<string, EndpointPolicy>;
  readonly hosts: { readonly set: readonly HostEntry[]; readonly deleted: readonly string[] };
  /** Identity of each endpoint of this node whose identity changed. */
  readonly identities: ReadonlyMap<string, IdentityNumber>;
  /** The whole list, when it changed; null: as before. */
  readonly prefilter: readonly PrefilterEntry[] | null;
  readonly oldPortTables: readonly number[];
  readonly oldHttpRules: readonly number[];
}

/**
 * The policy engine of one node: pure but for the state of its last result. `mesh/policy/engine.ts` makes it.
 * Same cluster in, same numbers out where a number has to survive a restart (identities, rules): `restore` takes them.
 */
export interface PolicyEngine {
  readonly node: string;
  /** The cluster as it is now; recompiles what differs from the last one. */
  update(cluster: Cluster): EngineChange;
  /** A DNS answer was seen: addresses of a name, until `expires` (milliseconds since the epoch). */
  observeDns(name: string, addresses: readonly string[], expires: number): EngineChange;
  /** Forgets names whose time is over. Addresses that `inUse` gives are kept a while longer; default: none is. */
  expireDns(now: number, inUse?: (addresses: ReadonlySet<string>) => ReadonlySet<string>): EngineChange;
  policyOf(pod: string): EndpointPolicy | undefined;
  /** For an endpoint whose pod is not known yet (identity `init`): closed, but for what policies give `reserved:init`. */
  initPolicy(): EndpointPolicy;
  /** The objects, by name, that close a direction of an endpoint of this node; none: it is open. Names default denies. */
  closedBy(pod: string, direction: Direction): readonly ObjectRef[];
  /** Both ends' decisions, as far as they are on this node; a flow passes when none denies. */
  explain(flow: FlowQuery): readonly Explanation[];
  /** May the pod ask this DNS server for the name? */
  explainDns(pod: string, server: string, name: string): Explanation;
  rule(number: RuleNumber): RuleInfo | undefined;
  httpRules(number: number): HttpRuleSet | undefined;
  labelsOf(identity: IdentityNumber): readonly string[];
  identityOf(address: string): IdentityNumber;
  /** What has to survive a restart so that numbers stay: JSON. */
  save(): unknown;
}
