/**
 * The identities that somebody has: label sets (of pods with their named ports) and their numbers.
 *
 * Reserved ones are always there. One that nobody has any more stays known for a while: the kernel learns a pod's new
 * identity address by address, and what an address still says must be judged as before until then. `collect` drops the
 * oldest of those; their numbers rest in the number tables.
 */
import type { NamedPort } from "../objects/types.ts";
import { reserved, LabelSet } from "./labels.ts";
import type { Label } from "./labels.ts";
import { NumberTable } from "./numbers.ts";
import { RESERVED_IDENTITIES } from "./reserved.ts";

export interface Identity {
  readonly number: number;
  /** What its number is of: labels and ports as text. */
  readonly key: string;
  readonly labels: LabelSet;
  /** Named ports of the pods, sorted. */
  readonly ports: readonly NamedPort[];
}

/** Cilium's ranges: identities of the cluster, and those that mean something on this node only. */
const CLUSTER_FIRST = 256;
const CLUSTER_LAST = 65_535;
const LOCAL_FIRST = 1 << 24;
const LOCAL_LAST = LOCAL_FIRST + 0xffff;
/** Identities without a holder that stay known. */
const MAX_IDLE = 256;

export type Scope = "cluster" | "local";

export interface SavedIdentities {
  readonly cluster: readonly (readonly [string, number])[];
  readonly local: readonly (readonly [string, number])[];
}

/** What an identity's number is of. */
export function identityKey(labels: LabelSet, ports: readonly NamedPort[] = []): string {
  const named = ports.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`);
  return `${labels.texts.join()}|${named.join()}`;
}

export class IdentityTable {
  readonly #byNumber = new Map<number, Identity>();
  readonly #byKey = new Map<string, { readonly identity: Identity; readonly scope: Scope; holders: number }>();
  readonly #numbers: Record<Scope, NumberTable> = {
    cluster: new NumberTable(CLUSTER_FIRST, CLUSTER_LAST),
    local: new NumberTable(LOCAL_FIRST, LOCAL_LAST),
  };
  /** Keys without a holder, oldest first. */
  readonly #idle = new Set<string>();
  #added: Identity[] = [];

  constructor(saved?: SavedIdentities) {
    if (saved !== undefined) {
      this.#numbers.cluster.restore(saved.cluster);
      this.#numbers.local.restore(saved.local);
    }
    for (const [name, number] of Object.entries(RESERVED_IDENTITIES)) this.setReserved(number, reservedLabels(name));
  }

  get all(): IterableIterator<Identity> {
    return this.#byNumber.values();
  }

  get(number: number): Identity | undefined {
    return this.#byNumber.get(number);
  }

  /** A reserved identity has these labels now. */
  setReserved(number: number, labels: readonly Label[]): Identity | null {
    const set = new LabelSet(labels);
    const key = `${number}|${identityKey(set)}`;
    if (this.#byNumber.get(number)?.key === key) return null;
    const identity: Identity = { number, key, labels: set, ports: [] };
    this.#byNumber.set(number, identity);
    this.#added.push(identity);
    return identity;
  }

  /** One more holder of the identity; who claims several does it in the order of their keys. */
  claim(scope: Scope, key: string, labels: LabelSet, ports: readonly NamedPort[] = []): Identity {
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      known.holders++;
      this.#idle.delete(key);
      return known.identity;
    }
    const identity: Identity = { number: this.#numbers[scope].claim(key), key, labels, ports };
    this.#byKey.set(key, { identity, scope, holders: 1 });
    this.#byNumber.set(identity.number, identity);
    this.#added.push(identity);
    return identity;
  }

  release(key: string): void {
    const entry = this.#byKey.get(key);
    if (entry !== undefined && --entry.holders === 0) this.#idle.add(key);
  }

  /** Identities that are new since the last call. */
  takeAdded(): readonly Identity[] {
    const added = this.#added;
    this.#added = [];
    return added;
  }

  /** Drops the older half of those that nobody has, when there are many. Not in the change that left them: one later. */
  collect(): readonly Identity[] {
    if (this.#idle.size <= MAX_IDLE) return [];
    const dropped: Identity[] = [];
    for (const key of this.#idle) {
      if (this.#idle.size <= MAX_IDLE / 2) break;
      const { identity, scope } = this.#byKey.get(key)!;
      this.#idle.delete(key);
      this.#byKey.delete(key);
      this.#byNumber.delete(identity.number);
      this.#numbers[scope].free(key);
      dropped.push(identity);
    }
    return dropped;
  }

  save(): SavedIdentities {
    return { cluster: this.#numbers.cluster.save(), local: this.#numbers.local.save() };
  }
}

/** Addresses that serve the Kubernetes API are nodes too, as long as nothing else is known of them. */
function reservedLabels(name: string): readonly Label[] {
  if (name === "kube-apiserver") return reserved("kube-apiserver", "remote-node");
  if (name.startsWith("world-")) return reserved("world", name);
  return reserved(name);
}
