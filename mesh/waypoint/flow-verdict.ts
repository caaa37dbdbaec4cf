/** What the policy of an endpoint says of a connection, and whether it needs the waypoint at all. Pure. */
import type { Direction } from "../objects/types.ts";
import type { DirectionPolicy, EndpointPolicy, Judgement, PortEntry, Verdict } from "../policy/types.ts";
import type { FlowRules } from "./messages.ts";

/** IANA number. */
const TCP = 6;

/** As the kernel judges: the identity's judgement, its longest prefix of the port, else the judgement itself. */
export function rulesOf(policy: EndpointPolicy, direction: Direction, identity: number, port: number): FlowRules {
  const { identities, otherwise } = policy[direction];
  const verdict = verdictOf(identities.get(identity) ?? otherwise, port);
  return verdict.action === "redirect" ? verdict.l7 : verdict.action;
}

function verdictOf({ ports, verdict }: Judgement, port: number): Verdict {
  let best: PortEntry | null = null;
  for (const entry of ports?.entries ?? []) {
    const covers = entry.protocol === TCP && entry.port >> (16 - entry.bits) === port >> (16 - entry.bits);
    if (covers && (best === null || entry.bits > best.bits)) best = entry;
  }
  return best?.verdict ?? verdict;
}

const known = new WeakMap<DirectionPolicy, boolean>();

/** Whether some connection in this direction needs the waypoint. Remembered: endpoints share policies. */
export function redirects(policy: DirectionPolicy): boolean {
  const before = known.get(policy);
  if (before !== undefined) return before;
  const found = [policy.otherwise, ...policy.identities.values()].some(judgementRedirects);
  known.set(policy, found);
  return found;
}

function judgementRedirects({ verdict, ports }: Judgement): boolean {
  return (
    verdict.action === "redirect" || (ports?.entries.some((entry) => entry.verdict.action === "redirect") ?? false)
  );
}
