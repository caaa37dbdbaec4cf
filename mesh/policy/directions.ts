/**
 * What the rules of one direction mean for each identity.
 *
 * Identities are told apart by which rules have them as peers: walking the rules in order, each identity moves along a tree
 * of rule lists, so identities with the same list end at the same node. Only lists are compiled, however many identities
 * have them; an identity that ends where it began (rules for anybody only) needs no entry at all. Named ports are the
 * serving pod's: the subject's on ingress, and on egress those of each identity, which splits lists once more.
 *
 * Directions with the same rules are one object, judgements with the same content too, and port tables and sets of L7 rules
 * are numbers by content. Everything is counted, so that what nobody uses any more is known.
 */
import type { Identity, IdentityTable } from "../identity/identities.ts";
import { NumberTable } from "../identity/numbers.ts";
import { RESERVED_IDENTITIES } from "../identity/reserved.ts";
import type { Direction, NamedPort } from "../objects/types.ts";
import { Interned, Tracked } from "./interned.ts";
import type { PeerUser } from "./peers.ts";
import { compileRules } from "./ports.ts";
import type { CompiledRules, L7Use } from "./ports.ts";
import { digest } from "./rules.ts";
import type { CompiledRule } from "./rules.ts";
import type { DirectionPolicy, HttpRuleSet, IdentityNumber, Judgement, PortTable, Verdict } from "./types.ts";

/** What a direction of some subjects consists of. */
export interface DirectionSpec {
  readonly direction: Direction;
  /** What no rule allows is denied. */
  readonly closed: boolean;
  /** In the order in which they are blamed. */
  readonly rules: readonly CompiledRule[];
  /** The subject's own, for ingress. */
  readonly ports: readonly NamedPort[];
}

/** Port tables and sets of L7 rules are numbered in the kernel by 32 and 16 bits. */
const LAST_TABLE = 2 ** 31 - 1;
const LAST_L7 = 2 ** 16 - 1;

interface SharedJudgement {
  readonly judgement: Judgement;
  /** Keys of what it uses. */
  readonly table: string | null;
  readonly l7: readonly string[];
}

export interface SavedDirections {
  readonly tables: readonly (readonly [string, number])[];
  readonly l7: readonly (readonly [string, number])[];
}

export interface TableChanges {
  readonly newPortTables: readonly PortTable[];
  readonly newHttpRules: readonly HttpRuleSet[];
  readonly oldPortTables: readonly number[];
  readonly oldHttpRules: readonly number[];
}

export class DirectionTable {
  readonly #identities: IdentityTable;
  readonly #directions = new Map<string, DirectionEntry>();
  /** By rules, and by content. */
  readonly #compiled = new Interned<{ readonly content: string; readonly shared: SharedJudgement }>();
  readonly #judgements = new Interned<SharedJudgement>();
  readonly #tables = new Tracked<PortTable>();
  readonly #l7 = new Tracked<HttpRuleSet>();
  readonly #l7Numbers = new NumberTable(1, LAST_L7);
  readonly #tableNumbers = new NumberTable(1, LAST_TABLE);
  readonly #l7ByNumber = new Map<number, HttpRuleSet>();
  readonly #dirty = new Set<DirectionEntry>();

  constructor(identities: IdentityTable, saved?: SavedDirections) {
    this.#identities = identities;
    this.#tableNumbers.restore(saved?.tables ?? []);
    this.#l7Numbers.restore(saved?.l7 ?? []);
  }

