/**
 * The policy engine of one node: a cluster goes in, what the kernel has to know comes out.
 *
 *   pods, namespaces, nodes --> identities --+--> addresses
 *   policies --> rules --> peers (sets of identities) --+--> directions --> judgements --> port tables
 *                                local pods (subjects) --+
 *
 * Every arrow is incremental. A cluster is compared with the last one by reference; a changed policy touches the subjects
 * that it selects or selected, a new identity touches the sets of peers that it is a member of, and only directions that
 * use such a set are compiled again. What a direction compiles to depends on its list of rules alone, so subjects with the
 * same rules share it. Nothing of the order in which things came is in the result: rules are blamed in the order of their
 * objects' names, and numbers are hashes.
 *
 * Semantics are those of CiliumNetworkPolicy in its default enforcement mode (docs/mesh-policy.md has them in full):
 * deny before plain allow, plain allow before HTTP and DNS rules, those before default deny; default deny for a subject and
 * direction as soon as one policy that selects it closes the direction; the node itself always reaches its own pods.
 */
import { AddressTable } from "../identity/addresses.ts";
import { identityKey, IdentityTable } from "../identity/identities.ts";
import type { Identity, SavedIdentities } from "../identity/identities.ts";
import { isPod, LabelSet, podLabels, reserved, withSource } from "../identity/labels.ts";
import type { Label } from "../identity/labels.ts";
import { hostPrefix, PrefixTable } from "../identity/prefixes.ts";
import { RESERVED_IDENTITIES } from "../identity/reserved.ts";
import { contains, parseAddress, prefixOf } from "../objects/address.ts";
import type { Prefix } from "../objects/address.ts";
import { EMPTY_CLUSTER } from "../objects/cluster.ts";
import type { Cluster, Direction, DnsRule, NamedPort, Node, ObjectRef, Pod } from "../objects/types.ts";
import { DirectionTable } from "./directions.ts";
import type { DirectionEntry, DirectionSpec, SavedDirections } from "./directions.ts";
import { compileDnsRule, DnsCache } from "./dns.ts";
import type { InUse } from "./dns.ts";
import { explainDnsQuery, explainFlow } from "./explain.ts";
import { PeerTable } from "./peers.ts";
import { RuleTable } from "./rules.ts";
import type { CompiledPolicy, CompiledRule } from "./rules.ts";
import type {
  DirectionPolicy,
  EndpointPolicy,
  EngineChange,
  HostEntry,
  IdentityNumber,
  PolicyEngine,
  PrefilterEntry,
} from "./types.ts";

/** When policy is enforced, as Cilium's `enable-policy`. */
export type Enforcement = "default" | "always" | "never";

export interface PolicyEngineOptions {
  /** This node's name. */
  readonly node: string;
  /** The cluster's name, as labels have it; `default` unless it is given. */
  readonly clusterName?: string;
  /**
   * `default`: a pod is closed in a direction as soon as a policy closes it; `always`: all pods are closed; `never`: policies
   * have no effect.
   */
  readonly enforcement?: Enforcement;
  /** What `save` of an earlier engine gave: numbers stay what they were, and so do DNS answers. */
  readonly saved?: unknown;
}

interface Saved {
  readonly version: 1;
  readonly identities: SavedIdentities;
  readonly rules: readonly (readonly [string, number])[];
  readonly directions: SavedDirections;
  readonly dns: readonly (readonly [name: string, addresses: readonly (readonly [string, number])[]])[];
}

/** Pods of this node with the same identity. */
interface Subject {
  readonly identity: Identity;
  readonly pods: Set<string>;
  /** Policies that select it, in the order of blame: one list for all subjects that have the same, as far as is known. */
  policies: PolicyList;
  entries: Record<Direction, DirectionEntry> | null;
  policy: EndpointPolicy | null;
}

type PolicyList = readonly CompiledPolicy[];

/** What the policies of a list say together of a direction. */
type Said = Pick<DirectionSpec, "rules"> & { readonly closes: boolean };

interface PolicyChange {
  readonly replaced: readonly CompiledPolicy[];
  readonly added: readonly CompiledPolicy[];
}

/** A pod as the engine last saw it. */
interface KnownPod {
  readonly pod: Pod;
  readonly identity: Identity;
}

