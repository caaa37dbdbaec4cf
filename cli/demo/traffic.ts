/**
 * The story's traffic as data: who tries to reach whom and what must come of it. Both engines play it: the real kernel
 * with sockets, the interpreter with what the kernel would hand to the programs.
 */
import type { MapView } from "../../lib/vm/index.ts";
// prettier-ignore
import {
  ADMIN, BACKEND, FRONTEND, IDENTITIES, MESSAGES, OTHER, PODS, REASONS, SERVICE, TCP, TCX_VERDICTS, TELNET, WEB, XDP_VERDICTS,
  toAddress, toNetworkOrder, toNumber,
} from "./scenario.ts";
import type { Cell, DenyEvent, DropEvent, Endpoint, Example, Pod, Prefix, Rule } from "./scenario.ts";
import type { Story } from "./story.ts";

/** The examples' maps, of whichever engine. */
export type Maps = <K, V>(example: Example, name: string) => MapView<K, V>;

export interface Stage {
  readonly maps: Maps;
  /**
   * Tries to connect and says what became of it, in the words below. A drop counts only when the program that dropped it
   * said so in an event about this very connection. `reaches`: it should succeed, so have patience.
   */
  attempt(from: Pod, address: string, port: number, reaches: boolean): Promise<string>;
  /** All events of the ring buffers so far. */
  readonly dropped: readonly DropEvent[];
  readonly denied: readonly DenyEvent[];
}

export const connectedTo = (peer: string): string => `connected, peer ${peer}`;
export const droppedByFilter = (reason: number): string => `dropped by the filter (${REASONS[reason] ?? reason})`;
export const DROPPED_BY_POLICY = "dropped by the policy";

const [PREFIX, PORT] = [1, 2] as const;
/** A packet from a blocked prefix is dropped before its ports are read. */
const NO_PORT = 0;
const WEB_RULE: Rule = { identity: IDENTITIES.frontend, port: WEB, protocol: TCP };
const SERVICE_KEY: Endpoint = { ip: toNumber(SERVICE.address), port: SERVICE.port, protocol: TCP };

interface Attempt {
  readonly step: string;
  readonly what: string;
  readonly from: Pod;
  readonly to: { readonly address: string; readonly port: number };
  readonly expected: string;
  readonly before?: (maps: Maps) => void;
}

const ATTEMPTS: readonly Attempt[] = [
  {
    step: `frontend connects to backend:${WEB}`,
    what: `frontend -> backend:${WEB}`,
    from: FRONTEND,
    to: { address: BACKEND.address, port: WEB },
    expected: connectedTo(`${BACKEND.address}:${WEB}`),
  },
  {
    step: `other connects to backend:${WEB}`,
    what: `other -> backend:${WEB}`,
    from: OTHER,
    to: { address: BACKEND.address, port: WEB },
    expected: DROPPED_BY_POLICY,
  },
  {
    step: `frontend connects to backend:${ADMIN}`,
    what: `frontend -> backend:${ADMIN}`,
    from: FRONTEND,
    to: { address: BACKEND.address, port: ADMIN },
    expected: DROPPED_BY_POLICY,
  },
  {
    step: `frontend connects to backend:${TELNET}`,
    what: `frontend -> backend:${TELNET}`,
    from: FRONTEND,
    to: { address: BACKEND.address, port: TELNET },
    expected: droppedByFilter(PORT),
  },
  {
    step: "block other's address, it connects again",
    what: `other -> backend:${WEB}, blocked`,
    from: OTHER,
    to: { address: BACKEND.address, port: WEB },
    expected: droppedByFilter(PREFIX),
    before: (maps) => {
      const prefix = { prefixLength: 32, address_be: toNetworkOrder(OTHER.address) };
      maps<Prefix, Cell<number>>("xdp-filter", "blockedPrefixes").set(prefix, { value: 7 });
    },
  },
  {
    step: "frontend connects to the service",
    what: `frontend -> service ${SERVICE.address}:${SERVICE.port}`,
    from: FRONTEND,
    to: SERVICE,
    expected: connectedTo(`${SERVICE.address}:${SERVICE.port}`),
  },
];

/** What user space tells the programs before anything happens. */
export function fillMaps(maps: Maps): void {
  const identities = maps<number, Cell<number>>("tcx-policy", "identities");
  for (const { name, address } of PODS) identities.set(toNumber(address), { value: IDENTITIES[name] });
  maps<Rule, Cell<bigint>>("tcx-policy", "rules").set(WEB_RULE, { value: 0n });
  maps<number, Cell<number>>("xdp-filter", "blockedPorts").set(TELNET, { value: 1 });
  const backend = { ip: toNumber(BACKEND.address), port: WEB, protocol: TCP };
  maps<Endpoint, Endpoint>("service-redirect", "services").set(SERVICE_KEY, backend);
  maps<Endpoint, Cell<bigint>>("service-redirect", "redirected").set(SERVICE_KEY, { value: 0n });
}

