/**
 * What a kernel has after the changes that an engine told, in the order in which they are written; fails on a change that
 * does not fit to what is there. Judges flows by nothing else.
 */
import { expect } from "vitest";
import { contains, parseAddress, parsePrefix, prefixOf } from "../../../mesh/objects/address.ts";
import type { Prefix } from "../../../mesh/objects/address.ts";
import { compileHttpRules } from "../../../mesh/policy/http-match.ts";
import type { HttpMatcher } from "../../../mesh/policy/http-match.ts";
import { ICMP_TYPE, lookupPort, PROTOCOL_NUMBERS } from "../../../mesh/policy/ports.ts";
import type {
  EndpointPolicy,
  EngineChange,
  FlowQuery,
  HostEntry,
  HttpRuleSet,
  Judgement,
  PortTable,
} from "../../../mesh/policy/types.ts";

const WORLD = 2;

/** As programs know it: IPv4 lies in IPv6. */
function mapPrefix({ family, bits, length }: Prefix): Prefix {
  return family === 6 ? { family, bits, length } : { family: 6, bits: (0xffffn << 32n) | bits, length: 96 + length };
}

export class Shadow {
  readonly #tables = new Map<number, PortTable>();
  readonly #http = new Map<number, HttpRuleSet>();
  readonly #policies = new Map<string, EndpointPolicy>();
  readonly #hosts = new Map<string, { readonly entry: HostEntry; readonly prefix: Prefix }>();
  readonly #rules = new Set<number>([0]);
  readonly #found = new Map<string, HostEntry>();
  readonly #matchers = new WeakMap<HttpRuleSet, HttpMatcher>();

  /** `between` is called at each moment in between. */
  apply(change: EngineChange, between: () => void = () => {}): void {
    if (change.first !== null) this.apply(change.first, between);
    for (const table of change.newPortTables) {
      expect(this.#tables.has(table.number), `port table ${table.number} is new`).toBe(false);
      this.#tables.set(table.number, table);
    }
    for (const set of change.newHttpRules) {
      expect(this.#http.has(set.number), `HTTP rules ${set.number} are new`).toBe(false);
      expect(set.number).toBeLessThan(65_536);
      this.#http.set(set.number, set);
    }
    for (const { number } of change.newRules) this.#rules.add(number);
    for (const [pod, policy] of change.endpoints) this.#policies.set(pod, policy);
    between();
    this.#found.clear();
    for (const prefix of change.hosts.deleted) expect(this.#hosts.delete(prefix), `${prefix} was there`).toBe(true);
    for (const entry of change.hosts.set)
      this.#hosts.set(entry.prefix, { entry, prefix: mapPrefix(parsePrefix(entry.prefix)!) });
    between();
    for (const number of change.oldPortTables)
      expect(this.#tables.delete(number), `port table ${number} was there`).toBe(true);
    for (const number of change.oldHttpRules)
      expect(this.#http.delete(number), `HTTP rules ${number} were there`).toBe(true);
  }

  /** Interfaces of other pods are gone. */
  keep(pods: ReadonlySet<string>): void {
    for (const pod of this.#policies.keys()) if (!pods.has(pod)) this.#policies.delete(pod);
  }

  /** Whatever is named is there. */
  check(): void {
    for (const { ingress, egress } of this.#policies.values()) {
      for (const { otherwise, identities } of [ingress, egress]) {
        for (const judgement of [otherwise, ...identities.values()]) this.#checkJudgement(judgement);
      }
    }
  }

  /** The verdict at the ends on this node. */
  judge(flow: FlowQuery): string {
    if (flow.source === flow.destination) return "allow";
    const source = this.#find(flow.source);
    const destination = this.#find(flow.destination);
    const ends = [
      this.#judgeEnd(flow, "egress", source, destination),
      this.#judgeEnd(flow, "ingress", destination, source),
    ];
    return ends.includes("deny") ? "deny" : ends.includes("http403") ? "http403" : "allow";
  }

  #checkJudgement({ verdict, ports }: Judgement): void {
    if (ports !== null) expect(this.#tables.get(ports.number), `port table ${ports.number}`).toBe(ports);
    for (const { rule, l7, action } of [verdict, ...(ports?.entries ?? []).map((entry) => entry.verdict)]) {
      expect(this.#rules.has(rule), `rule ${rule} is told`).toBe(true);
      expect(l7 !== 0).toBe(action === "redirect");
      if (l7 !== 0) expect(this.#http.has(l7), `HTTP rules ${l7}`).toBe(true);
    }
  }

  #find(address: string): HostEntry {
    const known = this.#found.get(address) ?? this.#search(address);
    this.#found.set(address, known);
    return known;
  }

  #search(address: string): HostEntry {
    const own = mapPrefix(prefixOf(parseAddress(address)!));
    let best: HostEntry | null = null;
    let length = -1;
    for (const { entry, prefix } of this.#hosts.values()) {
      if (prefix.length > length && contains(prefix, own)) {
        best = entry;
        length = prefix.length;
      }
    }
    return best ?? { prefix: "", identity: WORLD, pod: null, local: false };
  }

  #judgeEnd(
    { protocol, port, http }: FlowQuery,
    direction: "ingress" | "egress",
    own: HostEntry,
    other: HostEntry,
  ): string {
    const policy = own.pod === null ? undefined : this.#policies.get(own.pod)?.[direction];
    if (policy === undefined) return "allow";
    const { verdict: bare, ports } = policy.identities.get(other.identity) ?? policy.otherwise;
    const at = protocol.startsWith("ICMP") ? ICMP_TYPE | port : port;
    const verdict = ports === null ? bare : lookupPort(ports.entries, PROTOCOL_NUMBERS[protocol], at, bare);
    if (verdict.action !== "redirect" || http === undefined) return verdict.action === "deny" ? "deny" : "allow";
    const set = this.#http.get(verdict.l7)!;
    const matcher = this.#matchers.get(set) ?? compileHttpRules(set);
    this.#matchers.set(set, matcher);
    return matcher.match(http) === null ? "http403" : "allow";
  }
}
