/**
 * Helpers that keep checksums right when a packet changes. Sources: bpf-helpers(7), RFC 1624, what Linux 6.18 answers.
 *
 * What a machine's socket buffer knows of its checksum is at most that it holds; a sum computed by the network card
 * (CHECKSUM_COMPLETE), which csum_update would correct, there is none.
 */
import { addToChecksum, foldTo16, partialSum, replaceInChecksum, subtractSums } from "../checksum.ts";
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { skbOf } from "../skb.ts";
import type { Skb } from "../skb.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

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
/** BPF_CSUM_LEVEL_*, and SKB_MAX_CSUM_LEVEL. */
const LEVEL = { query: 0, increment: 1, decrement: 2, reset: 3 };
const MAX_LEVEL = 3;

export const CHECKSUM_HELPERS = {
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
    // Linux before 6.13 gives 32 bits that mean the same.
    return result(foldTo16(difference(host.bytes(r1, fromSize), host.bytes(r3, toSize), seed)));
  },
  csum_update: () => result(-ERRNO.ENOTSUPP),
  csum_level: (host, _ctx, r2) => {
    const skb = skbOf(host.run);
    const { known, level } = skb.checksum;
    switch (Number(r2)) {
      case LEVEL.query:
        return result(known ? level : -ERRNO.EACCES);
      case LEVEL.increment:
        skb.checksum = { known: true, level: known ? Math.min(level + 1, MAX_LEVEL) : 0 };
        return 0n;
      case LEVEL.decrement:
        if (known) skb.checksum = { known: level > 0, level: Math.max(level - 1, 0) };
        return 0n;
      case LEVEL.reset:
        forgetChecksum(skb);
        return 0n;
      default:
        return result(-ERRNO.EINVAL);
    }
  },
} satisfies Implementations;

/** Nothing is known of the packet's checksum any more (CHECKSUM_NONE). */
export function forgetChecksum(skb: Skb): void {
  skb.checksum = { known: false, level: 0 };
}

/**
 * The sum of `to` less that of `from`, added to `seed`. Of the two ways to write zero in one's complement, the kernel gets
 * another when there is only something to take away.
 */
function difference(from: Uint8Array, to: Uint8Array, seed: number): number {
  if (from.length === 0) return partialSum(to, seed);
  if (to.length === 0) return ~partialSum(from, ~seed >>> 0) >>> 0;
  return subtractSums(partialSum(to, seed), partialSum(from, 0));
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
  const packet = host.packet(helper);
  if (change.at > 0xffff || change.at % 2 !== 0 || !packet.pull(change.at + 2)) return result(-ERRNO.EFAULT);
  host.run.context.point(packet);
  const field = packet.bytes.subarray(change.at, change.at + 2);
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
