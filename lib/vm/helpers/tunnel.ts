/**
 * Tunnel metadata of a socket buffer: what a collecting tunnel device (`external`) gives with a packet it received, and
 * takes with one it is to send. Setting says where to; reading says where from, so what was set reads with the two ends
 * exchanged.
 *
 *   struct bpf_tunnel_key: id 0 | remote 4 (IPv4 in host order, or IPv6) | tos 20 | ttl 21 | flags 22 | label 24 | local 28
 *
 * Source: bpf-helpers(7), what Linux 6.18 answers (test/vm/helpers/packets.test.ts).
 */
import { ERRNO } from "../errno.ts";
import { skbOf } from "../skb.ts";
import type { Tunnel } from "../skb.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const KEY = { size: 44, remote: 4, tos: 20, ttl: 21, flags: 22, label: 24, local: 28, compatIpv4: 8 };
/** Shorter structures of older headers; without the fields behind. */
const KEY_SIZES = [KEY.size, KEY.local, KEY.label, KEY.flags, KEY.compatIpv4];
/** BPF_F_TUNINFO_IPV6, ZERO_CSUM_TX, DONT_FRAGMENT, SEQ_NUMBER, NO_TUNNEL_KEY; BPF_F_TUNINFO_FLAGS for reading. */
const F = { ipv6: 1n, zeroChecksum: 2n, dontFragment: 4n, sequence: 8n, noKey: 16n };
const F_SET = 31n;
const F_GET = { ipv6: 1n, flags: 16n, all: 17n };
/** TUNNEL_* flags, before they are put in network order. */
const TUNNEL = { checksum: 1, key: 4, sequence: 8, dontFragment: 0x100, options: 0x5800, noCache: 0x2000 };
const LABEL = 0xf_ffff;
const LONGEST_OPTIONS = 255;

export const TUNNEL_HELPERS = {
  skb_get_tunnel_key: (host, _ctx, r2, r3, r4) => {
    const to = host.bytes(r2, u32(r3), true);
    const { tunnel } = skbOf(host.run);
    const failed = (errno: number): bigint => {
      to.fill(0);
      return result(-errno);
    };
    if (tunnel === null || (r4 & ~F_GET.all) !== 0n) return failed(ERRNO.EINVAL);
    if (tunnel.ipv6 !== ((r4 & F_GET.ipv6) !== 0n)) return failed(ERRNO.EPROTO);
    const fits = KEY_SIZES.includes(to.length) && !(to.length === KEY.compatIpv4 && tunnel.ipv6);
    if (!fits) return failed(ERRNO.EINVAL);
    to.set(keyOf(tunnel, (r4 & F_GET.flags) !== 0n).subarray(0, to.length));
    return 0n;
  },
  skb_set_tunnel_key: (host, _ctx, r2, r3, r4) => {
    const given = host.bytes(r2, u32(r3));
    if ((r4 & ~F_SET) !== 0n || !KEY_SIZES.includes(given.length)) return result(-ERRNO.EINVAL);
    const bytes = new Uint8Array(KEY.size);
    bytes.set(given);
    const view = new DataView(bytes.buffer);
    const ipv6 = (r4 & F.ipv6) !== 0n;
    const label = view.getUint32(KEY.label, true);
    if ((!ipv6 && label !== 0) || view.getUint16(KEY.flags, true) !== 0) return result(-ERRNO.EINVAL);
    skbOf(host.run).tunnel = {
      id: view.getUint32(0, true),
      ipv6,
      local: endOf(bytes, KEY.local, ipv6),
      remote: endOf(bytes, KEY.remote, ipv6),
      tos: view.getUint8(KEY.tos),
      ttl: view.getUint8(KEY.ttl),
      label: label & LABEL,
      flags: tunnelFlags(r4),
      set: true,
      options: new Uint8Array(0),
    };
    return 0n;
  },
  skb_get_tunnel_opt: (host, _ctx, r2, r3) => {
    const to = host.bytes(r2, u32(r3), true);
    const { tunnel } = skbOf(host.run);
    const options = tunnel !== null && (tunnel.flags & TUNNEL.options) !== 0 ? tunnel.options : null;
    to.fill(0);
    if (options === null) return result(-ERRNO.ENOENT);
    if (options.length > to.length) return result(-ERRNO.ENOMEM);
    to.set(options);
    return result(options.length);
  },
  /** Only behind a key that this program has set. */
  skb_set_tunnel_opt: (host, _ctx, r2, r3) => {
    const from = host.bytes(r2, u32(r3));
    const skb = skbOf(host.run);
    if (skb.tunnel?.set !== true || from.length % 4 !== 0) return result(-ERRNO.EINVAL);
    if (from.length > LONGEST_OPTIONS) return result(-ERRNO.ENOMEM);
    skb.tunnel = { ...skb.tunnel, options: from.slice(), flags: skb.tunnel.flags | TUNNEL.options };
    return 0n;
  },
  /** There is no IPsec here. */
  skb_get_xfrm_state: (host, _ctx, _r2, r3, r4) => {
    host.bytes(r3, u32(r4), true).fill(0);
    return result(-ERRNO.EINVAL);
  },
} satisfies Implementations;

/** An address as the structure holds it: IPv4 as a number in host order. */
function endOf(bytes: Uint8Array, at: number, ipv6: boolean): Uint8Array {
  return ipv6 ? bytes.slice(at, at + 16) : bytes.slice(at, at + 4).toReversed();
}

function keyOf(tunnel: Tunnel, withFlags: boolean): Uint8Array {
  const bytes = new Uint8Array(KEY.size);
  const view = new DataView(bytes.buffer);
  const [remote, local] = tunnel.set ? [tunnel.local, tunnel.remote] : [tunnel.remote, tunnel.local];
  view.setUint32(0, tunnel.id, true);
  bytes.set(tunnel.ipv6 ? remote : remote.toReversed(), KEY.remote);
  bytes.set(tunnel.ipv6 ? local : local.toReversed(), KEY.local);
  view.setUint8(KEY.tos, tunnel.tos);
  view.setUint8(KEY.ttl, tunnel.ttl);
  if (withFlags) view.setUint16(KEY.flags, tunnel.flags, false);
  view.setUint32(KEY.label, tunnel.label, true);
  return bytes;
}

function tunnelFlags(flags: bigint): number {
  const has = (flag: bigint): boolean => (flags & flag) !== 0n;
  return (
    TUNNEL.noCache |
    (has(F.zeroChecksum) ? 0 : TUNNEL.checksum) |
    (has(F.noKey) ? 0 : TUNNEL.key) |
    (has(F.dontFragment) ? TUNNEL.dontFragment : 0) |
    (has(F.sequence) ? TUNNEL.sequence : 0)
  );
}