export async function tellTraffic(story: Story, stage: Stage): Promise<void> {
  for (const { step, what, from, to, expected, before } of ATTEMPTS) {
    await story.step(step, async () => {
      before?.(stage.maps);
      const reaches = expected === connectedTo(`${to.address}:${to.port}`);
      story.check(what, expected, await stage.attempt(from, to.address, to.port, reaches));
    });
  }
  const redirected = stage.maps<Endpoint, Cell<bigint>>("service-redirect", "redirected").get(SERVICE_KEY);
  story.check("connections redirected to the backend", "1", String(redirected?.value));
}

/** The programs' own counters and events must agree with what happened. */
export function checkCounters(story: Story, { maps, dropped, denied }: Stage): void {
  const reasons = dropped.map((e) => REASONS[e.reason] ?? String(e.reason));
  story.check("reasons in the filter's events", "port, prefix", [...new Set(reasons)].toSorted().join(", "));
  const judged = PODS.filter(({ name }) => denied.some((e) => e.identity === IDENTITIES[name]));
  story.check(
    "pods in the policy's events",
    [FRONTEND.name, OTHER.name].join(", "),
    judged.map((pod) => pod.name).join(", "),
  );
  story.check(
    "XDP_DROP counted, as many as events",
    String(dropped.length),
    String(countAt(maps, "xdp-filter", "verdicts", XDP_VERDICTS.XDP_DROP)),
  );
  story.check(
    "TCX_DROP counted, as many as events",
    String(denied.length),
    String(countAt(maps, "tcx-policy", "verdicts", TCX_VERDICTS.TCX_DROP)),
  );
  // The first connection and the one to the service.
  story.check(
    "connections that the rule let through",
    "2",
    String(maps<Rule, Cell<bigint>>("tcx-policy", "rules").get(WEB_RULE)?.value),
  );
}

/** Messages by the shortcut and by the network since it was attached: all that were sent, in both directions. */
export function checkMessages(story: Story, { maps }: Pick<Stage, "maps">): void {
  const counted = [1, 0].map((way) => countAt(maps, "socket-shortcut", "messages", way));
  story.check("messages by the shortcut, by the network", `${2 * MESSAGES.rounds}, 0`, counted.join(", "));
}

/** What the programs counted and told. */
export function showCounters(story: Story, { maps, dropped, denied }: Stage): void {
  story.show("packets by verdict", [
    ...verdicts(maps, "xdp-filter", XDP_VERDICTS),
    ...verdicts(maps, "tcx-policy", TCX_VERDICTS),
  ]);
  const end = (address: number, port: number): string => toAddress(address) + (port === NO_PORT ? "" : `:${port}`);
  const ends = (e: DropEvent | DenyEvent): { from: string; to: string } => ({
    from: end(e.saddr, e.sport),
    to: end(e.daddr, e.dport),
  });
  story.show("events", [
    ...dropped.map((e) => ({ program: "filter", ...ends(e), why: `${REASONS[e.reason]} rule ${e.ruleId}` })),
    ...denied.map((e) => ({ program: "policy", ...ends(e), why: `no rule for identity ${e.identity}` })),
  ]);
}

function verdicts(
  maps: Maps,
  example: Example,
  names: Readonly<Record<string, number>>,
): { verdict: string; packets: bigint }[] {
  return Object.entries(names).map(([verdict, index]) => ({
    verdict,
    packets: countAt(maps, example, "verdicts", index),
  }));
}

/** A counter of a per-CPU array, summed over the CPUs. */
function countAt(maps: Maps, example: Example, name: string, index: number): bigint {
  const values = maps<number, readonly Cell<bigint>[]>(example, name).get(index) ?? [];
  return values.reduce((total, cell) => total + cell.value, 0n);
}

/** A connection attempt, to find what the programs said of it. */
export interface Tried {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** Events there were before. */
  readonly drops: number;
  readonly denials: number;
}

/** What the events since then say of an attempt, or null. */
export function whyDropped({ dropped, denied }: Pick<Stage, "dropped" | "denied">, tried: Tried): string | null {
  const about = (e: DropEvent | DenyEvent): boolean =>
    toAddress(e.saddr) === tried.source &&
    toAddress(e.daddr) === tried.destination &&
    [tried.port, NO_PORT].includes(e.dport);
  const drop = dropped.slice(tried.drops).find(about);
  if (drop !== undefined) return droppedByFilter(drop.reason);
  return denied.slice(tried.denials).some(about) ? DROPPED_BY_POLICY : null;
}
