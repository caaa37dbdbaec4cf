/**
 * Helpers on packets. Sources of results and limits: bpf-helpers(7), net/core/filter.c (Linux 6.18).
 */
import { addToChecksum, foldTo16, partialSum, replaceInChecksum, subtractSums } from "../checksum.ts";
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { result, s32, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const INT_MAX = 0x7fff_ffff;
/** Flags of skb_store_bytes: BPF_F_RECOMPUTE_CSUM, BPF_F_INVALIDATE_HASH. */
const STORE_FLAGS = 3n;
/** Flags of the checksum helpers: the lowest four bits are the size of the field that changes. */
const FIELD_SIZE = 15n;
const PSEUDO_HEADER = 0x10n;
const MARK_MANGLED_0 = 0x20n;
const MARK_ENFORCE = 0x40n;
const IPV6 = 0x80n;
/** An UDP checksum of zero means none; a computed zero is written as this (CSUM_MANGLED_0). */
const MANGLED_0 = 0xffff;
/** Sizes in csum_diff are a multiple of 4. */
const WORD = 3;

export const PACKET_HELPERS = {
  skb_load_bytes: (host, _ctx, r2, r3, r4) => {
    const to = host.bytes(r3, u32(r4), true);
    const from = packetBytes(host, "skb_load_bytes", u32(r2), u32(r4));
    if (from === null) to.fill(0);
    else to.set(from);
    return result(from === null ? -ERRNO.EFAULT : 0);
  },
  skb_store_bytes: (host, _ctx, r2, r3, r4, r5) => {
    if ((r5 & ~STORE_FLAGS) !== 0n) return result(-ERRNO.EINVAL);
    const from = host.bytes(r3, u32(r4));
    const to = packetBytes(host, "skb_store_bytes", u32(r2), u32(r4));
    to?.set(from);
    return result(to === null ? -ERRNO.EFAULT : 0);
  },
  skb_pull_data: (host, _ctx, r2) => {
    return result(u32(r2) > host.packet("skb_pull_data").length ? -ERRNO.ENOMEM : 0);
  },
  l3_csum_replace: (host, _ctx, r2, r3, r4, r5) => {
    if ((r5 & ~FIELD_SIZE) !== 0n) return result(-ERRNO.EINVAL);
    return replace(host, "l3_csum_replace", { at: u32(r2), from: r3, to: r4, size: r5 });
  },
  l4_csum_replace: (host, _ctx, r2, r3, r4, r5) => {
    if ((r5 & ~(FIELD_SIZE | PSEUDO_HEADER | MARK_MANGLED_0 | MARK_ENFORCE | IPV6)) !== 0n)
      return result(-ERRNO.EINVAL);
    const zero = (r5 & MARK_MANGLED_0) === 0n ? "plain" : (r5 & MARK_ENFORCE) === 0n ? "none" : "computed";
    return replace(host, "l4_csum_replace", { at: u32(r2), from: r3, to: r4, size: r5 & FIELD_SIZE }, zero);
  },
  csum_diff: (host, r1, r2, r3, r4, r5) => {
    const [fromSize, toSize, seed] = [u32(r2), u32(r4), u32(r5)];
    if (((fromSize | toSize) & WORD) !== 0) return result(-ERRNO.EINVAL);
    const from = partialSum(host.bytes(r1, fromSize), 0);
    const to = partialSum(host.bytes(r3, toSize), seed);
    // Linux before 6.13 gives 32 bits that mean the same.
    return result(foldTo16(fromSize > 0 ? subtractSums(to, from) : to));
  },
  xdp_adjust_head: (host, _ctx, r2) => moved(host, host.packet("xdp_adjust_head").adjustHead(s32(r2))),
  xdp_adjust_tail: (host, _ctx, r2) => moved(host, host.packet("xdp_adjust_tail").adjustTail(s32(r2))),
  xdp_adjust_meta: (host, _ctx, r2) => moved(host, host.packet("xdp_adjust_meta").adjustMeta(s32(r2))),
} satisfies Implementations;

/** Packet bytes in place, or null when they are not all there. */
function packetBytes(host: Host, helper: string, offset: number, size: number): Uint8Array | null {
  const { bytes } = host.packet(helper);
  return offset <= INT_MAX && offset + size <= bytes.length ? bytes.subarray(offset, offset + size) : null;
}

function moved(host: Host, outcome: number): bigint {
  const { run } = host;
  run.context.point(run.packet);
  return result(outcome);
}

interface Change {
  /** Offset of the checksum field in the packet. */
  readonly at: number;
  /** What changes in the data, in the field's own byte order; with size 0, `to` is a difference from csum_diff. */
  readonly from: bigint;
  readonly to: bigint;
  readonly size: bigint;
}

/** `zero`: how a checksum of zero is taken: as any other, as none at all (left alone), or as one to compute. */
function replace(host: Host, helper: string, change: Change, zero: "plain" | "none" | "computed" = "plain"): bigint {
  const field = change.at > 0xffff || change.at % 2 !== 0 ? null : packetBytes(host, helper, change.at, 2);
  if (field === null) return result(-ERRNO.EFAULT);
  const old = (field[0] ?? 0) | ((field[1] ?? 0) << 8);
  if (zero === "none" && old === 0) return 0n;
  const next = changed(old, change);
  if (next === null) return result(-ERRNO.EINVAL);
  const stored = zero !== "plain" && next === 0 ? MANGLED_0 : next;
  field[0] = stored & 0xff;
  field[1] = stored >> 8;
  return 0n;
}

function changed(old: number, { from, to, size }: Change): number | null {
  if (size === 0n) return from === 0n ? addToChecksum(old, u32(to)) : null;
  if (size !== 2n && size !== 4n) return null;
  const mask = size === 2n ? 0xffff : 0xffff_ffff;
  return replaceInChecksum(old, (u32(from) & mask) >>> 0, (u32(to) & mask) >>> 0);
}
