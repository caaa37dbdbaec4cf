/**
 * Peers of rules: which identities each stands for, kept up to date while identities come and go.
 *
 * A peer is resolved to tests on labels: a selector is one, a prefix asks for the label of that prefix and for none of its
 * exceptions', an entity for reserved labels, a name for the label of that name. Services and prefix groups are looked up
 * in the cluster and become the same tests. Equal peers of any number of rules are one set. A new identity is held against
 * the tests that could match it only: each test says which label it cannot do without, when there is such a one.
 */
import { contains, parsePrefix } from "../objects/address.ts";
import type { CidrGroup, Cluster, DnsRule, EndpointSlice, Entity, Peer, Selector, Service } from "../objects/types.ts";
import type { Identity } from "../identity/identities.ts";
import { isPod, LabelSet, withSource } from "../identity/labels.ts";
import { hostPrefix } from "../identity/prefixes.ts";

/** What a peer comes down to. */
interface Test {
  readonly matches: (labels: LabelSet) => boolean;
  /** Labels (`key=value`) of which an identity has at least one when it matches; null: any may match. */
  readonly needs: readonly string[] | null;
}

interface Resolved {
  /** Equal text, equal tests. */
  readonly text: string;
  readonly tests: readonly Test[];
  /** Prefixes that have to have identities of their own. */
  readonly prefixes: readonly string[];
}

/** The identities of one peer. Whoever uses it is told when they change. */
export interface PeerSet {
  readonly key: string;
  readonly members: ReadonlySet<number>;
  readonly users: Set<PeerUser>;
}

export interface PeerUser {
  /** Members of a set that it uses changed. */
  peersChanged(): void;
}

interface Entry extends PeerSet {
  readonly peer: Peer;
  readonly members: Set<number>;
  resolved: Resolved;
  uses: number;
}

/** What a set of peers asks for. */
export interface PeerNeeds {
  name(prefix: string, by: 1 | -1): void;
  /** A name or pattern of a toFQDNs peer, by its label. */
  watch(label: string, rule: DnsRule, by: 1 | -1): void;
}

export class PeerTable {
  readonly #needs: PeerNeeds;
  readonly #identities: () => Iterable<Identity>;
  readonly #entries = new Map<string, Entry>();
  readonly #byLabel = new Map<string, Set<Entry>>();
  readonly #anyLabel = new Set<Entry>();
  #cluster: Cluster;
  /** Peers that choose nodes by their labels. */
  #nodePeers = 0;
  #pending: { readonly entry: Entry; readonly resolved: Resolved }[] = [];

  constructor(cluster: Cluster, identities: () => Iterable<Identity>, needs: PeerNeeds) {
    this.#cluster = cluster;
    this.#identities = identities;
    this.#needs = needs;
  }

  /** Do labels of nodes matter? */
  get nodesAreTold(): boolean {
    return this.#nodePeers > 0;
  }

  acquire(peer: Peer): PeerSet {
    const key = JSON.stringify(peer);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.uses++;
      return known;
    }
    const entry: Entry = { key, peer, members: new Set(), users: new Set(), resolved: NOTHING, uses: 1 };
    this.#entries.set(key, entry);
    if (peer.kind === "nodes") this.#nodePeers++;
    if (peer.kind === "fqdn") this.#needs.watch(fqdnLabel(peer), peer, 1);
    const resolved = resolvePeer(peer, this.#cluster);
    for (const prefix of resolved.prefixes) this.#needs.name(prefix, 1);
    this.#resolve(entry, resolved);
    return entry;
  }

  release(key: string): void {
    const entry = this.#entries.get(key)!;
    if (--entry.uses > 0) return;
    this.#entries.delete(key);
    if (entry.peer.kind === "nodes") this.#nodePeers--;
    if (entry.peer.kind === "fqdn") this.#needs.watch(fqdnLabel(entry.peer), entry.peer, -1);
    this.#unindex(entry);
    for (const prefix of entry.resolved.prefixes) this.#needs.name(prefix, -1);
  }

  /**
   * Services, their endpoints or prefix groups may be others now: prefixes that peers are going to ask for are named.
   * `commit` makes peers ask for them.
   */
  prepare(cluster: Cluster): void {
    const before = this.#cluster;
    this.#cluster = cluster;
    const { services, endpointSlices, cidrGroups } = cluster;
    if (before.services === services && before.endpointSlices === endpointSlices && before.cidrGroups === cidrGroups)
      return;
    for (const entry of this.#entries.values()) {
      const resolved = resolvePeer(entry.peer, cluster);
      if (resolved.text === entry.resolved.text) continue;
      for (const prefix of resolved.prefixes) this.#needs.name(prefix, 1);
      this.#pending.push({ entry, resolved });
    }
  }

