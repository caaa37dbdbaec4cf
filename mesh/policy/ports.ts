/**
 * One set of rules, compiled: which verdict each protocol and port has.
 *
 *        80        443       8080
 *   ------+---------+---------+------   deny rules are painted first, then plain allows, then what is left collects its
 *   allow  deny      redirect  allow    L7 rules; what nothing paints is the verdict without ports
 *
 * A port has one colour then, so precedence is resolved and only the colours matter: they are written as port prefixes,
 * as few as can be (the longest prefix wins). Draves et al., "Constructing Optimal IP Routing Tables" (1999) gives the
 * method: sets of good colours from the leaves up, choices from the root down.
 */
import type { L7Rules, NamedPort, PortSpec, Protocol } from "../objects/types.ts";
import type { PortEntry, RuleNumber, Verdict } from "./types.ts";

/** IANA numbers. */
export const PROTOCOL_NUMBERS: Record<Protocol, number> = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132 };
/** Ports of ICMP types (programs/mesh/tables.ts). */
export const ICMP_TYPE = 0x8000;
const LAST_PORT = 0xffff;

/** What the compiler needs of a rule. `ports` null: everything, protocols without ports too. */
export interface CompilableRule {
  readonly number: RuleNumber;
  readonly deny: boolean;
  readonly ports: readonly { readonly ports: readonly PortSpec[]; readonly l7: L7Rules | null }[] | null;
}

export interface L7Use {
  readonly rule: RuleNumber;
  readonly l7: L7Rules;
}

export interface CompiledRules {
  /** Where no port decides. */
  readonly verdict: Verdict;
  readonly entries: readonly PortEntry[];
}

interface Span {
  readonly first: number;
  readonly last: number;
  readonly rule: RuleNumber;
  readonly l7: L7Rules | null;
}

/** A run of ports of one verdict; ends where the next begins. */
interface Segment {
  readonly first: number;
  readonly verdict: Verdict;
}

/**
 * `rules` in the order in which they are blamed. `closed`: what no rule allows is denied. `named`: the ports that names mean.
 * `numberOf` gives the number of a set of L7 rules.
 */
export function compileRules(
  rules: readonly CompilableRule[],
  closed: boolean,
  named: readonly NamedPort[],
  numberOf: (uses: readonly L7Use[]) => number,
): CompiledRules {
  const denied = rules.find(({ deny, ports }) => deny && ports === null);
  if (denied !== undefined) return { verdict: { action: "deny", rule: denied.number, l7: 0 }, entries: [] };
  const allowed = rules.find(({ deny, ports }) => !deny && ports === null);
  const verdict: Verdict = {
    action: allowed === undefined && closed ? "deny" : "allow",
    rule: allowed?.number ?? 0,
    l7: 0,
  };
  const denying = rules.filter(({ deny }) => deny);
  // A rule that allows everything leaves nothing for the others to allow.
  const allowing = allowed === undefined ? rules.filter(({ deny }) => !deny) : [];
  const entries = Object.entries(PROTOCOL_NUMBERS).flatMap(([name, number]) => {
    const protocol = name as Protocol;
    const denies = spansOf(denying, protocol, named);
    const others = spansOf(allowing, protocol, named);
    if (denies.length + others.length === 0) return [];
    const segments = paint(denies, others, verdict, numberOf);
    return writePrefixes(segments, verdict).map((entry) => ({ protocol: number, ...entry }));
  });
  return { verdict, entries };
}

function spansOf(rules: readonly CompilableRule[], protocol: Protocol, named: readonly NamedPort[]): Span[] {
  // Loops: most of a compilation is here, and arrays in between would be most of its garbage.
  const spans: Span[] = [];
  for (const { number: rule, ports: entries } of rules) {
    for (const { ports, l7 } of entries ?? []) {
      for (const port of ports) {
        for (const { first, last } of rangesOf(port, protocol, named)) {
          spans.push({ first, last, rule, l7: plainOr(l7) });
        }
      }
    }
  }
  return spans;
}

/** No L7 rules are no restriction. */
function plainOr(l7: L7Rules | null): L7Rules | null {
  return l7 === null || l7.rules.length === 0 ? null : l7;
}

function rangesOf(
  port: PortSpec,
  protocol: Protocol,
  named: readonly NamedPort[],
): { readonly first: number; readonly last: number }[] {
  if (port.kind === "icmp") {
    const type = ICMP_TYPE | port.type;
    return port.protocol === protocol ? [{ first: type, last: type }] : [];
  }
  if (!port.protocols.includes(protocol)) return [];
  if (port.kind === "range") return [{ first: port.first, last: port.last }];
  return portsOfName(port.name, protocol, named).map((number) => ({ first: number, last: number }));
}

/** Names compare without case. */
export function portsOfName(name: string, protocol: Protocol, named: readonly NamedPort[]): number[] {
  const wanted = name.toLowerCase();
  return named.filter((one) => one.protocol === protocol && one.name.toLowerCase() === wanted).map(({ port }) => port);
}

