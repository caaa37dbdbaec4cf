/** Why a flow passes or not: the kernel's own lookups, done on the compiled policy, and the rule behind the entry found. */
import type { Direction, ObjectRef } from "../objects/types.ts";
import { RESERVED_IDENTITIES } from "../identity/reserved.ts";
import { compileDnsRule } from "./dns.ts";
import { compileHttpRules } from "./http-match.ts";
import type { HttpMatcher } from "./http-match.ts";
import { ICMP_TYPE, lookupPort, PROTOCOL_NUMBERS } from "./ports.ts";
import type {
  DirectionPolicy,
  Explanation,
  FlowQuery,
  HostEntry,
  HttpRequestHead,
  HttpRuleSet,
  IdentityNumber,
  PolicyEngine,
  RuleInfo,
  Verdict,
} from "./types.ts";

type Reasons = Pick<PolicyEngine, "policyOf" | "closedBy" | "rule" | "httpRules" | "labelsOf">;

const DNS_PORT = 53;

/** The verdict of one direction: what the kernel finds in its maps. `port`: of ICMP, the type. */
export function judgeFlow(
  policy: DirectionPolicy,
  identity: IdentityNumber,
  protocol: FlowQuery["protocol"],
  port: number,
): Verdict {
  const { verdict, ports } = policy.identities.get(identity) ?? policy.otherwise;
  if (ports === null) return verdict;
  const isIcmp = protocol === "ICMP" || protocol === "ICMPv6";
  return lookupPort(ports.entries, PROTOCOL_NUMBERS[protocol], isIcmp ? ICMP_TYPE | port : port, verdict);
}

/** The ends that are on this node. A pod's flow to itself does not leave it: nobody judges it. */
export function explainFlow(
  engine: Reasons,
  hostOf: (address: string) => HostEntry,
  flow: FlowQuery,
): readonly Explanation[] {
  const source = hostOf(flow.source);
  const destination = hostOf(flow.destination);
  if (flow.source === flow.destination) return [];
  return [
    ...explainEnd(engine, flow, "egress", source, destination.identity),
    ...explainEnd(engine, flow, "ingress", destination, source.identity),
  ];
}

/** May the pod ask the server for the name? As egress to UDP port 53. */
export function explainDnsQuery(engine: Reasons, server: HostEntry, pod: string, name: string): Explanation {
  const policy = engine.policyOf(pod);
  const known = { engine, direction: "egress", endpoint: pod, identity: server.identity } as const;
  if (policy === undefined) return unmanaged(known);
  const verdict = judgeFlow(policy.egress, server.identity, "UDP", DNS_PORT);
  if (verdict.action !== "redirect") return decided(known, verdict);
  const rules = engine.httpRules(verdict.l7)?.dns ?? [];
  const found = rules.find(({ dns }) => compileDnsRule(dns)(name));
  return found === undefined
    ? explanation(known, "deny", "no DNS rule matches", engine.rule(verdict.rule))
    : explanation(known, "allow", "DNS rule matches", engine.rule(found.rule));
}

interface End {
  readonly engine: Reasons;
  readonly direction: Direction;
  readonly endpoint: string;
  /** Of the other end. */
  readonly identity: IdentityNumber;
}

function explainEnd(
  engine: Reasons,
  flow: FlowQuery,
  direction: Direction,
  own: HostEntry,
  identity: IdentityNumber,
): Explanation[] {
  const end: End = { engine, direction, endpoint: own.pod ?? own.prefix, identity };
  const policy = own.pod === null ? undefined : engine.policyOf(own.pod);
  if (policy === undefined) return own.local ? [unmanaged(end)] : [];
  const verdict = judgeFlow(policy[direction], identity, flow.protocol, flow.port);
  const isHost = direction === "ingress" && identity === RESERVED_IDENTITIES.host;
  if (isHost && verdict.action === "allow") return [explanation(end, "allow", "local host", undefined)];
  if (verdict.action !== "redirect" || flow.http === undefined) return [decided(end, verdict)];
  return [explainHttp(end, verdict, engine.httpRules(verdict.l7), flow.http)];
}

/** Sets are immutable, and patterns take long to compile. */
const matchers = new WeakMap<HttpRuleSet, HttpMatcher>();

function matcherOf(set: HttpRuleSet): HttpMatcher {
  const matcher = matchers.get(set) ?? compileHttpRules(set);
  matchers.set(set, matcher);
  return matcher;
}

function explainHttp(end: End, verdict: Verdict, set: HttpRuleSet | undefined, http: HttpRequestHead): Explanation {
  const found = set === undefined ? null : matcherOf(set).match(http);
  return found === null
    ? explanation(end, "http403", "no HTTP rule matches", end.engine.rule(verdict.rule))
    : explanation(end, "allow", "HTTP rule matches", end.engine.rule(found.rule));
}

function decided(end: End, { action, rule }: Verdict): Explanation {
  const info = end.engine.rule(rule);
  if (info !== undefined)
    return explanation(end, action, action === "deny" ? "denied by rule" : "allowed by rule", info);
  if (action !== "deny") return explanation(end, action, "no policy", undefined);
  return {
    ...explanation(end, action, "default deny", undefined),
    object: end.engine.closedBy(end.endpoint, end.direction)[0] ?? null,
  };
}

function unmanaged(end: End): Explanation {
  return explanation(end, "allow", "not a managed endpoint", undefined);
}

function explanation(
  end: End,
  verdict: Explanation["verdict"],
  reason: Explanation["reason"],
  rule: RuleInfo | undefined,
): Explanation {
  const { engine, direction, endpoint, identity } = end;
  const object: ObjectRef | null = rule?.object ?? null;
  return {
    direction,
    endpoint,
    verdict,
    rule: rule ?? null,
    object,
    reason,
    identity,
    labels: engine.labelsOf(identity),
  };
}
