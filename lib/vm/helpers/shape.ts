/**
 * Helpers that make a socket buffer longer, shorter, or one of the other IP version. None of them writes headers: room is
 * zero bytes, and what goes into it is the program's business.
 *
 *   change_head    | new room | link-layer header | network header ...
 *   adjust_room    | link-layer header | (mode MAC) | network header without options | (mode NET) | ...
 *   change_proto   as adjust_room in mode MAC, by the 20 bytes that IPv6's header has more than IPv4's
 *
 * Source: bpf-helpers(7), what Linux 6.18 answers (test/vm/helpers/packets.test.ts).
 */
import { ERRNO } from "../errno.ts";
import type { Host, Run } from "../host.ts";
import type { Packet } from "../packet.ts";
import { skbOf } from "../skb.ts";
import { forgetChecksum } from "./checksums.ts";
import { result, s32, swap16, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** Longest socket buffer that helpers make (SKB_MAX_ALLOC). */
const LONGEST = 16_064;
const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const PACKET_TYPES = 3; // PACKET_OTHERHOST
const HEADER = { [ETH_P_IP]: 20, [ETH_P_IPV6]: 40 } as const;
/** BPF_ADJ_ROOM_NET, BPF_ADJ_ROOM_MAC. */
const MODE = { net: 0, mac: 1 };
const LONGEST_ROOM = 0xfff;
/** BPF_F_ADJ_ROOM_*. The length of an inner link-layer header is in the highest byte. */
// prettier-ignore
const ROOM = {
  fixedGso: 1n << 0n, encapIpv4: 1n << 1n, encapIpv6: 1n << 2n, encapGre: 1n << 3n, encapUdp: 1n << 4n,
  keepChecksum: 1n << 5n, encapEthernet: 1n << 6n, decapIpv4: 1n << 7n, decapIpv6: 1n << 8n, innerMac: 0xffn << 56n,
};
const ROOM_ALL = Object.values(ROOM).reduce((all, flag) => all | flag, 0n);
const ROOM_SHRINK = ROOM.fixedGso | ROOM.keepChecksum | ROOM.decapIpv4 | ROOM.decapIpv6;
const ETHERNET = 14;

export const SHAPE_HELPERS = {
  skb_change_head: (host, _ctx, r2, r3) => {
    const room = u32(r2);
    const packet = host.packet("skb_change_head");
    if (r3 !== 0n || packet.length + room > LONGEST) return result(-ERRNO.EINVAL);
    packet.splice(0, 0, room);
    const skb = skbOf(host.run);
    skb.network += room;
    // The link-layer header is where the packet starts now.
    skb.macLength = skb.network;
    if (skb.transport !== null) skb.transport += room;
    return reshaped(host.run, packet);
  },
  skb_change_tail: (host, _ctx, r2, r3) => {
    const length = u32(r2);
    const packet = host.packet("skb_change_tail");
    const { network, transport, encapsulated } = skbOf(host.run);
    if (r3 !== 0n || length > LONGEST || length < Math.max(transport ?? network, 0)) return result(-ERRNO.EINVAL);
    if (encapsulated) return result(-ERRNO.ENOTSUPP);
    packet.resize(length);
    return reshaped(host.run, packet);
  },
  skb_change_proto: (host, _ctx, r2, r3) => {
    if (r3 !== 0n) return result(-ERRNO.EINVAL);
    const { run } = host;
    const packet = host.packet("skb_change_proto");
    const from = run.context.number("protocol");
    const to = swap16(u32(r2));
    const more = HEADER[ETH_P_IPV6] - HEADER[ETH_P_IP];
    const { macLength } = skbOf(run);
    if (from === ETH_P_IP && to === ETH_P_IPV6) packet.splice(macLength, 0, more);
    else if (from !== ETH_P_IPV6 || to !== ETH_P_IP) return result(-ERRNO.ENOTSUPP);
    else if (!packet.pull(macLength + more)) return result(-ERRNO.ENOMEM);
    else packet.splice(macLength, more, 0);
    run.context.put({ protocol: to, hash: 0 });
    return reshaped(run, packet);
  },
  skb_change_type: (host, _ctx, r2) => {
    const { context } = host.run;
    const type = u32(r2);
    if (context.number("pkt_type") > PACKET_TYPES || type > PACKET_TYPES) return result(-ERRNO.EINVAL);
    context.put({ pkt_type: type });
    return 0n;
  },
  skb_adjust_room: (host, _ctx, r2, r3, r4) => {
    const { run } = host;
    const delta = s32(r2);
    const packet = host.packet("skb_adjust_room");
    return run.type === "sk_skb"
      ? result(moveStart(host, packet, delta, (r3 & 0xffff_ffffn) | r4))
      : result(adjustRoom(run, packet, { delta, mode: u32(r3), flags: r4 }));
  },
} satisfies Implementations;

function reshaped(run: Run, packet: Packet): bigint {
  run.context.point(packet);
  return 0n;
}

interface Room {
  readonly delta: number;
  readonly mode: number;
  readonly flags: bigint;
}

function adjustRoom(run: Run, packet: Packet, room: Room): number {
  const { delta, mode, flags } = room;
  const protocol = run.context.number("protocol");
  const skb = skbOf(run);
  const shrinks = delta < 0;
  const size = Math.abs(delta);
  if ((flags & ~ROOM_ALL) !== 0n) return -ERRNO.EINVAL;
  if (size > LONGEST_ROOM) return -ERRNO.EFAULT;
  if (protocol !== ETH_P_IP && protocol !== ETH_P_IPV6) return -ERRNO.ENOTSUPP;
  if (mode !== MODE.net && mode !== MODE.mac) return -ERRNO.ENOTSUPP;
  const least = leastLeft(flags, shrinks, HEADER[protocol]);
  if (least === null) return -ERRNO.EINVAL;
  const behindMac = packet.length - skb.network;
  const tooFar = shrinks ? behindMac - size < least : packet.length + size > LONGEST;
  if (tooFar) return -ERRNO.ENOTSUPP;
  const offset = skb.macLength + (mode === MODE.net ? HEADER[protocol] : 0);
  const failed = shrinks ? shrink(packet, offset, size, flags) : grow(run, packet, offset, size, flags);
  if (failed !== 0) return failed;
  if ((flags & ROOM.keepChecksum) === 0n) forgetChecksum(skb);
  run.context.put({ protocol: protocolAfter(protocol, flags, shrinks) });
  run.context.point(packet);
  return 0;
}

/** Bytes that must remain behind the link-layer header; null when flags contradict each other. */
function leastLeft(flags: bigint, shrinks: boolean, header: number): number | null {
  const decap = flags & (ROOM.decapIpv4 | ROOM.decapIpv6);
  if (decap === 0n) return header;
  if (!shrinks) return null;
  if (decap === ROOM.decapIpv4) return HEADER[ETH_P_IP];
  return decap === ROOM.decapIpv6 ? HEADER[ETH_P_IPV6] : null;
}

function shrink(packet: Packet, offset: number, size: number, flags: bigint): number {
  if ((flags & ~ROOM_SHRINK) !== 0n) return -ERRNO.EINVAL;
  if (!packet.pull(offset + size)) return -ERRNO.ENOMEM;
  packet.splice(offset, size, 0);
  return 0;
}

function grow(run: Run, packet: Packet, offset: number, size: number, flags: bigint): number {
  const skb = skbOf(run);
  const innerMac = Number(flags >> 56n);
  const both = (a: bigint, b: bigint): boolean => (flags & a) !== 0n && (flags & b) !== 0n;
  if ((flags & (ROOM.encapIpv4 | ROOM.encapIpv6)) !== 0n) {
    if (both(ROOM.encapIpv4, ROOM.encapIpv6) || both(ROOM.encapGre, ROOM.encapUdp)) return -ERRNO.EINVAL;
    if ((flags & ROOM.encapEthernet) !== 0n && innerMac < ETHERNET) return -ERRNO.EINVAL;
    if (skb.encapsulated) return -ERRNO.EALREADY;
    if (innerMac > size) return -ERRNO.EINVAL;
    skb.encapsulated = true;
  }
  // Room behind a header that is not there comes at the end; what is in it is anything in the kernel.
  const at = Math.min(offset, packet.length);
  packet.pull(at);
  packet.splice(at, 0, size);
  return 0;
}

/** The outer header's version. */
function protocolAfter(protocol: number, flags: bigint, shrinks: boolean): number {
  const [ipv4, ipv6] = shrinks ? [ROOM.decapIpv4, ROOM.decapIpv6] : [ROOM.encapIpv4, ROOM.encapIpv6];
  if ((flags & ipv6) !== 0n) return ETH_P_IPV6;
  return (flags & ipv4) !== 0n ? ETH_P_IP : protocol;
}

/** sk_skb: room at the start of the stream's data, neither modes nor flags. */
function moveStart(host: Host, packet: Packet, delta: number, modeAndFlags: bigint): number {
  if (modeAndFlags !== 0n) return -ERRNO.EINVAL;
  if (Math.abs(delta) > LONGEST_ROOM) return -ERRNO.EFAULT;
  if (delta < 0 && !packet.pull(-delta)) return -ERRNO.ENOMEM;
  packet.splice(0, Math.max(-delta, 0), Math.max(delta, 0));
  host.run.context.point(packet);
  return 0;
}