  /** The direction of these rules; compiled by `refresh` when it is new. */
  acquire(spec: DirectionSpec): DirectionEntry {
    const key = directionKey(spec);
    const known = this.#directions.get(key);
    if (known !== undefined) {
      known.uses++;
      return known;
    }
    const entry = new DirectionEntry(key, spec, (one) => this.#dirty.add(one));
    this.#directions.set(key, entry);
    this.#dirty.add(entry);
    return entry;
  }

  release(entry: DirectionEntry): void {
    if (--entry.uses > 0) return;
    this.#directions.delete(entry.key);
    this.#dirty.delete(entry);
    entry.detach();
    for (const used of entry.judged) this.#releaseJudgement(used);
  }

  /** An identity is new: what depends on every one is compiled again. */
  learn(identity: Identity): void {
    if (identity.ports.length === 0) return;
    for (const entry of this.#directions.values()) if (entry.namesForAnybody.length > 0) this.#dirty.add(entry);
  }

  get policies(): Iterable<DirectionPolicy> {
    return [...this.#directions.values()].map(({ policy }) => policy);
  }

  /** Compiles what changed. */
  refresh(): void {
    for (const entry of this.#dirty) this.#compile(entry);
    this.#dirty.clear();
  }

  httpRules(number: number): HttpRuleSet | undefined {
    return this.#l7ByNumber.get(number);
  }

  /** Tables that came and went since the last call. */
  takeChanges(): TableChanges {
    const tables = this.#tables.takeChanges();
    const l7 = this.#l7.takeChanges();
    for (const key of tables.dead.keys()) this.#tableNumbers.free(digest(key));
    for (const [key, { number }] of l7.dead) {
      this.#l7Numbers.free(digest(key));
      this.#l7ByNumber.delete(number);
    }
    return {
      newPortTables: [...tables.fresh.values()],
      newHttpRules: [...l7.fresh.values()],
      oldPortTables: [...tables.dead.values()].map(({ number }) => number),
      oldHttpRules: [...l7.dead.values()].map(({ number }) => number),
    };
  }

  save(): SavedDirections {
    return { tables: this.#tableNumbers.save(), l7: this.#l7Numbers.save() };
  }

  #compile(entry: DirectionEntry): void {
    const before = entry.judged;
    entry.judged = [];
    const { direction, rules, ports } = entry.spec;
    const base = rules.filter(({ peers }) => peers === null);
    const otherwise = this.#judge(entry, base, direction === "ingress" ? ports : []);
    const identities = new Map<IdentityNumber, Judgement>();
    for (const { list, members } of this.#group(entry)) {
      for (const [named, numbers] of this.#splitByPorts(entry, list, members)) {
        const judgement = this.#judge(entry, list, named);
        if (judgement === otherwise) continue;
        for (const number of numbers) identities.set(number, judgement);
      }
    }
    if (direction === "ingress") this.#admitHost(entry, otherwise, identities);
    for (const used of before) this.#releaseJudgement(used);
    entry.setPolicy({ otherwise, identities });
  }

  /** Identities by the list of rules that have them as peers, with the rules for anybody among them. */
  #group({
    spec: { rules },
    namesForAnybody,
  }: DirectionEntry): Iterable<{ readonly list: readonly CompiledRule[]; readonly members: IdentityNumber[] }> {
    const root = new ListNode(null, null);
    const nodes = new Map<IdentityNumber, ListNode>();
    for (const rule of rules) {
      for (const { members } of rule.peers ?? []) {
        for (const number of members) {
          const at = nodes.get(number) ?? root;
          // It may be a member of several peers of the rule.
          if (at.rule !== rule) nodes.set(number, at.child(rule));
        }
      }
    }
    if (namesForAnybody.length > 0) {
      for (const { number, ports } of this.#identities.all)
        if (ports.length > 0 && !nodes.has(number)) nodes.set(number, root);
    }
    const groups = new Map<ListNode, IdentityNumber[]>();
    for (const [number, node] of nodes) {
      const members = groups.get(node);
      if (members === undefined) groups.set(node, [number]);
      else members.push(number);
    }
    return [...groups].map(([node, members]) => {
      const own = rulesTo(node);
      return { list: rules.filter((rule) => rule.peers === null || own.has(rule)), members };
    });
  }

  /** Members that mean the same by the names of ports in the rules. */
  #splitByPorts(
    { spec }: DirectionEntry,
    list: readonly CompiledRule[],
    members: readonly IdentityNumber[],
  ): Iterable<readonly [readonly NamedPort[], readonly IdentityNumber[]]> {
    if (spec.direction === "ingress") return [[spec.ports, members]];
    const names = new Set(list.flatMap(({ portNames }) => portNames));
    if (names.size === 0) return [[[], members]];
    const split = new Map<string, [NamedPort[], IdentityNumber[]]>();
    for (const number of members) {
      const named = (this.#identities.get(number)?.ports ?? []).filter(({ name }) => names.has(name.toLowerCase()));
      const key = portsKey(named);
      const known = split.get(key);
      if (known === undefined) split.set(key, [named, [number]]);
      else known[1].push(number);
    }
    return split.values();
  }

  /** The node reaches its own pods (kubelet probes), also past L7 rules; just rules that deny it keep it out. */
  #admitHost(entry: DirectionEntry, otherwise: Judgement, identities: Map<IdentityNumber, Judgement>): void {
    const { rules, ports } = entry.spec;
    const { host } = RESERVED_IDENTITIES;
    const denies = rules.filter(
      ({ deny, peers }) => deny && (peers === null || peers.some(({ members }) => members.has(host))),
    );
    const judgement = this.#judge(entry, denies, ports, false);
    if (judgement === otherwise) identities.delete(host);
    else identities.set(host, judgement);
  }

  #judge(
    entry: DirectionEntry,
    list: readonly CompiledRule[],
    named: readonly NamedPort[],
    closed = entry.spec.closed,
  ): Judgement {
    const names = new Set(list.flatMap(({ portNames }) => portNames));
    const used = portsKey(named.filter(({ name }) => names.has(name.toLowerCase())));
    const key = `${closed ? "closed" : "open"}|${list.map(({ id }) => id).join()}|${used}`;
    const { shared } = this.#compiled.acquire(key, () => {
      const l7: string[] = [];
      const compiled = compileRules(list, closed, named, (uses) => this.#numberL7(uses, l7));
      return this.#share(compiled, l7);
    });
    entry.judged.push(key);
    return shared.judgement;
  }