  commit(): void {
    for (const { entry, resolved } of this.#pending) {
      for (const prefix of entry.resolved.prefixes) this.#needs.name(prefix, -1);
      this.#resolve(entry, resolved);
    }
    this.#pending = [];
  }

  /** An identity is new, or has other labels. */
  learn(identity: Identity): void {
    for (const entry of this.#candidates(identity.labels)) {
      if (!entry.members.has(identity.number) && matches(entry, identity)) {
        entry.members.add(identity.number);
        tell(entry);
      }
    }
  }

  forget(identity: Identity): void {
    for (const entry of this.#entries.values()) {
      if (entry.members.delete(identity.number)) tell(entry);
    }
  }

  #resolve(entry: Entry, resolved: Resolved): void {
    this.#unindex(entry);
    entry.resolved = resolved;
    this.#index(entry);
    entry.members.clear();
    for (const identity of this.#identities()) {
      if (matches(entry, identity)) entry.members.add(identity.number);
    }
    tell(entry);
  }

  #index(entry: Entry): void {
    for (const { needs } of entry.resolved.tests) {
      if (needs === null) this.#anyLabel.add(entry);
      for (const label of needs ?? []) this.#byLabel.set(label, (this.#byLabel.get(label) ?? new Set()).add(entry));
    }
  }

  #unindex(entry: Entry): void {
    this.#anyLabel.delete(entry);
    for (const { needs } of entry.resolved.tests) {
      for (const label of needs ?? []) {
        const entries = this.#byLabel.get(label);
        entries?.delete(entry);
        if (entries?.size === 0) this.#byLabel.delete(label);
      }
    }
  }

  #candidates(labels: LabelSet): Set<Entry> {
    const found = new Set(this.#anyLabel);
    for (const { key, value } of labels.labels) {
      for (const entry of this.#byLabel.get(indexKey(key, value)) ?? []) found.add(entry);
    }
    return found;
  }
}

const NOTHING: Resolved = { text: "", tests: [], prefixes: [] };

function matches(entry: Entry, { labels }: Identity): boolean {
  return entry.resolved.tests.some((test) => test.matches(labels));
}

function tell({ users }: Entry): void {
  for (const user of users) user.peersChanged();
}

/** Every peer, known or not? Such a rule does not depend on identities. */
export function isAnybody(peer: Peer): boolean {
  return peer.kind === "entity" && peer.entity === "all";
}

/** The label that addresses of a name have when a policy asks for it. */
export function fqdnLabel({ name, pattern }: DnsRule): string {
  return name === null
    ? `pattern:${pattern ?? ""}`
    : pattern === null
      ? `name:${name}`
      : `name:${name},pattern:${pattern}`;
}

function resolvePeer(peer: Peer, cluster: Cluster): Resolved {
  switch (peer.kind) {
    case "endpoints":
      return bySelectors([peer.selector]);
    case "entity":
      return byEntity(peer.entity);
    case "cidr":
      return byPrefixes([peer.cidr], peer.except);
    case "cidrGroup": {
      const group = cluster.cidrGroups.get(peer.name);
      return byPrefixes(group?.cidrs ?? [], peer.except);
    }
    case "cidrGroups":
      return byPrefixes(selectGroups(cluster.cidrGroups, peer.selector), peer.except);
    case "service":
    case "services":
      return join(selectServices(cluster.services, peer).map((service) => byService(service, cluster.endpointSlices)));
    case "fqdn":
      return byLabels("fqdn", [fqdnLabel(peer)]);
    case "nodes":
      return byNodes(peer.selector);
  }
}

function bySelectors(selectors: readonly Selector[]): Resolved {
  const tests = selectors.map((selector): Test => ({
    matches: (labels) => labels.matches(selector),
    needs: neededLabels(selector),
  }));
  return { text: JSON.stringify(selectors), tests, prefixes: [] };
}

/** Of the requirements that need one of a few labels, one that says more than the namespace. */
function neededLabels(selector: Selector): readonly string[] | null {
  const wanted = selector.filter(({ operator }) => operator === "In");
  const telling = wanted.find(({ key }) => key !== "io.kubernetes.pod.namespace") ?? wanted[0];
  return telling === undefined ? null : telling.values.map((value) => indexKey(telling.key, value));
}

