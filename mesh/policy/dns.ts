/**
 * Names: which patterns they match, and which addresses DNS answers gave them.
 *
 * In a pattern `*` stands for any characters of one label, none too; a lone `*` is every name; `**.` at the start is one or
 * more labels, so not the name behind it itself. Names compare without case and without the dot of the root. Source of
 * truth: cilium/cilium pkg/fqdn/matchpattern.
 */
import type { DnsRule } from "../objects/types.ts";

const LABEL = "[-a-z0-9_]*";
const LABELS = "[-a-z0-9_]+(?:\\.[-a-z0-9_]+)*";

export function normalizeName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** `name` and `pattern` of one rule are alternatives; a rule without both matches nothing. */
export function compileDnsRule({ name, pattern }: DnsRule): (asked: string) => boolean {
  const exact = name === null ? null : normalizeName(name);
  const expression = pattern === null ? null : compileNamePattern(normalizeName(pattern));
  return (asked) => {
    const normal = normalizeName(asked);
    return normal === exact || (expression !== null && expression.test(normal));
  };
}

/** Linear: labels and dots do not overlap. */
function compileNamePattern(pattern: string): RegExp {
  if (pattern === "*") return /^/;
  const deep = pattern.startsWith("**.");
  const rest = deep ? pattern.slice(3) : pattern;
  const body = rest
    .split(/\*+/)
    .map((part) => part.replace(/[^a-z0-9_-]/g, "\\$&"))
    .join(LABEL);
  return new RegExp(`^${deep ? `${LABELS}\\.` : ""}${body}$`);
}

/** Addresses that are kept of one name: names exist that have another one for each question. */
export const MAX_ADDRESSES = 50;

/** Of some addresses, those that somebody is connected to. */
export type InUse = (addresses: ReadonlySet<string>) => ReadonlySet<string>;

/** How much longer an address is kept whose time is over and that is in use. Milliseconds. */
export const KEPT = 60_000;

const NOBODY: ReadonlySet<string> = new Set();

/** Answers seen, until they are too old. */
export class DnsCache {
  /** When each address of a name expires, in milliseconds. */
  readonly #names = new Map<string, Map<string, number>>();
  readonly #byAddress = new Map<string, Set<string>>();

  /** Gives the addresses whose names are others now. */
  observe(name: string, addresses: readonly string[], expires: number): readonly string[] {
    const normal = normalizeName(name);
    const known = this.#names.get(normal) ?? new Map<string, number>();
    this.#names.set(normal, known);
    const changed = new Set<string>();
    for (const address of addresses.slice(0, MAX_ADDRESSES)) {
      const before = known.get(address);
      // The last one to be seen is the last one in the map.
      known.delete(address);
      known.set(address, Math.max(expires, before ?? expires));
      const names = this.#byAddress.get(address) ?? new Set();
      this.#byAddress.set(address, names.add(normal));
      if (before === undefined) changed.add(address);
    }
    for (const address of [...known.keys()].slice(0, -MAX_ADDRESSES)) {
      this.#forget(normal, address);
      changed.add(address);
    }
    return [...changed];
  }

  /** Forgets what is older than `now` and not in use; gives the addresses whose names are others now. */
  expire(now: number, inUse: InUse = () => NOBODY): readonly string[] {
    const due = new Set<string>();
    for (const addresses of this.#names.values()) {
      for (const [address, expires] of addresses) if (expires <= now) due.add(address);
    }
    if (due.size === 0) return [];
    const used = inUse(due);
    const changed = new Set<string>();
    for (const [name, addresses] of this.#names) {
      for (const [address, expires] of addresses) {
        if (expires > now) continue;
        if (used.has(address)) {
          addresses.set(address, now + KEPT);
          continue;
        }
        this.#forget(name, address);
        changed.add(address);
      }
      if (addresses.size === 0) this.#names.delete(name);
    }
    return [...changed];
  }

  #forget(name: string, address: string): void {
    this.#names.get(name)?.delete(address);
    const names = this.#byAddress.get(address);
    names?.delete(name);
    if (names?.size === 0) this.#byAddress.delete(address);
  }

  namesOf(address: string): Iterable<string> {
    return this.#byAddress.get(address) ?? [];
  }

  get addresses(): Iterable<string> {
    return this.#byAddress.keys();
  }

  save(): readonly (readonly [name: string, addresses: readonly (readonly [string, number])[]])[] {
    return [...this.#names].map(([name, addresses]) => [name, [...addresses]] as const);
  }
}