  #share(
    { verdict, entries }: CompiledRules,
    l7: readonly string[],
  ): { readonly content: string; readonly shared: SharedJudgement } {
    const table = entries.length === 0 ? null : entries.map(formatEntry).join(";");
    const content = `${formatVerdict(verdict)}|${table ?? ""}`;
    let made = false;
    const shared = this.#judgements.acquire(content, () => {
      made = true;
      const number = (key: string): PortTable => ({ number: this.#tableNumbers.claim(digest(key)), entries });
      const ports = table === null ? null : this.#tables.acquire(table, () => number(table));
      return { judgement: { verdict, ports }, table, l7 };
    });
    // The same content holds the same sets already.
    if (!made) for (const key of l7) this.#l7.release(key);
    return { content, shared };
  }

  #releaseJudgement(key: string): void {
    const compiled = this.#compiled.release(key);
    const shared = compiled === null ? null : this.#judgements.release(compiled.content);
    if (shared === null) return;
    if (shared.table !== null) this.#tables.release(shared.table);
    for (const set of shared.l7) this.#l7.release(set);
  }

  #numberL7(uses: readonly L7Use[], used: string[]): number {
    const content = contentOf(uses);
    const key = JSON.stringify(content);
    const set = this.#l7.acquire(key, () => ({ number: this.#l7Numbers.claim(digest(key)), ...content }));
    this.#l7ByNumber.set(set.number, set);
    used.push(key);
    return set.number;
  }
}

/** One direction of some subjects, and its policy. */
export class DirectionEntry implements PeerUser {
  readonly key: string;
  readonly spec: DirectionSpec;
  /** Names of ports in egress rules for anybody: every identity with such a port has its own judgement. */
  readonly namesForAnybody: readonly string[];
  uses = 1;
  /** Keys of its judgements. */
  judged: string[] = [];
  readonly #touch: (entry: DirectionEntry) => void;
  #policy: DirectionPolicy | null = null;