function indexKey(key: string, value: string): string {
  return `${key}=${value}`;
}

const WORLD_PREFIXES: Partial<Record<Entity, string>> = { "world-ipv4": "0.0.0.0/0", "world-ipv6": "::/0" };
/** What belongs to the cluster beside its pods. */
const OF_CLUSTER = ["host", "remote-node", "kube-apiserver", "init", "health", "ingress", "unmanaged"] as const;

function byEntity(entity: Entity): Resolved {
  switch (entity) {
    case "all":
      return { text: "all", tests: [{ matches: () => true, needs: null }], prefixes: [] };
    case "none":
      return { text: "none", tests: [], prefixes: [] };
    case "cluster": {
      const matchesCluster = (labels: LabelSet): boolean =>
        isPod(labels) || OF_CLUSTER.some((name) => labels.has("reserved", name));
      return { text: "cluster", tests: [{ matches: matchesCluster, needs: null }], prefixes: [] };
    }
    default: {
      // The families of the world are told apart by prefixes: an address without one is just the world.
      const prefix = WORLD_PREFIXES[entity];
      return { ...byLabels("reserved", [entity]), prefixes: prefix === undefined ? [] : [prefix] };
    }
  }
}

function byLabels(source: string, keys: readonly string[]): Resolved {
  const tests = keys.map((key): Test => ({ matches: (labels) => labels.has(source, key), needs: [indexKey(key, "")] }));
  return { text: `${source}:${keys.join()}`, tests, prefixes: [] };
}

/** Exceptions of an entry cut from that entry only. Canonical text, so that equal prefixes are one. */
function byPrefixes(cidrs: readonly string[], except: readonly string[]): Resolved {
  const tests = cidrs.map((cidr): Test => {
    const cut = except.filter((one) => contains(parsePrefix(cidr)!, parsePrefix(one)!));
    return {
      matches: (labels) => labels.has("cidr", cidr) && !cut.some((one) => labels.has("cidr", one)),
      needs: [indexKey(cidr, "")],
    };
  });
  return { text: `${cidrs.join()}-${except.join()}`, tests, prefixes: [...cidrs, ...except] };
}

function selectGroups(groups: ReadonlyMap<string, CidrGroup>, selector: Selector): readonly string[] {
  return [...groups.values()]
    .filter(({ labels }) => new LabelSet(withSource("k8s", labels)).matches(selector))
    .flatMap(({ cidrs }) => cidrs);
}

function selectServices(
  services: ReadonlyMap<string, Service>,
  peer: Extract<Peer, { kind: "service" | "services" }>,
): Service[] {
  const inReach = [...services.values()].filter(
    ({ namespace }) => peer.namespace === null || namespace === peer.namespace,
  );
  if (peer.kind === "service") return inReach.filter(({ name }) => name === peer.name);
  return inReach.filter(({ labels }) => new LabelSet(withSource("k8s", labels)).matches(peer.selector));
}

/** The pods behind it; without a selector, its endpoints as addresses of the outside. */
function byService({ namespace, name, selector }: Service, slices: ReadonlyMap<string, EndpointSlice>): Resolved {
  if (selector !== null) {
    const own = Object.entries({ ...selector, "io.kubernetes.pod.namespace": namespace });
    return bySelectors([own.map(([key, value]) => ({ source: "k8s", key, operator: "In", values: [value] }))]);
  }
  const ours = [...slices.values()].filter((slice) => slice.service === name && slice.namespace === namespace);
  const addresses = ours.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses));
  return byPrefixes([...new Set(addresses.map(hostPrefix))], []);
}

function byNodes(selector: Selector): Resolved {
  // Labels of nodes have a source of their own; a selector says `k8s` or nothing.
  const own = selector.map((requirement) => ({ ...requirement, source: "node" }));
  const isNode = (labels: LabelSet): boolean => labels.has("reserved", "host") || labels.has("reserved", "remote-node");
  const test: Test = { matches: (labels) => isNode(labels) && labels.matches(own), needs: null };
  return { text: JSON.stringify(own), tests: [test], prefixes: [] };
}

function join(parts: readonly Resolved[]): Resolved {
  return {
    text: parts.map(({ text }) => text).join(";"),
    tests: parts.flatMap(({ tests }) => tests),
    prefixes: parts.flatMap(({ prefixes }) => prefixes),
  };
}
