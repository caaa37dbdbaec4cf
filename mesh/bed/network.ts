/**
 * The bed's network, as commands of `ip`: pure text, so that it can be read and tested.
 *
 * Two levels of the same thing, a router and its leaves:
 *
 *     underlay (routes)  ── leg0 ── eth0 node n1 (routes) ── leg4 ── eth0 pod default/frontend
 *                        │                                └─ leg5 ── eth0 pod default/backend
 *                        ├─ leg1 ── eth0 node n2 (routes) ── …
 *                        └─ leg2 ── eth0 outside host a
 *
 * Each leaf has its addresses as /32 or /128 on eth0, and a default route via 169.254.1.1 or fe80::1, which nobody has: the
 * neighbour is a permanent entry, as are those of the leaves in the router. So nothing but what processes send is on the
 * wire, and a router needs no address on a leg.
 */
import { isIPv6 } from "node:net";

const GATEWAY4 = "169.254.1.1";
const GATEWAY6 = "fe80::1";

/** One veth pair. */
export interface Leg {
  /** Its place in the bed, from 0; device names and MAC addresses come from it. */
  readonly number: number;
  /** Name of the leaf's namespace. */
  readonly namespace: string;
  /** Of the leaf itself. */
  readonly addresses: readonly string[];
}

/** The router's end. */
export const legDevice = (leg: Leg): string => `leg${leg.number}`;
/** The leaf's end. */
export const LEAF_DEVICE = "eth0";

const mac = (side: number, number: number): string =>
  [0x02, side, ...[24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff)]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join(":");
const routerMac = (leg: Leg): string => mac(1, leg.number);
const leafMac = (leg: Leg): string => mac(2, leg.number);

/** An address with the length of a single one's prefix. */
export const asPrefix = (address: string): string => `${address}/${isIPv6(address) ? 128 : 32}`;

/** In the router: makes the pair, both ends down. */
export function makeLeg(leg: Leg): string[] {
  const leaf = `peer name ${LEAF_DEVICE} address ${leafMac(leg)} netns ${leg.namespace}`;
  return [`link add ${legDevice(leg)} address ${routerMac(leg)} type veth ${leaf}`];
}

/** In the leaf: everything. No packet can leave until the router's end is up. */
export function configureLeaf(leg: Leg): string[] {
  const families = [...new Set(leg.addresses.map(isIPv6))];
  return [
    "link set lo up",
    ...leg.addresses.map(
      (address) => `address add ${asPrefix(address)} dev ${LEAF_DEVICE}${isIPv6(address) ? " nodad" : ""}`,
    ),
    `link set ${LEAF_DEVICE} up`,
    ...families.flatMap((ipv6) => routeByDefault(leg, ipv6)),
  ];
}

/** In the leaf: whatever it does not know goes to the router. */
export function routeByDefault(leg: Leg, ipv6: boolean): string[] {
  const gateway = ipv6 ? GATEWAY6 : GATEWAY4;
  return [
    `route add default via ${gateway} dev ${LEAF_DEVICE} onlink`,
    `neighbour add ${gateway} lladdr ${routerMac(leg)} dev ${LEAF_DEVICE} nud permanent`,
  ];
}

/** In the router: the leg goes up, and is where its leaf's addresses are. `own`: the router's addresses, to send from. */
export function openLeg(leg: Leg, own: readonly string[]): string[] {
  return [`link set ${legDevice(leg)} up`, ...leg.addresses.flatMap((address) => reach(leg, address, own))];
}

/** In the router: an address is behind this leg, the leaf's own or one that the leaf routes to. */
export function reach(leg: Leg, address: string, own: readonly string[] = []): string[] {
  const source = own.find((mine) => isIPv6(mine) === isIPv6(address));
  return [
    `route add ${asPrefix(address)} dev ${legDevice(leg)}${source === undefined ? "" : ` src ${source}`}`,
    `neighbour add ${address} lladdr ${leafMac(leg)} dev ${legDevice(leg)} nud permanent`,
  ];
}

/** In the router: undoes `reach`. */
export function unreach(leg: Leg, address: string): string[] {
  return [
    `route delete ${asPrefix(address)} dev ${legDevice(leg)}`,
    `neighbour delete ${address} dev ${legDevice(leg)}`,
  ];
}

/** In the router: removes the pair, with its routes and neighbours. */
export const removeLeg = (leg: Leg): string[] => [`link delete ${legDevice(leg)}`];

/** What a namespace is for. */
export interface Role {
  readonly routes: boolean;
  readonly ipv6: boolean;
}

/**
 * Kernel settings of a namespace, below /proc/sys/net. IPv6 is there for who has an IPv6 address: without it a namespace
 * keeps quiet, so that counters show what processes send.
 */
export function settingsOf({ routes, ipv6 }: Role): readonly (readonly [key: string, value: string])[] {
  return [
    ["ipv6/conf/all/disable_ipv6", ipv6 ? "0" : "1"],
    ["ipv6/conf/default/disable_ipv6", ipv6 ? "0" : "1"],
    ["ipv6/conf/default/accept_dad", "0"],
    ["ipv6/conf/default/accept_ra", "0"],
    ["ipv6/conf/default/router_solicitations", "0"],
    // No link-local addresses: the gateway needs none, and nothing is announced.
    ["ipv6/conf/default/addr_gen_mode", "1"],
    ["ipv4/conf/all/rp_filter", "0"],
    ["ipv4/conf/default/rp_filter", "0"],
    // Who may open ping sockets: everybody.
    ["ipv4/ping_group_range", "0 2147483647"],
    ...(routes
      ? ([
          ["ipv4/ip_forward", "1"],
          ["ipv6/conf/all/forwarding", "1"],
        ] as const)
      : []),
  ];
}
