/**
 * fib_lookup: where the kernel would forward a packet to, and the link-layer addresses to write.
 *
 *   struct bpf_fib_lookup   family 0 | protocol 1 | sport 2 | dport 4 | length, then MTU 6 | ifindex 8 | tos, then metric 12
 *                           src 16 | dst 32, then gateway | VLAN or table 48 | smac or mark 52 | dmac 58
 *
 * What routes and neighbours there are the world knows (world.ts). Source: bpf-helpers(7), what Linux 6.18 answers
 * (test/vm/helpers/fib.test.ts).
 */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import type { Interface, Route } from "../world.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const SIZE = 64;
// prettier-ignore
const AT = { family: 0, protocol: 1, sport: 2, dport: 4, mtu: 6, ifindex: 8, metric: 12, source: 16, destination: 32, table: 48, smac: 52, dmac: 58 };
const AF = { inet: 2, inet6: 10 };
/** BPF_FIB_LOOKUP_* */
const F = { direct: 1, output: 2, skipNeighbour: 4, table: 8, source: 16, mark: 32 };
const F_ALL = 63;
/** BPF_FIB_LKUP_RET_* */
// prettier-ignore
const ANSWER = {
  success: 0, blackhole: 1, unreachable: 2, prohibit: 3, local: 4, forwardingDisabled: 5, encapsulated: 6, noNeighbour: 7,
  fragmentationNeeded: 8, noSource: 9,
} as const;
const RT_TABLE_MAIN = 254;
const DSCP = 0xfc;
const VLAN_HEADER = 4;

export const FIB_HELPERS = {
  fib_lookup: (host, _ctx, r2, r3, r4) => {
    const flags = u32(r4);
    const bytes = host.bytes(r2, s32(r3) < SIZE ? 0 : SIZE, true);
    if (bytes.length < SIZE || (flags & ~F_ALL) !== 0) return result(-ERRNO.EINVAL);
    const query = new Query(bytes, flags);
    if (query.family !== AF.inet && query.family !== AF.inet6) return result(-ERRNO.EAFNOSUPPORT);
    return result(host.run.type === "xdp" ? lookUp(host, query, true) : lookUpForSkb(host, query));
  },
} satisfies Implementations;

/** The program's structure, read and answered in place. */
class Query {
  readonly flags: number;
  readonly family: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array, flags: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset);
    this.flags = flags;
    this.family = this.u8(AT.family);
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }
  u8(at: number): number {
    return this.view.getUint8(at);
  }
  port(at: number): number {
    return this.view.getUint16(at, false);
  }
  u16(at: number): number {
    return this.view.getUint16(at, true);
  }
  u32(at: number): number {
    return this.view.getUint32(at, true);
  }
  setU16(at: number, value: number): void {
    this.view.setUint16(at, value, true);
  }
  setU32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  set(at: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, at);
  }
  address(at: number): Uint8Array {
    return this.bytes.slice(at, at + (this.family === AF.inet ? 4 : 16));
  }
}

/** Without a length in the query, the packet itself must fit. */
function lookUpForSkb(host: Host, query: Query): number {
  const given = query.u16(AT.mtu) !== 0;
  const answer = lookUp(host, query, given);
  if (answer !== ANSWER.success || given) return answer;
  const device = host.world.network.interface(query.u32(AT.ifindex));
  if (device === null) return -ERRNO.ENODEV;
  query.setU16(AT.mtu, device.mtu);
  const most = device.mtu + device.headerLength + VLAN_HEADER;
  const fits = host.packet("fib_lookup").length <= most || host.run.context.number("gso_size") !== 0;
  return device.up && fits ? answer : ANSWER.fragmentationNeeded;
}

function lookUp(host: Host, query: Query, checkMtu: boolean): number {
  const { network } = host.world;
  const [source, destination] = [query.address(AT.source), query.address(AT.destination)];
  // Such addresses are never forwarded.
  if (query.family === AF.inet6 && (isStrict(source) || isStrict(destination))) return ANSWER.local;
  const device = network.interface(query.u32(AT.ifindex));
  if (device === null) return -ERRNO.ENODEV;
  if (!device.forwards) return ANSWER.forwardingDisabled;
  const route = network.route({
    source,
    destination,
    protocol: query.u8(AT.protocol),
    sport: query.port(AT.sport),
    dport: query.port(AT.dport),
    tos: query.u8(AT.metric) & DSCP,
    mark: query.has(F.mark) && !query.has(F.direct) ? query.u32(AT.smac) : 0,
    ifindex: device.ifindex,
    output: query.has(F.output),
    table: tableOf(query),
  });
  return route.kind === "unicast" ? answer(host, query, route, checkMtu) : ANSWER[route.kind];
}

function tableOf(query: Query): number | null {
  if (!query.has(F.direct)) return null;
  if (!query.has(F.table)) return RT_TABLE_MAIN;
  const table = query.u32(AT.table);
  query.setU32(AT.table, 0);
  return table;
}

function answer(host: Host, query: Query, route: Route & { kind: "unicast" }, checkMtu: boolean): number {
  const { mtu } = route;
  if (checkMtu && query.u16(AT.mtu) > mtu) {
    query.setU16(AT.mtu, mtu);
    return ANSWER.fragmentationNeeded;
  }
  const out = host.world.network.interface(route.ifindex);
  if (out === null) return ANSWER.local;
  query.setU32(AT.metric, route.metric);
  query.setU32(AT.ifindex, route.ifindex);
  if (query.has(F.source)) {
    if (route.source === null && query.family === AF.inet6) return ANSWER.noSource;
    query.set(AT.source, route.source ?? new Uint8Array(4));
  }
  const next = route.gateway ?? query.address(AT.destination);
  if (route.gateway !== null && query.family === AF.inet && next.length === 16)
    query.set(AT.family, Uint8Array.of(AF.inet6));
  if (route.gateway !== null) query.set(AT.destination, next);
  if (!query.has(F.skipNeighbour) && !resolve(host, query, out, next)) return ANSWER.noNeighbour;
  query.setU32(AT.table, 0);
  if (checkMtu) query.setU16(AT.mtu, mtu);
  return ANSWER.success;
}

function resolve(host: Host, query: Query, out: Interface, next: Uint8Array): boolean {
  const mac = host.world.network.neighbour(out.ifindex, next);
  if (mac === null) return false;
  query.set(AT.dmac, mac);
  query.set(AT.smac, out.mac);
  return true;
}

/** Multicast, link-local and loopback addresses of IPv6. */
function isStrict(address: Uint8Array): boolean {
  const [first = 0, second = 0] = address;
  const loopback = address.every((byte, i) => byte === (i === 15 ? 1 : 0));
  return first === 0xff || (first === 0xfe && (second & 0xc0) === 0x80) || loopback;
}
