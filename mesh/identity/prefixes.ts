/**
 * Identities of addresses outside of the cluster: one for each prefix that a policy names, and for addresses that DNS
 * answers gave to a name that a policy allows.
 *
 * The kernel finds the longest prefix of an address, and that one's identity has to stand for all of them: it carries the
 * labels of every named prefix around it. So a broader rule is not hidden by a narrower one, and an exception is just a
 * named prefix without anything to allow it. A prefix that comes or goes changes the identities of the prefixes inside it.
 */
import { parsePrefix } from "../objects/address.ts";
import type { Prefix } from "../objects/address.ts";
import { identityKey } from "./identities.ts";
import type { Identity, IdentityTable } from "./identities.ts";
import { formatLabel, LabelSet, reserved } from "./labels.ts";
import type { Label } from "./labels.ts";

interface Entry {
  readonly text: string;
  readonly prefix: Prefix;
  /** Peers that name it. */
  named: number;
  /** More labels, and how many ask for them. */
  readonly labels: Map<string, { readonly label: Label; count: number }>;
  identity: Identity | null;
}

export interface PrefixChange {
  readonly text: string;
  /** Null: it is not there any more. */
  readonly identity: Identity | null;
}

export class PrefixTable {
  readonly #identities: IdentityTable;
  readonly #entries = new Map<string, Entry>();
  /** How many entries of each family and length there are. */
  readonly #lengths = new Map<string, { readonly family: 4 | 6; readonly length: number; count: number }>();
  readonly #byBits = new Map<string, Entry>();
  readonly #dirty = new Set<string>();

  constructor(identities: IdentityTable) {
    this.#identities = identities;
  }

  /** Policies name it once more (`by` 1) or once less (-1). */
  name(text: string, by: 1 | -1): void {
    const entry = this.#entry(text);
    const before = entry.named > 0;
    entry.named += by;
    if (before !== entry.named > 0) this.#touchInside(entry.prefix);
    this.#dropUnused(entry);
  }

  /** A label of its own, as of a name that has the address. */
  label(text: string, label: Label, by: 1 | -1): void {
    const entry = this.#entry(text);
    const key = formatLabel(label);
    const known = entry.labels.get(key) ?? { label, count: 0 };
    known.count += by;
    if (known.count === 0) entry.labels.delete(key);
    else entry.labels.set(key, known);
    this.#dirty.add(text);
    this.#dropUnused(entry);
  }

  get(text: string): Identity | null {
    return this.#entries.get(text)?.identity ?? null;
  }

  /** The identity of the longest prefix around it; null: none. */
  find(prefix: Prefix): Identity | null {
    let best: Entry | null = null;
    for (const entry of this.#around(prefix)) {
      if (entry.identity !== null && (best === null || entry.prefix.length > best.prefix.length)) best = entry;
    }
    return best?.identity ?? null;
  }

  get all(): Iterable<{ readonly text: string; readonly prefix: Prefix; readonly identity: Identity | null }> {
    return this.#entries.values();
  }

  /** Has something changed since `sync`? */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  /** Gives what changed its identity. New label sets are claimed in sorted order. */
  sync(): readonly PrefixChange[] {
    const wanted = [...this.#dirty].map((text) => {
      const entry = this.#entries.get(text);
      const labels = entry === undefined ? null : this.#labelsOf(entry);
      return { text, entry, labels, key: labels === null ? "" : identityKey(labels) };
    });
    this.#dirty.clear();
    const changes: PrefixChange[] = [];
    for (const { text, entry, labels, key } of wanted.toSorted((a, b) => (a.key < b.key ? -1 : 1))) {
      if (entry === undefined || labels === null) {
        changes.push({ text, identity: null });
        continue;
      }
      const before = entry.identity;
      if (before?.key === key) continue;
      entry.identity = this.#identities.claim("local", key, labels);
      if (before !== null) this.#identities.release(before.key);
      changes.push({ text, identity: entry.identity });
    }
    return changes;
  }

  #entry(text: string): Entry {
    const known = this.#entries.get(text);
    if (known !== undefined) return known;
    const prefix = parsePrefix(text)!;
    const entry: Entry = { text, prefix, named: 0, labels: new Map(), identity: null };
    this.#entries.set(text, entry);
    this.#byBits.set(bitsKey(prefix, prefix.length), entry);
    const lengthKey = `${prefix.family}/${prefix.length}`;
    const lengths = this.#lengths.get(lengthKey) ?? { family: prefix.family, length: prefix.length, count: 0 };
    lengths.count++;
    this.#lengths.set(lengthKey, lengths);
    this.#dirty.add(text);
    return entry;
  }

  #dropUnused(entry: Entry): void {
    if (entry.named > 0 || entry.labels.size > 0) return;
    const { prefix, text } = entry;
    this.#entries.delete(text);
    this.#byBits.delete(bitsKey(prefix, prefix.length));
    const lengthKey = `${prefix.family}/${prefix.length}`;
    if (--this.#lengths.get(lengthKey)!.count === 0) this.#lengths.delete(lengthKey);
    if (entry.identity !== null) this.#identities.release(entry.identity.key);
    this.#dirty.add(text);
  }

  #touchInside(outer: Prefix): void {
    const after = BigInt((outer.family === 4 ? 32 : 128) - outer.length);
    const bits = outer.bits >> after;
    for (const { text, prefix } of this.#entries.values()) {
      if (prefix.family !== outer.family || prefix.length < outer.length) continue;
      if (prefix.bits >> after === bits) this.#dirty.add(text);
    }
  }

  *#around(prefix: Prefix): Iterable<Entry> {
    for (const { family, length } of this.#lengths.values()) {
      if (family !== prefix.family || length > prefix.length) continue;
      const entry = this.#byBits.get(bitsKey(prefix, length));
      if (entry !== undefined) yield entry;
    }
  }

  #labelsOf(entry: Entry): LabelSet {
    const named = [...this.#around(entry.prefix)].filter(({ named: count }) => count > 0);
    const prefixes = named.map(({ text }) => ({ source: "cidr", key: text, value: "" }));
    const own = [...entry.labels.values()].map(({ label }) => label);
    return new LabelSet([...reserved("world", `world-ipv${entry.prefix.family}`), ...prefixes, ...own]);
  }
}

/** The prefix of that length around it, as a key. */
function bitsKey({ family, bits }: Prefix, length: number): string {
  const after = BigInt((family === 4 ? 32 : 128) - length);
  return `${family}/${length}/${bits >> after}`;
}

/** The prefix of one address, in canonical text. */
export function hostPrefix(address: string): string {
  return address.includes(":") ? `${address}/128` : `${address}/32`;
}