  constructor(key: string, spec: DirectionSpec, touch: (entry: DirectionEntry) => void) {
    this.key = key;
    this.spec = spec;
    this.#touch = touch;
    const open = spec.direction === "egress" ? spec.rules.filter(({ peers }) => peers === null) : [];
    this.namesForAnybody = open.flatMap(({ portNames }) => portNames);
    for (const { peers } of spec.rules) for (const set of peers ?? []) set.users.add(this);
  }

  get policy(): DirectionPolicy {
    return this.#policy!;
  }

  /** The one before stays when it says the same. */
  setPolicy(policy: DirectionPolicy): void {
    if (this.#policy === null || !samePolicy(this.#policy, policy)) this.#policy = policy;
  }

  peersChanged(): void {
    this.#touch(this);
  }

  detach(): void {
    for (const { peers } of this.spec.rules) for (const set of peers ?? []) set.users.delete(this);
  }
}

/** A list of rules as the path from the root. */
class ListNode {
  readonly rule: CompiledRule | null;
  readonly parent: ListNode | null;
  readonly #children = new Map<CompiledRule, ListNode>();

  constructor(rule: CompiledRule | null, parent: ListNode | null) {
    this.rule = rule;
    this.parent = parent;
  }

  child(rule: CompiledRule): ListNode {
    const known = this.#children.get(rule);
    if (known !== undefined) return known;
    const made = new ListNode(rule, this);
    this.#children.set(rule, made);
    return made;
  }
}

function rulesTo(node: ListNode): Set<CompiledRule> {
  const rules = new Set<CompiledRule>();
  for (let at: ListNode | null = node; at !== null; at = at.parent) if (at.rule !== null) rules.add(at.rule);
  return rules;
}

function directionKey({ direction, closed, rules, ports }: DirectionSpec): string {
  const { ids, portNames } = outlineOf(rules);
  const named = direction === "ingress" ? ports.filter(({ name }) => portNames.has(name.toLowerCase())) : [];
  return `${direction} ${closed ? "closed" : "open"} ${ids} ${portsKey(named)}`;
}

interface Outline {
  readonly ids: string;
  readonly portNames: ReadonlySet<string>;
}

/** By list: many subjects come with the same one. */
const outlines = new WeakMap<readonly CompiledRule[], Outline>();

function outlineOf(rules: readonly CompiledRule[]): Outline {
  const known = outlines.get(rules);
  if (known !== undefined) return known;
  const outline = {
    ids: rules.map(({ id }) => id).join(),
    portNames: new Set(rules.flatMap(({ portNames }) => portNames)),
  };
  outlines.set(rules, outline);
  return outline;
}

function portsKey(ports: readonly NamedPort[]): string {
  return ports.map(({ name, protocol, port }) => `${name.toLowerCase()}/${protocol}/${port}`).join();
}

/** Rules of both kinds, without repetition. */
function contentOf(uses: readonly L7Use[]): Pick<HttpRuleSet, "rules" | "dns"> {
  const seen = new Set<string>();
  const rules: HttpRuleSet["rules"][number][] = [];
  const dns: HttpRuleSet["dns"][number][] = [];
  for (const { rule, l7 } of uses) {
    if (l7.kind === "http") {
      for (const http of l7.rules) if (isNew(seen, rule, http)) rules.push({ rule, http });
    } else {
      for (const one of l7.rules) if (isNew(seen, rule, one)) dns.push({ rule, dns: one });
    }
  }
  return { rules, dns };
}

function isNew(seen: Set<string>, rule: number, content: object): boolean {
  const key = `${rule} ${JSON.stringify(content)}`;
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

function formatVerdict({ action, rule, l7 }: Verdict): string {
  return `${action}/${rule}/${l7}`;
}

function formatEntry({ protocol, port, bits, verdict }: PortTable["entries"][number]): string {
  return `${protocol}/${port}/${bits}=${formatVerdict(verdict)}`;
}

function samePolicy(a: DirectionPolicy, b: DirectionPolicy): boolean {
  if (a.otherwise !== b.otherwise || a.identities.size !== b.identities.size) return false;
  for (const [number, judgement] of a.identities) if (b.identities.get(number) !== judgement) return false;
  return true;
}
