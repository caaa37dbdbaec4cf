/** Routes of a namespace: the longest prefix wins, then the smallest metric, then the one added first. */
import { contains, familyOf, parsePrefix } from "./endpoint.ts";
import type { Prefix } from "./endpoint.ts";
import type { Interface } from "./interface.ts";

/** As ip-route(8): where packets go, or what is answered instead. */
export interface RouteOptions {
  /** The next hop. Default: the destination is on the link. */
  readonly via?: string;
  /** Name of the interface. Default: the one whose network has `via`. */
  readonly dev?: string;
  readonly metric?: number;
  readonly type?: "unicast" | "blackhole" | "unreachable" | "prohibit";
}

export interface RouteEntry {
  readonly to: Prefix;
  readonly type: "unicast" | "blackhole" | "unreachable" | "prohibit";
  /** Null for routes that lead nowhere. */
  readonly device: Interface | null;
  readonly via: string | null;
  readonly metric: number;
}

/** `default` (IPv4), `default6`, or a prefix. */
export function parseDestination(text: string): Prefix {
  if (text === "default") return { address: "0.0.0.0", length: 0 };
  return text === "default6" ? { address: "::", length: 0 } : parsePrefix(text);
}

/** The route for a destination among `routes` and the networks on the links of `interfaces`. */
export function findRoute(
  routes: readonly RouteEntry[],
  interfaces: readonly Interface[],
  to: string,
): RouteEntry | null {
  let best: RouteEntry | null = null;
  for (const route of [...onLink(interfaces), ...routes]) {
    if (route.device?.up === false || familyOf(route.to.address) !== familyOf(to) || !contains(route.to, to)) continue;
    if (best === null || isBetter(route, best)) best = route;
  }
  return best;
}

function isBetter(a: RouteEntry, b: RouteEntry): boolean {
  return a.to.length !== b.to.length ? a.to.length > b.to.length : a.metric < b.metric;
}

function* onLink(interfaces: readonly Interface[]): Generator<RouteEntry> {
  for (const device of interfaces) {
    for (const to of device.addresses) yield { to, type: "unicast", device, via: null, metric: 0 };
  }
}
