/**
 * Helpers that read and change what a socket buffer says of itself: hash, time stamp, congestion mark, class.
 * Source: bpf-helpers(7), what Linux 6.18 answers (test/vm/helpers/packets.test.ts).
 */
import { flowHash } from "../flow-hash.ts";
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { skbOf } from "../skb.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const IPV4_HEADER = 20;
const IPV6_HEADER = 40;
/** BPF_SKB_CLOCK_REALTIME, _MONOTONIC, _TAI. */
const CLOCK = { realtime: 0, tai: 2 };
/** EtherTypes of VLAN tags; a tag is four bytes, the second half of them the EtherType of what follows. */
const VLAN = new Set([0x8100, 0x88a8]);
const TAG = 4;
const TAG_PROTOCOL = 2;
/** Congestion experienced; ECN's two bits in the type of service. */
const CE = 3;

export const SKB_FIELD_HELPERS = {
  get_hash_recalc: (host) => {
    const { run } = host;
    const skb = skbOf(run);
    const known = run.context.number("hash");
    if (known !== 0 || skb.hashSet) return result(known);
    const hash = flowHash(host.packet("get_hash_recalc").contents(), run.context.number("protocol"), skb.network);
    run.context.put({ hash });
    return result(hash);
  },
  set_hash: (host, _ctx, r2) => {
    skbOf(host.run).hashSet = true;
    host.run.context.put({ hash: u32(r2) });
    return 0n;
  },
  set_hash_invalid: (host) => {
    skbOf(host.run).hashSet = false;
    host.run.context.put({ hash: 0 });
    return 0n;
  },
  skb_set_tstamp: (host, _ctx, r2, r3) => {
    const { context } = host.run;
    const protocol = context.number("protocol");
    if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return result(-ERRNO.EOPNOTSUPP);
    const clock = u32(r3);
    if (clock > CLOCK.tai || (clock !== CLOCK.realtime && r2 === 0n)) return result(-ERRNO.EINVAL);
    context.put({ tstamp: r2, tstamp_type: clock });
    return 0n;
  },
  /** 1 when the packet is marked now, 0 when it cannot be: no IP, or a sender that knows nothing of ECN. */
  skb_ecn_set_ce: (host) => {
    const { run } = host;
    const protocol = innerProtocol(host);
    const header = protocol === ETH_P_IP ? IPV4_HEADER : protocol === ETH_P_IPV6 ? IPV6_HEADER : null;
    const { network } = skbOf(run);
    const packet = host.packet("skb_ecn_set_ce");
    if (header === null || packet.bytes.length < network + header) return 0n;
    const ip = packet.bytes.subarray(network, network + header);
    return result(Number(protocol === ETH_P_IP ? markIpv4(ip) : markIpv6(ip)));
  },
  get_route_realm: () => 0n,
} satisfies Implementations;

/** The EtherType behind VLAN tags that are in the packet's bytes (skb_protocol); 0 when the packet ends before it. */
function innerProtocol(host: Host): number {
  const { run } = host;
  const packet = host.packet("skb_ecn_set_ce");
  let protocol = run.context.number("protocol");
  for (let at = skbOf(run).network + TAG_PROTOCOL; VLAN.has(protocol); at += TAG) {
    const [high = 0, low = 0] = packet.read(at, 2) ?? [];
    protocol = (high << 8) | low;
  }
  return protocol;
}

/** The checksum is kept right (RFC 1624): the first word grows by what the mark adds. */
function markIpv4(ip: Uint8Array): boolean {
  const tos = ip[1] ?? 0;
  const ecn = tos & CE;
  if (ecn === 0) return false;
  if (ecn === CE) return true;
  const view = new DataView(ip.buffer, ip.byteOffset);
  const sum = view.getUint16(10, false) - (CE - ecn);
  view.setUint16(10, sum < 0 ? sum + 0xffff : sum, false);
  ip[1] = tos | CE;
  return true;
}

function markIpv6(ip: Uint8Array): boolean {
  const byte = ip[1] ?? 0;
  if (((byte >> 4) & CE) === 0) return false;
  ip[1] = byte | (CE << 4);
  return true;
}