/**
 * Programs know IPv4 addresses as ::ffff:a.b.c.d, so that ::/0 has them too: IPv4 always has a prefix of its own below which no
 * IPv6 prefix is asked.
 */
const ALL_IPV4 = "0.0.0.0/0";
const MAPPED_IPV4: Prefix = { family: 6, bits: 0xffffn << 32n, length: 96 };

const API_SERVICE = { namespace: "default", name: "kubernetes" };

/** An engine that knows nothing yet: `update` gives it the cluster. */
export function createPolicyEngine(options: PolicyEngineOptions): PolicyEngine {
  return new Engine(options);
}

class Engine implements PolicyEngine {
  readonly node: string;
  readonly #clusterName: string;
  readonly #enforcement: Enforcement;
  readonly #identities: IdentityTable;
  readonly #prefixes: PrefixTable;
  readonly #addresses = new AddressTable();
  readonly #peers: PeerTable;
  readonly #rules: RuleTable;
  readonly #directions: DirectionTable;
  readonly #dns = new DnsCache();
  /** Names and patterns that policies allow, by label. */
  readonly #watched = new Map<string, { readonly matches: (name: string) => boolean; count: number }>();
  /** Labels of names that each address has. */
  readonly #namedAddresses = new Map<string, readonly string[]>();
  readonly #policies = new Map<string, readonly CompiledPolicy[]>();
  readonly #pods = new Map<string, KnownPod>();
  readonly #subjects = new Map<IdentityNumber, Subject>();
  readonly #init: Subject;
  /** By list, since a change of one policy touches every subject that it selects. */
  readonly #said = new WeakMap<PolicyList, Record<Direction, Said>>();
  /** Pods of this node, and the policy that they were told. */
  readonly #told = new Map<string, { readonly policy: EndpointPolicy; readonly identity: IdentityNumber }>();
  /** Directions that subjects have left in the change at hand. */
  #leaving: DirectionEntry[] = [];
  /** Pods that left this node in the change at hand. */
  readonly #left = new Set<string>();
  readonly #shared = new WeakMap<DirectionPolicy, WeakMap<DirectionPolicy, EndpointPolicy>>();
  /** Identities of other nodes, while policies tell nodes apart. */
  readonly #nodeIdentities = new Map<string, Identity>();
  #nodesTold = false;
  #apiAddresses: readonly string[] = [];
  #prefilter: readonly PrefilterEntry[] = [];
  #cluster: Cluster = EMPTY_CLUSTER;

