/**
 * What the agent's socket says: documents of plain values, made from an `AgentView` by pure functions. Server and client
 * share their types; docs/mesh-observe.md lists them.
 */
import type { Diagnostic } from "ebpf-ts/diag";
import type { Direction, HttpRule, ObjectRef, Place } from "../objects/types.ts";
import type {
  DirectionPolicy,
  EndpointPolicy,
  Judgement,
  PolicyEngine,
  PortEntry,
  RuleInfo,
  Verdict,
} from "../policy/types.ts";
import type { AgentView, Check, Drift, EndpointState, MapUse, Probe, Traffic, WaypointView } from "./view.ts";

export interface StatusDocument {
  readonly node: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly started: number;
  readonly ready: boolean;
  readonly checks: readonly Check[];
  readonly probes: readonly Probe[];
  readonly endpoints: { readonly total: number; readonly states: Readonly<Partial<Record<EndpointState, number>>> };
  readonly policy: PolicyDocument;
  readonly services: number;
  readonly waypoint: WaypointView;
  readonly drift: readonly Drift[];
  readonly maps: readonly MapUse[];
  readonly flows: { readonly seen: number; readonly lostInKernel: number; readonly lostByReaders: number };
}

export interface PolicyDocument {
  readonly revision: number;
  readonly objects: readonly ObjectRef[];
  readonly problems: readonly Diagnostic[];
}

/** What is in force for an endpoint. */
export interface EndpointPolicyDocument {
  /** `namespace/name`. */
  readonly endpoint: string;
  readonly revision: number;
  readonly directions: Readonly<Record<Direction, DirectionDocument>>;
}

export interface DirectionDocument {
  /** What becomes of flows that no rule is about. */
  readonly otherwise: "allow" | "deny";
  readonly rules: readonly EffectiveRule[];
}

/** A rule as far as it decides something for an endpoint. */
export interface EffectiveRule {
  readonly action: Verdict["action"];
  /** Null: none; the own node is allowed where the rest is denied. */
  readonly rule: { readonly object: ObjectRef; readonly at: string; readonly place: Place } | null;
  /** Whom it is about: identities with their labels; the number 0 is anybody else. */
  readonly peers: readonly { readonly identity: number; readonly labels: readonly string[] }[];
  /** As `80/TCP`, `8000-8003/UDP`, `any/SCTP`, `type 8/ICMP`, or `any`. */
  readonly ports: readonly string[];
  readonly http: readonly HttpRule[];
  /** Of the rule on this node, for all endpoints; null: no rule. */
  readonly traffic: Traffic | null;
}

/** Ready: policy is in force, and nothing that has to be right is wrong. */
export function isReady(agent: AgentView): boolean {
  return agent.bootstrapMilliseconds !== null && agent.checks().every((check) => check.state !== "failed");
}

export async function statusDocument(agent: AgentView): Promise<StatusDocument> {
  const maps = await agent.maps();
  const endpoints = agent.endpoints();
  const states: Partial<Record<EndpointState, number>> = {};
  for (const { state } of endpoints) states[state] = (states[state] ?? 0) + 1;
  return {
    node: agent.node,
    version: agent.version,
    started: agent.started,
    ready: isReady(agent),
    checks: agent.checks(),
    probes: agent.probes(),
    endpoints: { total: endpoints.length, states },
    policy: policyDocument(agent),
    services: agent.services().length,
    waypoint: agent.waypoint(),
    drift: agent.drift(),
    maps,
    flows: {
      seen: agent.flows.seen,
      lostInKernel: agent.counters().lostEvents,
      lostByReaders: agent.flows.lost.followers,
    },
  };
}

export function policyDocument(agent: AgentView): PolicyDocument {
  const { revision, objects, problems } = agent.policy();
  return { revision, objects, problems };
}

/** Undefined: there is no such endpoint, or it has no policy yet. */
export function endpointPolicyDocument(agent: AgentView, endpoint: string): EndpointPolicyDocument | undefined {
  const view = agent.endpoints().find((e) => `${e.namespace}/${e.name}` === endpoint);
  const policy = agent.engine.policyOf(endpoint);
  if (view === undefined || policy === undefined) return undefined;
  const { byRule } = agent.counters();
  return { endpoint, revision: view.revision, directions: effectiveRules(policy, agent.engine, byRule) };
}

/**
 * What a policy decides, by the rules that decide it. Pure; `byRule` null: there is no kernel that counts. Where two rows are
 * about the same port, named peers win over "anybody else": precedence is resolved already.
 */
