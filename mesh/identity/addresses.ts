/**
 * Which identity each address has: nodes before pods before prefixes.
 *
 * Two pods may hold one address for a moment (one is gone, and its address was given away before everybody heard of it);
 * the one on this node wins, since its veth is known, and then the first by name, so that all runs agree.
 */
import { contains, parsePrefix } from "../objects/address.ts";
import type { Prefix } from "../objects/address.ts";
import type { HostEntry, IdentityNumber } from "../policy/types.ts";
import { hostPrefix } from "./prefixes.ts";

/** Who says that an address is his. */
export interface Claim {
  /** `namespace/name` of a pod; null: a node. */
  readonly pod: string | null;
  readonly identity: IdentityNumber;
  /** Of this node: its own address, or a pod here. */
  readonly here: boolean;
}

interface Claimed extends Claim {
  readonly claimant: string;
}

export interface AddressChange {
  readonly set: readonly HostEntry[];
  readonly deleted: readonly string[];
}

/** Prefixes whose addresses are counted. */
const MAX_COUNTED = 1000;

export class AddressTable {
  /** By prefix of the address. Nearly always one, so that a list is less than a map. */
  readonly #claims = new Map<string, readonly Claimed[]>();
  readonly #entries = new Map<string, HostEntry>();
  /** Identities of prefixes; what an address that nobody claims has. */
  readonly #prefixes = new Map<string, IdentityNumber>();
  readonly #dirty = new Set<string>();
  /** Addresses of pods and nodes in prefixes that were asked about. */
  readonly #counted = new Map<string, { readonly prefix: Prefix; holders: number }>();

  /** The claimant has the address, with that claim; null: not any more. */
  claim(address: string, claimant: string, claim: Claim | null): void {
    const prefix = hostPrefix(address);
    const before = this.#claims.get(prefix) ?? [];
    const others = before.filter((one) => one.claimant !== claimant);
    const claims = claim === null ? others : [...others, { ...claim, claimant }];
    if (claims.length === 0) this.#claims.delete(prefix);
    else this.#claims.set(prefix, claims);
    const came = Math.sign(claims.length) - Math.sign(before.length);
    if (came !== 0) this.#count(prefix, came > 0 ? 1 : -1);
    this.#dirty.add(prefix);
  }

  /** A prefix has the identity; null: it is not named any more. */
  setPrefix(prefix: string, identity: IdentityNumber | null): void {
    if (identity === null) this.#prefixes.delete(prefix);
    else this.#prefixes.set(prefix, identity);
    this.#dirty.add(prefix);
  }

  /** The entry of just this prefix. */
  get(prefix: string): HostEntry | undefined {
    return this.#entries.get(prefix);
  }

  /** Has a pod or node an address in the prefix? Counted when it is first asked, and kept up to date from then on. */
  holdsAnybody(text: string, prefix: Prefix): boolean {
    const known = this.#counted.get(text);
    if (known !== undefined) return known.holders > 0;
    if (this.#counted.size > MAX_COUNTED) this.#counted.clear();
    let holders = 0;
    for (const address of this.#claims.keys()) if (contains(prefix, parsePrefix(address)!)) holders++;
    this.#counted.set(text, { prefix, holders });
    return holders > 0;
  }

  /** What is different since the last call. */
  sync(): AddressChange {
    const set: HostEntry[] = [];
    const deleted: string[] = [];
    for (const prefix of this.#dirty) {
      const before = this.#entries.get(prefix);
      const entry = this.#resolve(prefix);
      if (entry === null) {
        if (before !== undefined) deleted.push(prefix);
        this.#entries.delete(prefix);
      } else if (before === undefined || !sameEntry(before, entry)) {
        this.#entries.set(prefix, entry);
        set.push(entry);
      }
    }
    this.#dirty.clear();
    return { set, deleted };
  }

  #count(address: string, by: 1 | -1): void {
    if (this.#counted.size === 0) return;
    const parsed = parsePrefix(address)!;
    for (const entry of this.#counted.values()) if (contains(entry.prefix, parsed)) entry.holders += by;
  }

  #resolve(prefix: string): HostEntry | null {
    const [first] = (this.#claims.get(prefix) ?? []).toSorted(compareClaims);
    if (first !== undefined) {
      return { prefix, identity: first.identity, pod: first.pod, local: first.pod === null && first.here };
    }
    const identity = this.#prefixes.get(prefix);
    return identity === undefined ? null : { prefix, identity, pod: null, local: false };
  }
}

function compareClaims(a: Claimed, b: Claimed): number {
  if ((a.pod === null) !== (b.pod === null)) return a.pod === null ? -1 : 1;
  if (a.here !== b.here) return a.here ? -1 : 1;
  return a.claimant < b.claimant ? -1 : 1;
}

function sameEntry(a: HostEntry, b: HostEntry): boolean {
  return a.identity === b.identity && a.pod === b.pod && a.local === b.local;
}