  constructor({ node, clusterName = "default", enforcement = "default", saved }: PolicyEngineOptions) {
    const state = readSaved(saved);
    this.node = node;
    this.#clusterName = clusterName;
    this.#enforcement = enforcement;
    this.#identities = new IdentityTable(state?.identities);
    this.#prefixes = new PrefixTable(this.#identities);
    this.#peers = new PeerTable(EMPTY_CLUSTER, () => this.#identities.all, {
      name: (prefix, by) => this.#prefixes.name(prefix, by),
      watch: (label, rule, by) => this.#watch(label, rule, by),
    });
    this.#rules = new RuleTable(this.#peers, state?.rules);
    this.#directions = new DirectionTable(this.#identities, state?.directions);
    for (const [name, addresses] of state?.dns ?? []) {
      for (const [address, expires] of addresses) this.#dns.observe(name, [address], expires);
    }
    this.#init = this.#newSubject(this.#identities.get(RESERVED_IDENTITIES.init)!);
    this.#place(this.#init);
    this.#finish([]);
    // Told by the first update.
    this.#addresses.setPrefix(ALL_IPV4, RESERVED_IDENTITIES.world);
  }

  update(cluster: Cluster): EngineChange {
    const last = this.#cluster;
    this.#cluster = cluster;
    for (const identity of this.#identities.collect()) this.#peers.forget(identity);
    const policies = this.#comparePolicies(last, cluster);
    this.#peers.prepare(cluster);
    const first = this.#prefixes.isDirty && this.#subjects.size > 0 ? this.#finish([]) : null;
    this.#peers.commit();
    const touched = new Set<Subject>();
    this.#swapPolicies(policies, touched);
    this.#updatePods(last, cluster, touched);
    const apiMoved = this.#updateApiServer(last, cluster);
    this.#updateNodes(last, cluster, apiMoved);
    return { ...this.#finish(policies.replaced, touched), first };
  }

  observeDns(name: string, addresses: readonly string[], expires: number): EngineChange {
    this.#nameAddresses(this.#dns.observe(name, addresses, expires));
    return this.#finish([]);
  }

  expireDns(now: number, inUse?: InUse): EngineChange {
    this.#nameAddresses(this.#dns.expire(now, inUse));
    return this.#finish([]);
  }

  policyOf(pod: string): EndpointPolicy | undefined {
    return this.#told.get(pod)?.policy;
  }

  initPolicy(): EndpointPolicy {
    return this.#init.policy!;
  }

  closedBy(pod: string, direction: Direction): readonly ObjectRef[] {
    const identity = this.#told.get(pod)?.identity;
    const policies = identity === undefined ? [] : this.#subjects.get(identity)!.policies;
    const objects = policies.filter(({ policy }) => policy.defaultDeny[direction]).map(({ policy }) => policy.object);
    // An object may have several specs.
    return objects.filter((object, i) => objects[i - 1] !== object);
  }

  explain(flow: Parameters<PolicyEngine["explain"]>[0]): ReturnType<PolicyEngine["explain"]> {
    return explainFlow(this, (address) => this.#hostOf(address), flow);
  }

  explainDns(pod: string, server: string, name: string): ReturnType<PolicyEngine["explainDns"]> {
    return explainDnsQuery(this, this.#hostOf(server), pod, name);
  }

  rule(number: number): ReturnType<PolicyEngine["rule"]> {
    return this.#rules.get(number);
  }

  httpRules(number: number): ReturnType<PolicyEngine["httpRules"]> {
    return this.#directions.httpRules(number);
  }

  labelsOf(identity: IdentityNumber): readonly string[] {
    return this.#identities.get(identity)?.labels.texts ?? [];
  }

  identityOf(address: string): IdentityNumber {
    return this.#hostOf(address).identity;
  }

  save(): unknown {
    const saved: Saved = {
      version: 1,
      identities: this.#identities.save(),
      rules: this.#rules.save(),
      directions: this.#directions.save(),
      dns: this.#dns.save(),
    };
    return saved;
  }

  /** Compiles policies that are new. Those that are not in force any more stay until nothing uses them. */
  #comparePolicies(last: Cluster, { policies }: Cluster): PolicyChange {
    const replaced: CompiledPolicy[] = [];
    const added: CompiledPolicy[] = [];
    if (last.policies === policies) return { replaced, added };
    for (const [key, list] of last.policies) {
      if (policies.get(key) === list) continue;
      replaced.push(...this.#policies.get(key)!);
      this.#policies.delete(key);
    }
    for (const [key, list] of policies) {
      if (last.policies.get(key) === list) continue;
      const compiled = list.map((policy) => this.#rules.add(policy));
      added.push(...compiled);
      this.#policies.set(key, compiled);
    }
    return { replaced, added };
  }

  #swapPolicies({ replaced, added }: PolicyChange, touched: Set<Subject>): void {
    if (replaced.length + added.length === 0) return;
    const gone = new Set(replaced);
    // Who shared a list before mostly shares the new one.
    const lists = new Map<PolicyList, Map<string, PolicyList>>();
    for (const subject of this.#allSubjects()) {
      const before = subject.policies;
      const came = [...added.keys()].filter((at) => selects(added[at]!, subject));
      const made = lists.get(before) ?? new Map<string, PolicyList>();
      lists.set(before, made);
      const key = came.join();
      const after =
        made.get(key) ??
        renewList(
          before,
          gone,
          came.map((at) => added[at]!),
        );
      made.set(key, after);
      if (after === before) continue;
      subject.policies = after;
      touched.add(subject);
    }
  }

  #updatePods(last: Cluster, cluster: Cluster, touched: Set<Subject>): void {
    const changed = changedPods(last, cluster);
    if (changed.size === 0) return;
    const wanted = [...changed].flatMap((name) => {
      const pod = cluster.pods.get(name);
      if (pod === undefined || pod.hostNetwork) return [];
      const labels = podLabels(pod, cluster.namespaces.get(pod.namespace), this.#clusterName);
      const ports = sortPorts(pod.ports);
      return [{ name, pod, labels, ports, key: identityKey(labels, ports) }];
    });
    // New numbers in the order of their texts, so that all nodes agree on them.
    wanted.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const before = new Map([...changed].map((name) => [name, this.#pods.get(name)]));
    for (const { name, pod, labels, ports, key } of wanted) {
      this.#pods.set(name, { pod, identity: this.#identities.claim("cluster", key, labels, ports) });
    }
    const here = new Set(wanted.map(({ name }) => name));
    for (const [name, known] of before) {
      if (!here.has(name)) this.#pods.delete(name);
      this.#movePod(name, known, here.has(name) ? this.#pods.get(name) : undefined, touched);
      this.#moveHostPod(name, last.pods.get(name), cluster.pods.get(name));
      if (known !== undefined) this.#identities.release(known.identity.key);
    }
  }

  /** Addresses and subject of a pod with a network of its own. */
  #movePod(name: string, before: KnownPod | undefined, after: KnownPod | undefined, touched: Set<Subject>): void {
    for (const address of before?.pod.addresses ?? []) this.#addresses.claim(address, name, null);
    for (const address of after?.pod.addresses ?? []) {
      this.#addresses.claim(address, name, {
        pod: name,
        identity: after!.identity.number,
        here: after!.pod.node === this.node,
      });
    }
    const old = before?.pod.node === this.node ? this.#subjects.get(before.identity.number) : undefined;
    if (old !== undefined) {
      old.pods.delete(name);
      touched.add(old);
      if (after?.pod.node !== this.node) this.#left.add(name);
    }
    if (after?.pod.node === this.node) {
      const { identity } = after;
      const subject = this.#subjects.get(identity.number) ?? this.#newSubject(identity);
      this.#subjects.set(identity.number, subject);
      subject.pods.add(name);
      touched.add(subject);
    }
  }

  /** A pod with its node's network is the node, whatever address of it the pod names. */
  #moveHostPod(name: string, before: Pod | undefined, after: Pod | undefined): void {
    if (before?.hostNetwork === true)
      for (const address of before.addresses) this.#addresses.claim(address, `node of ${name}`, null);
    if (after?.hostNetwork !== true) return;
    const here = after.node === this.node;
    const identity = here ? RESERVED_IDENTITIES.host : RESERVED_IDENTITIES["remote-node"];
    for (const address of after.addresses)
      this.#addresses.claim(address, `node of ${name}`, { pod: null, identity, here });
  }

  #updateNodes(last: Cluster, { nodes }: Cluster, apiMoved: boolean): void {
    const told = this.#peers.nodesAreTold;
    if (last.nodes === nodes && told === this.#nodesTold && !apiMoved) return;
    this.#nodesTold = told;
    const own = nodes.get(this.node);
    const labels = own === undefined ? [] : this.#labelsOfNode(own);
    const host = this.#identities.get(RESERVED_IDENTITIES.host)!;
    if (this.#identities.setReserved(RESERVED_IDENTITIES.host, [...reserved("host"), ...labels]) !== null)
      this.#peers.forget(host);
    for (const [name, node] of last.nodes) {
      if (nodes.get(name) !== node)
        for (const address of node.addresses) this.#addresses.claim(address, `node ${name}`, null);
    }
    const before = new Map(this.#nodeIdentities);
    this.#nodeIdentities.clear();
    for (const node of [...nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const identity = this.#identifyNode(node, told);
      const here = node.name === this.node;
      for (const address of node.addresses)
        this.#addresses.claim(address, `node ${node.name}`, { pod: null, identity, here });
    }
    for (const { key } of before.values()) this.#identities.release(key);
  }

  #identifyNode(node: Node, told: boolean): IdentityNumber {
    if (node.name === this.node) return RESERVED_IDENTITIES.host;
    if (!told) return RESERVED_IDENTITIES[this.#servesApi(node) ? "kube-apiserver" : "remote-node"];
    const set = new LabelSet([...reserved("remote-node"), ...this.#labelsOfNode(node)]);
    const identity = this.#identities.claim("local", identityKey(set), set);
    this.#nodeIdentities.set(node.name, identity);
    return identity.number;
  }

  #labelsOfNode(node: Node): readonly Label[] {
    return [...withSource("node", node.labels), ...(this.#servesApi(node) ? reserved("kube-apiserver") : [])];
  }

  #servesApi({ apiServer, addresses }: Node): boolean {
    return apiServer || addresses.some((address) => this.#apiAddresses.includes(address));
  }

  /** The endpoints of the service `kubernetes` serve the API, outside of the cluster too. Are they others now? */
  #updateApiServer(last: Cluster, { endpointSlices }: Cluster): boolean {
    if (last.endpointSlices === endpointSlices) return false;
    const ours = [...endpointSlices.values()].filter(
      (slice) => slice.namespace === API_SERVICE.namespace && slice.service === API_SERVICE.name,
    );
    const addresses = ours.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses));
    const [label] = reserved("kube-apiserver");
    for (const address of addresses) this.#prefixes.label(hostPrefix(address), label!, 1);
    for (const address of this.#apiAddresses) this.#prefixes.label(hostPrefix(address), label!, -1);
    const moved = addresses.join() !== this.#apiAddresses.join();
    this.#apiAddresses = addresses;
    return moved;
  }

  #watch(label: string, rule: DnsRule, by: 1 | -1): void {
    const known = this.#watched.get(label) ?? { matches: compileDnsRule(rule), count: 0 };
    known.count += by;
    if (known.count === 0) this.#watched.delete(label);
    else this.#watched.set(label, known);
    if (known.count === 0 || (by === 1 && known.count === 1)) this.#nameAddresses([...this.#dns.addresses]);
  }

  /** Their names changed, or which names matter: labels follow. */
  #nameAddresses(addresses: readonly string[]): void {
    for (const address of addresses) {
      const before = this.#namedAddresses.get(address) ?? [];
      const after = this.#labelsOfNames(this.#dns.namesOf(address));
      if (after.length > 0) this.#namedAddresses.set(address, after);
      else this.#namedAddresses.delete(address);
      const prefix = hostPrefix(address);
      for (const key of after)
        if (!before.includes(key)) this.#prefixes.label(prefix, { source: "fqdn", key, value: "" }, 1);
      for (const key of before)
        if (!after.includes(key)) this.#prefixes.label(prefix, { source: "fqdn", key, value: "" }, -1);
    }
  }

  #labelsOfNames(names: Iterable<string>): readonly string[] {
    const list = [...names];
    return [...this.#watched].filter(([, { matches }]) => list.some(matches)).map(([label]) => label);
  }

  /** What is touched is compiled again, and what is different is told. */
  #finish(replaced: readonly CompiledPolicy[], touched: Set<Subject> = new Set()): EngineChange {
    this.#placePrefixes();
    for (const identity of this.#identities.takeAdded()) {
      this.#peers.learn(identity);
      this.#directions.learn(identity);
    }
    for (const subject of touched) this.#place(subject);
    this.#refresh();
    const endpoints = new Map<string, EndpointPolicy>();
    const identities = new Map<string, IdentityNumber>();
    for (const subject of this.#allSubjects()) this.#tell(subject, endpoints, identities);
    this.#tellLeft(endpoints, identities);
    for (const policy of replaced) this.#rules.remove(policy);
    // Peers that are gone leave prefixes that nobody names, and nodes that nobody tells apart.
    this.#updateNodes(this.#cluster, this.#cluster, false);
    this.#placePrefixes();
    if (replaced.length > 0) this.#learnLate(endpoints, identities);
    const hosts = this.#addresses.sync();
    const prefilter = this.#renewPrefilter();
    const tables = this.#directions.takeChanges();
    return { first: null, ...tables, newRules: this.#rules.takeFresh(), endpoints, hosts, identities, prefilter };
  }

  #placePrefixes(): void {
    for (const { text, identity } of this.#prefixes.sync()) {
      this.#addresses.setPrefix(text, identity?.number ?? (text === ALL_IPV4 ? RESERVED_IDENTITIES.world : null));
    }
  }

  /** Prefixes that went changed the labels of others: their identities may be new too. */
  #learnLate(endpoints: Map<string, EndpointPolicy>, identities: Map<string, IdentityNumber>): void {
    const added = this.#identities.takeAdded();
    if (added.length === 0) return;
    for (const identity of added) this.#peers.learn(identity);
    this.#refresh();
    for (const subject of this.#allSubjects()) this.#tell(subject, endpoints, identities);
  }

  #allSubjects(): Subject[] {
    return [...this.#subjects.values(), this.#init];
  }

  #newSubject(identity: Identity): Subject {
    const subject: Subject = { identity, pods: new Set(), policies: NO_POLICIES, entries: null, policy: null };
    const policies = inOrder([...this.#policies.values()].flat().filter((one) => selects(one, subject)));
    const same = [...this.#subjects.values()].find((other) => isSameList(other.policies, policies));
    return { ...subject, policies: same?.policies ?? (policies.length === 0 ? NO_POLICIES : policies) };
  }

  /** Puts a subject to the directions of its policies; one without pods is gone. */
  #place(subject: Subject): void {
    const before = subject.entries;
    if (subject.pods.size === 0 && subject !== this.#init) {
      subject.entries = null;
      if (this.#subjects.get(subject.identity.number) === subject) this.#subjects.delete(subject.identity.number);
    } else {
      subject.entries = { ingress: this.#enter(subject, "ingress"), egress: this.#enter(subject, "egress") };
    }
    if (before !== null) this.#leaving.push(before.ingress, before.egress);
  }

  /** Compiles what is new first: most of it is as in what is left behind. */
  #refresh(): void {
    this.#directions.refresh();
    for (const entry of this.#leaving) this.#directions.release(entry);
    this.#leaving = [];
  }

  #enter({ identity, policies }: Subject, direction: Direction): DirectionEntry {
    const ports = direction === "ingress" ? identity.ports : [];
    if (this.#enforcement === "never") return this.#directions.acquire({ direction, closed: false, rules: [], ports });
    const { rules, closes } = this.#sayingOf(policies)[direction];
    // Endpoints without labels yet get nothing but what policies give to `reserved:init`.
    const always = this.#enforcement === "always" || identity.number === RESERVED_IDENTITIES.init;
    return this.#directions.acquire({ direction, closed: always || closes, rules, ports });
  }

  #sayingOf(policies: PolicyList): Record<Direction, Said> {
    const known = this.#said.get(policies);
    if (known !== undefined) return known;
    const said = { ingress: say(policies, "ingress"), egress: say(policies, "egress") };
    this.#said.set(policies, said);
    return said;
  }

  #tell(subject: Subject, endpoints: Map<string, EndpointPolicy>, identities: Map<string, IdentityNumber>): void {
    const { ingress, egress } = subject.entries!;
    const policy = this.#share(ingress.policy, egress.policy);
    subject.policy = policy;
    for (const pod of subject.pods) {
      const before = this.#told.get(pod);
      const identity = subject.identity.number;
      if (before?.policy === policy && before.identity === identity) continue;
      this.#told.set(pod, { policy, identity });
      if (before?.policy !== policy) endpoints.set(pod, policy);
      if (before?.identity !== identity) identities.set(pod, identity);
    }
  }

  /** Whose pod is gone while its interface may still be here is as if it were not known yet. */
  #tellLeft(endpoints: Map<string, EndpointPolicy>, identities: Map<string, IdentityNumber>): void {
    for (const pod of this.#left) {
      this.#told.delete(pod);
      endpoints.set(pod, this.initPolicy());
      identities.set(pod, RESERVED_IDENTITIES.init);
    }
    this.#left.clear();
  }

  #share(ingress: DirectionPolicy, egress: DirectionPolicy): EndpointPolicy {
    const known = this.#shared.get(ingress) ?? new WeakMap<DirectionPolicy, EndpointPolicy>();
    this.#shared.set(ingress, known);
    const policy = known.get(egress) ?? { ingress, egress };
    known.set(egress, policy);
    return policy;
  }

  #hostOf(address: string): HostEntry {
    const prefix = hostPrefix(address);
    const entry = this.#addresses.get(prefix);
    if (entry !== undefined) return entry;
    const parsed = parseAddress(address);
    const identity = parsed === null ? null : this.#prefixes.find(prefixOf(parsed));
    return { prefix, identity: identity?.number ?? RESERVED_IDENTITIES.world, pod: null, local: false };
  }

  /** Prefixes that all endpoints deny by a rule, both ways and whatever the port, and that hold nobody of the cluster. */
  #renewPrefilter(): readonly PrefilterEntry[] | null {
    const entries = this.#findPrefilter();
    if (JSON.stringify(entries) === JSON.stringify(this.#prefilter)) return null;
    this.#prefilter = entries;
    return entries;
  }

  #findPrefilter(): readonly PrefilterEntry[] {
    const policies = [...new Set([...this.#subjects.values()].map(({ policy }) => policy!))];
    if (policies.length === 0) return [];
    const denied = [...this.#prefixes.all].flatMap(({ text, prefix, identity }) => {
      const rule = identity === null ? 0 : denyingRule(policies, identity.number);
      return rule === 0 ? [] : [{ text, prefix, rule }];
    });
    const deniedTexts = new Set(denied.map(({ text }) => text));
    return denied
      .filter(({ prefix }) => !contains(prefix, MAPPED_IPV4))
      .filter(({ text, prefix }) => !this.#addresses.holdsAnybody(text, prefix))
      .filter(({ prefix }) =>
        [...this.#prefixes.all].every((one) => deniedTexts.has(one.text) || !contains(prefix, one.prefix)),
      )
      .map(({ text, rule }) => ({ prefix: text, rule }));
  }
}

/** The rule by which the first policy denies all ingress of an identity, when all policies deny all of it both ways; 0: not all. */
function denyingRule(policies: readonly EndpointPolicy[], identity: IdentityNumber): number {
  const first = judge(policies[0]!.ingress, identity).verdict;
  const isDenied = (direction: DirectionPolicy): boolean => {
    const { verdict, ports } = judge(direction, identity);
    return verdict.action === "deny" && ports === null;
  };
  const all = policies.every(
    ({ ingress, egress }) => judge(ingress, identity).verdict.rule !== 0 && isDenied(ingress) && isDenied(egress),
  );
  return all ? first.rule : 0;
}

function judge({ identities, otherwise }: DirectionPolicy, identity: IdentityNumber): DirectionPolicy["otherwise"] {
  return identities.get(identity) ?? otherwise;
}

/** Only pods, and endpoints that are not known to be pods yet, have policies. */
function selects({ policy }: CompiledPolicy, { identity }: Subject): boolean {
  return (
    (isPod(identity.labels) || identity.number === RESERVED_IDENTITIES.init) && identity.labels.matches(policy.subject)
  );
}

const NO_POLICIES: PolicyList = [];

function inOrder(policies: PolicyList): PolicyList {
  return policies.toSorted((a, b) => (a.order < b.order ? -1 : 1));
}

function isSameList(a: PolicyList, b: PolicyList): boolean {
  return a.length === b.length && a.every((policy, at) => policy === b[at]);
}

/** The list itself when nothing of it goes and nothing comes. */
function renewList(list: PolicyList, gone: ReadonlySet<CompiledPolicy>, came: PolicyList): PolicyList {
  const kept = list.some((one) => gone.has(one)) ? list.filter((one) => !gone.has(one)) : list;
  return came.length === 0 ? kept : inOrder([...kept, ...came]);
}

function say(policies: PolicyList, direction: Direction): Said {
  const rules: CompiledRule[] = [];
  for (const policy of policies) rules.push(...policy.rules[direction]);
  return { rules, closes: policies.some(({ policy }) => policy.defaultDeny[direction]) };
}

/** Names of pods that are new, gone or different, or whose namespace is. */
function changedPods(last: Cluster, cluster: Cluster): Set<string> {
  const changed = new Set<string>();
  if (last.pods !== cluster.pods) {
    for (const [name, pod] of last.pods) if (cluster.pods.get(name) !== pod) changed.add(name);
    for (const name of cluster.pods.keys()) if (!last.pods.has(name)) changed.add(name);
  }
  if (last.namespaces !== cluster.namespaces) {
    for (const [name, { namespace }] of cluster.pods) {
      if (last.namespaces.get(namespace) !== cluster.namespaces.get(namespace)) changed.add(name);
    }
  }
  return changed;
}

function sortPorts(ports: readonly NamedPort[]): readonly NamedPort[] {
  const named = ports.filter(({ name }) => name !== "");
  const text = ({ name, protocol, port }: NamedPort): string => `${name}/${protocol}/${port}`;
  const unique = new Map(named.map((port) => [text(port), port]));
  return [...unique.keys()].toSorted().map((key) => unique.get(key)!);
}

/** Null: nothing was saved, or by another version; numbers are hashed anew then. */
function readSaved(saved: unknown): Saved | null {
  return typeof saved === "object" && saved !== null && "version" in saved && saved.version === 1
    ? (saved as Saved)
    : null;
}