function paint(
  denies: readonly Span[],
  others: readonly Span[],
  bare: Verdict,
  numberOf: (uses: readonly L7Use[]) => number,
): Segment[] {
  const starts = new Set([0]);
  for (const { first, last } of [...denies, ...others]) {
    starts.add(first);
    if (last < LAST_PORT) starts.add(last + 1);
  }
  const firsts = [...starts].toSorted((a, b) => a - b);
  const verdicts = firsts.map((): Verdict | null => null);
  const brush = new Brush(firsts);
  for (const { first, last, rule } of denies)
    brush.paint(first, last, (at) => (verdicts[at] = { action: "deny", rule, l7: 0 }));
  for (const { first, last, rule, l7 } of others) {
    if (l7 === null) brush.paint(first, last, (at) => (verdicts[at] = { action: "allow", rule, l7: 0 }));
  }
  const uses = firsts.map((): L7Use[] => []);
  for (const { first, last, rule, l7 } of others) {
    if (l7 !== null) brush.visit(first, last, (at) => uses[at]!.push({ rule, l7 }));
  }
  return firsts.map((first, at) => {
    const used = uses[at]!;
    const redirected = (): Verdict => ({ action: "redirect", rule: used[0]!.rule, l7: numberOf(used) });
    return { first, verdict: verdicts[at] ?? (used.length > 0 ? redirected() : bare) };
  });
}

/** Visits segments that are not painted yet; each is painted once, so all strokes together are as long as the line. */
class Brush {
  readonly #firsts: readonly number[];
  readonly #index: ReadonlyMap<number, number>;
  /** The next segment at or after each that is not painted. */
  readonly #next: Int32Array;

  constructor(firsts: readonly number[]) {
    this.#firsts = firsts;
    this.#index = new Map(firsts.map((first, at) => [first, at]));
    this.#next = Int32Array.from({ length: firsts.length + 1 }, (_, at) => at);
  }

  paint(first: number, last: number, each: (at: number) => void): void {
    this.#stroke(first, last, (at) => {
      each(at);
      this.#next[at] = at + 1;
    });
  }

  visit(first: number, last: number, each: (at: number) => void): void {
    this.#stroke(first, last, each);
  }

  #stroke(first: number, last: number, each: (at: number) => void): void {
    let at = this.#find(this.#index.get(first)!);
    while (at < this.#firsts.length && this.#firsts[at]! <= last) {
      each(at);
      at = this.#find(at + 1);
    }
  }

  #find(at: number): number {
    let free = at;
    while (this.#next[free] !== free) free = this.#next[free]!;
    for (let step = at; step !== free;) {
      const after = this.#next[step]!;
      this.#next[step] = free;
      step = after;
    }
    return free;
  }
}

type Written = Omit<PortEntry, "protocol">;

/** The fewest prefixes that give each port its verdict; `bare` is what a port without any has. */
function writePrefixes(segments: readonly Segment[], bare: Verdict): Written[] {
  const line = mergeEqual(segments);
  const written = assign(survey(line, 0, LAST_PORT, 0), 0, bare);
  // "Any port" has the key of port 0 in the kernel. Nobody can use port 0: it goes with port 1.
  const clash = written.some(({ bits }) => bits === 0) && written.some(({ port, bits }) => port === 0 && bits === 16);
  if (!clash) return written;
  const [, second, ...rest] = line;
  return writePrefixes([{ first: 0, verdict: second!.verdict }, ...rest], bare);
}

function mergeEqual(segments: readonly Segment[]): Segment[] {
  return segments.filter(({ verdict }, at) => at === 0 || !sameVerdict(verdict, segments[at - 1]!.verdict));
}

export function sameVerdict(a: Verdict, b: Verdict): boolean {
  return a.action === b.action && a.rule === b.rule && a.l7 === b.l7;
}

/** A prefix and the verdicts that are good for it; without halves it has just one. */
interface Block {
  readonly port: number;
  readonly good: readonly Verdict[];
  readonly halves: readonly [Block, Block] | null;
}

function survey(line: readonly Segment[], first: number, last: number, at: number): Block {
  let from = at;
  while (from + 1 < line.length && line[from + 1]!.first <= first) from++;
  const next = line[from + 1];
  if (next === undefined || next.first > last) return { port: first, good: [line[from]!.verdict], halves: null };
  const middle = (first + last + 1) >> 1;
  const halves = [survey(line, first, middle - 1, from), survey(line, middle, last, from)] as const;
  const [low, high] = halves;
  const both = low.good.filter((verdict) => includesVerdict(high.good, verdict));
  const either = [...low.good, ...high.good.filter((verdict) => !includesVerdict(low.good, verdict))];
  return { port: first, good: both.length > 0 ? both : either, halves };
}

function assign(block: Block, bits: number, inherited: Verdict, into: Written[] = []): Written[] {
  const kept = includesVerdict(block.good, inherited);
  const verdict = kept ? inherited : block.good[0]!;
  if (!kept) into.push({ port: block.port, bits, verdict });
  for (const half of block.halves ?? []) assign(half, bits + 1, verdict, into);
  return into;
}

function includesVerdict(list: readonly Verdict[], verdict: Verdict): boolean {
  return list.some((one) => sameVerdict(one, verdict));
}

/** The verdict of a port: the longest prefix of it, else `bare`. The kernel does the same. */
export function lookupPort(entries: readonly PortEntry[], protocol: number, port: number, bare: Verdict): Verdict {
  let best: PortEntry | null = null;
  for (const entry of entries) {
    if (entry.protocol !== protocol || port >> (16 - entry.bits) !== entry.port >> (16 - entry.bits)) continue;
    if (best === null || entry.bits > best.bits) best = entry;
  }
  return best?.verdict ?? bare;
}
