/** Policies as the engine holds them: rules with numbers, peers as shared sets of identities. */
import { hashText, NumberTable } from "../identity/numbers.ts";
import type { Direction, ObjectRef, Peer, Policy, Rule } from "../objects/types.ts";
import { isAnybody } from "./peers.ts";
import type { PeerSet, PeerTable } from "./peers.ts";
import type { CompilableRule } from "./ports.ts";
import type { RuleInfo, RuleNumber } from "./types.ts";

export interface CompiledRule extends CompilableRule {
  /** No two compiled rules have the same, also when they are versions of one rule. */
  readonly id: number;
  /** Null: anybody, known or not. */
  readonly peers: readonly PeerSet[] | null;
  /** Names of ports in it, in lower case. */
  readonly portNames: readonly string[];
}

export interface CompiledPolicy {
  readonly policy: Policy;
  /** Policies are blamed in the order of this. */
  readonly order: string;
  readonly rules: Record<Direction, readonly CompiledRule[]>;
}

const SECTIONS = ["ingress", "egress", "ingressDeny", "egressDeny"] as const;
type Section = (typeof SECTIONS)[number];

/** Rule numbers are hashes too: counters of a rule go on after a restart. */
const LAST_RULE = 2 ** 31 - 1;

export class RuleTable {
  readonly #peers: PeerTable;
  readonly #numbers = new NumberTable(1, LAST_RULE);
  readonly #infos = new Map<RuleNumber, RuleInfo>();
  /** Of rules, by their number; a rule that is replaced by its next version has two holders for a moment. */
  readonly #holders = new Map<RuleNumber, number>();
  #fresh: RuleInfo[] = [];
  #nextId = 1;

  constructor(peers: PeerTable, saved: readonly (readonly [string, number])[] = []) {
    this.#peers = peers;
    this.#numbers.restore(saved);
  }

  get(number: RuleNumber): RuleInfo | undefined {
    return this.#infos.get(number);
  }

  add(policy: Policy): CompiledPolicy {
    const compile = (section: Section): CompiledRule[] =>
      policy[section].map((rule) => this.#addRule(policy, section, rule));
    return {
      policy,
      order: policyOrder(policy),
      rules: {
        ingress: [...compile("ingressDeny"), ...compile("ingress")],
        egress: [...compile("egressDeny"), ...compile("egress")],
      },
    };
  }

  remove({ policy, rules }: CompiledPolicy): void {
    for (const rule of [...rules.ingress, ...rules.egress]) {
      for (const peers of rule.peers ?? []) this.#peers.release(peers.key);
    }
    for (const section of SECTIONS) {
      for (const rule of policy[section]) this.#release(ruleKey(policy, section, rule));
    }
  }

  /** Rules that are new, or that stand elsewhere, since the last call. */
  takeFresh(): readonly RuleInfo[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }

  save(): readonly (readonly [string, number])[] {
    return this.#numbers.save();
  }

  #addRule(policy: Policy, section: Section, rule: Rule): CompiledRule {
    const number = this.#numbers.claim(ruleKey(policy, section, rule));
    this.#holders.set(number, (this.#holders.get(number) ?? 0) + 1);
    const { object, spec } = policy;
    const info: RuleInfo = { number, object, spec, section, index: rule.index, place: rule.place };
    if (!sameInfo(this.#infos.get(number), info)) this.#fresh.push(info);
    this.#infos.set(number, info);
    return {
      id: this.#nextId++,
      number,
      deny: section.endsWith("Deny"),
      peers: this.#acquirePeers(rule.peers),
      ports: rule.ports,
      portNames: namesIn(rule),
    };
  }

  #acquirePeers(peers: readonly Peer[] | null): readonly PeerSet[] | null {
    if (peers === null || peers.some(isAnybody)) return null;
    return peers.map((peer) => this.#peers.acquire(peer));
  }

  #release(key: string): void {
    const number = this.#numbers.claim(key);
    const left = this.#holders.get(number)! - 1;
    this.#holders.set(number, left);
    if (left > 0) return;
    this.#holders.delete(number);
    this.#infos.delete(number);
    this.#numbers.free(key);
  }
}

/** Sorted by name, specs of one object in their order. */
function policyOrder({ object, spec }: Policy): string {
  return `${objectKey(object)} ${String(spec).padStart(4, "0")}`;
}

function objectKey({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace ?? ""}/${name}`;
}

function ruleKey({ object, spec }: Policy, section: Section, { index }: Rule): string {
  return `${objectKey(object)} ${spec} ${section} ${index}`;
}

function namesIn({ ports }: Rule): readonly string[] {
  const names = (ports ?? []).flatMap((entry) =>
    entry.ports.flatMap((port) => (port.kind === "name" ? [port.name.toLowerCase()] : [])),
  );
  return [...new Set(names)];
}

function sameInfo(a: RuleInfo | undefined, b: RuleInfo): boolean {
  return (
    a !== undefined &&
    a.place.file === b.place.file &&
    a.place.line === b.place.line &&
    a.place.column === b.place.column
  );
}

/** A text as a key of number tables: 64 bits of it, since port tables are long. */
export function digest(text: string): string {
  return hashText(text).toString(36) + hashText(text, 0x2545f491).toString(36);
}
