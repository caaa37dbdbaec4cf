/**
 * Helpers that copy bytes out of a packet and into it, wherever they lie, and that make bytes accessible.
 * Sources: bpf-helpers(7), what Linux 6.18 answers (test/vm/helpers/packets.test.ts).
 */
import { ERRNO } from "../errno.ts";
import type { Host, Run } from "../host.ts";
import { skbOf } from "../skb.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const INT_MAX = 0x7fff_ffff;
const OFFSET_MAX = 0xffff;
/** Flags of skb_store_bytes: BPF_F_RECOMPUTE_CSUM, BPF_F_INVALIDATE_HASH. */
const STORE = { all: 3n, invalidateHash: 2n };
/** BPF_HDR_START_MAC, BPF_HDR_START_NET. */
const START = { mac: 0, network: 1 };

export const PACKET_HELPERS = {
  skb_load_bytes: (host, _ctx, r2, r3, r4) => {
    const to = host.bytes(r3, u32(r4), true);
    const offset = u32(r2);
    return copyOut(to, offset > INT_MAX ? null : host.packet("skb_load_bytes").read(offset, to.length));
  },
  skb_load_bytes_relative: (host, _ctx, r2, r3, r4, r5) => {
    const to = host.bytes(r3, u32(r4), true);
    const offset = u32(r2);
    const start = headerStart(host.run, u32(r5));
    if (offset > OFFSET_MAX || start === null || start < 0) return copyOut(to, null);
    return copyOut(to, host.packet("skb_load_bytes_relative").read(start + offset, to.length));
  },
  skb_store_bytes: (host, _ctx, r2, r3, r4, r5) => {
    return result(storePacket(host, u32(r2), host.bytes(r3, u32(r4)).slice(), r5));
  },
  /** 0 stands for what is linear already. */
  skb_pull_data: (host, _ctx, r2) => {
    const packet = host.packet("skb_pull_data");
    if (!packet.pull(u32(r2))) return result(-ERRNO.ENOMEM);
    host.run.context.point(packet);
    return 0n;
  },
  xdp_get_buff_len: (host) => result(host.packet("xdp_get_buff_len").length),
  xdp_load_bytes: (host, _ctx, r2, r3, r4) => {
    const to = host.bytes(r3, u32(r4), true);
    const refused = refusedRange(host, u32(r2), to.length);
    if (refused === 0) to.set(host.packet("xdp_load_bytes").read(u32(r2), to.length) ?? []);
    return result(refused);
  },
  xdp_store_bytes: (host, _ctx, r2, r3, r4) => {
    const from = host.bytes(r3, u32(r4)).slice();
    const refused = refusedRange(host, u32(r2), from.length);
    if (refused === 0) host.packet("xdp_store_bytes").write(u32(r2), from);
    return result(refused);
  },
  xdp_adjust_head: (host, _ctx, r2) => moved(host, host.packet("xdp_adjust_head").adjustHead(s32(r2))),
  xdp_adjust_tail: (host, _ctx, r2) => moved(host, host.packet("xdp_adjust_tail").adjustTail(s32(r2))),
  xdp_adjust_meta: (host, _ctx, r2) => moved(host, host.packet("xdp_adjust_meta").adjustMeta(s32(r2))),
} satisfies Implementations;

/** skb_store_bytes: 0 or a negative errno. */
export function storePacket(host: Host, offset: number, bytes: Uint8Array, flags: bigint): number {
  const { run } = host;
  const packet = host.packet("skb_store_bytes");
  if ((flags & ~STORE.all) !== 0n) return -ERRNO.EINVAL;
  if (offset > INT_MAX || !packet.pull(offset + bytes.length)) return -ERRNO.EFAULT;
  packet.write(offset, bytes);
  run.context.point(packet);
  if ((flags & STORE.invalidateHash) !== 0n) run.context.put({ hash: 0 });
  return 0;
}

/** Failing clears the program's memory. */
function copyOut(to: Uint8Array, from: Uint8Array | null): bigint {
  if (from === null) to.fill(0);
  else to.set(from);
  return result(from === null ? -ERRNO.EFAULT : 0);
}

function headerStart(run: Run, start: number): number | null {
  const { network, macLength } = skbOf(run);
  if (start === START.mac) return network - macLength;
  return start === START.network ? network : null;
}

function refusedRange(host: Host, offset: number, size: number): number {
  if (offset > OFFSET_MAX || size > OFFSET_MAX) return -ERRNO.EFAULT;
  return offset + size > host.packet("xdp_load_bytes").length ? -ERRNO.EINVAL : 0;
}

function moved(host: Host, outcome: number): bigint {
  const { run } = host;
  run.context.point(run.packet);
  return result(outcome);
}