export function effectiveRules(
  policy: EndpointPolicy,
  engine: Pick<PolicyEngine, "rule" | "httpRules" | "labelsOf">,
  byRule: ReadonlyMap<number, Traffic> | null,
): EndpointPolicyDocument["directions"] {
  const document = ({ otherwise, identities }: DirectionPolicy): DirectionDocument => {
    const fallback = otherwise.verdict.action === "deny" ? "deny" : "allow";
    const groups = new Map<string, Group>();
    for (const [identity, judgement] of [...identities, [0, otherwise] as const]) {
      for (const { verdict, ports } of partsOf(judgement)) {
        // The default is told once, in `otherwise`.
        if (verdict.rule === 0 && verdict.action === fallback) continue;
        const key = [verdict.action, verdict.rule, verdict.l7, ...ports].join(" ");
        const group = groups.get(key) ?? { verdict, ports, identities: [] };
        group.identities.push(identity);
        groups.set(key, group);
      }
    }
    return {
      otherwise: fallback,
      rules: [...groups.values()].map(({ verdict, ports, identities: ids }) => ({
        action: verdict.action,
        rule: ruleDocument(engine.rule(verdict.rule)),
        peers: ids.map((identity) => ({ identity, labels: identity === 0 ? [] : engine.labelsOf(identity) })),
        ports,
        http: engine.httpRules(verdict.l7)?.rules.map((r) => r.http) ?? [],
        traffic: byRule === null || verdict.rule === 0 ? null : (byRule.get(verdict.rule) ?? { packets: 0, bytes: 0 }),
      })),
    };
  };
  return { ingress: document(policy.ingress), egress: document(policy.egress) };
}

interface Part {
  readonly verdict: Verdict;
  readonly ports: readonly string[];
}
type Group = Part & { readonly identities: number[] };

/** A judgement's verdicts, each with the ports that have it. */
function partsOf({ verdict, ports }: Judgement): readonly Part[] {
  const byVerdict = new Map<string, { readonly verdict: Verdict; readonly ranges: PortRange[] }>();
  for (const range of rangesOf(ports?.entries ?? [])) {
    const key = `${range.verdict.action} ${range.verdict.rule} ${range.verdict.l7}`;
    const part = byVerdict.get(key) ?? { verdict: range.verdict, ranges: [] };
    part.ranges.push(range);
    byVerdict.set(key, part);
  }
  const named = [...byVerdict.values()].map((part) => ({ verdict: part.verdict, ports: rangeTexts(part.ranges) }));
  return [...named, { verdict, ports: [named.length === 0 ? "any" : "others"] }];
}

interface PortRange {
  readonly protocol: number;
  readonly first: number;
  readonly last: number;
  readonly verdict: Verdict;
}

/** Prefixes of which the longest wins, as ranges that do not overlap, in order. */
function rangesOf(entries: readonly PortEntry[]): readonly PortRange[] {
  const ranges: PortRange[] = [];
  // Prefixes lie within each other or apart: those that are open are a stack, the innermost on top.
  const open: (PortRange & { next: number })[] = [];
  const put = ({ protocol, verdict, next }: (typeof open)[number], last: number): void => {
    if (next <= last) ranges.push({ protocol, first: next, last, verdict });
  };
  const closeBefore = (protocol: number, port: number): void => {
    for (
      let top = open.at(-1);
      top !== undefined && (top.protocol !== protocol || top.last < port);
      top = open.at(-1)
    ) {
      put(top, top.last);
      open.pop();
      const outer = open.at(-1);
      if (outer !== undefined) outer.next = top.last + 1;
    }
  };
  for (const { protocol, port, bits, verdict } of entries.toSorted(
    (a, b) => a.protocol - b.protocol || a.port - b.port || a.bits - b.bits,
  )) {
    closeBefore(protocol, port);
    const outer = open.at(-1);
    if (outer !== undefined) put(outer, port - 1);
    open.push({ protocol, first: port, last: port + 2 ** (16 - bits) - 1, verdict, next: port });
  }
  closeBefore(-1, 0);
  return ranges;
}

/** IANA numbers that port entries have. */
const PROTOCOL_NAMES: ReadonlyMap<number, string> = new Map([
  [1, "ICMP"],
  [6, "TCP"],
  [17, "UDP"],
  [58, "ICMPv6"],
  [132, "SCTP"],
]);
const ICMP_TYPE = 0x8000;

/** Neighbours are one range. */
function rangeTexts(ranges: readonly PortRange[]): readonly string[] {
  const texts: string[] = [];
  let [open] = ranges;
  for (const range of ranges.slice(1)) {
    if (open !== undefined && open.protocol === range.protocol && range.first === open.last + 1) {
      open = { ...open, last: range.last };
      continue;
    }
    if (open !== undefined) texts.push(rangeText(open));
    open = range;
  }
  return open === undefined ? texts : [...texts, rangeText(open)];
}

function rangeText({ protocol, first, last }: PortRange): string {
  const name = PROTOCOL_NAMES.get(protocol) ?? `protocol ${protocol}`;
  if (first === 0 && last === 65535) return `any/${name}`;
  if (name.startsWith("ICMP"))
    return `type ${first - ICMP_TYPE}${last === first ? "" : `-${last - ICMP_TYPE}`}/${name}`;
  return `${first}${last === first ? "" : `-${last}`}/${name}`;
}

function ruleDocument(rule: RuleInfo | undefined): EffectiveRule["rule"] {
  if (rule === undefined) return null;
  const at = `${rule.spec === 0 ? "" : `specs[${rule.spec}].`}${rule.section}[${rule.index}]`;
  return { object: rule.object, at, place: rule.place };
}
