/** The kernel's counters, summed over CPUs. Layouts as in programs/mesh/tables.ts. */
import type { BpfMap } from "ebpf-ts/loader";
import type { Counters, Traffic } from "../control/view.ts";

/** Bits of an index of `counters` below the direction. */
const REASON_BITS = 8;

/** `Traffic`: two u64 for each CPU. */
const TRAFFIC_BYTES = 16;

/**
 * Read by hand, not through codecs: thousands of entries, at every scrape, by a process that has better things to do.
 * @param map - gives a map of the datapath by name.
 */
export function readCounters(map: (name: string) => Pick<BpfMap, "entriesRaw">): Counters {
  const rows = (name: string): { key: DataView; traffic: Traffic }[] => {
    return Array.from(map(name).entriesRaw(), ([key, value]) => ({ key: viewOf(key), traffic: sumTraffic(value) }));
  };
  return {
    byReason: rows("counters").flatMap(({ key, traffic }) => {
      const index = key.getUint32(0, true);
      const [reason, direction] = [index & ((1 << REASON_BITS) - 1), index >> REASON_BITS];
      return traffic.packets === 0 ? [] : [{ reason, direction, ...traffic }];
    }),
    byRule: new Map(rows("ruleTraffic").map(({ key, traffic }) => [key.getUint32(0, true), traffic])),
    byPair: rows("pairTraffic").map(({ key, traffic }) => ({
      endpoint: key.getUint32(0, true),
      identity: key.getUint32(4, true),
      direction: key.getUint8(8),
      action: key.getUint8(9),
      ...traffic,
    })),
    lostEvents: sumLost([...map("lostEvents").entriesRaw()]),
  };
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Exact up to 2^53. */
const readU64 = (view: DataView, at: number): number =>
  view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);

function sumTraffic(value: Uint8Array): Traffic {
  const view = viewOf(value);
  let [packets, bytes] = [0, 0];
  for (let at = 0; at < view.byteLength; at += TRAFFIC_BYTES) {
    packets += readU64(view, at);
    bytes += readU64(view, at + 8);
  }
  return { packets, bytes };
}

/** One entry, a u64 for each CPU. */
function sumLost(entries: readonly (readonly [Uint8Array, Uint8Array])[]): number {
  let lost = 0;
  for (const [, value] of entries) {
    for (let at = 0; at < value.length; at += 8) lost += readU64(viewOf(value), at);
  }
  return lost;
}
