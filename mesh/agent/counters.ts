/** The kernel's counters, summed over CPUs. Layouts as in programs/mesh/tables.ts. */
import type { BpfMap } from "ebpf-ts/loader";
import type { Counters, Traffic } from "../control/view.ts";

interface KernelTraffic {
  readonly packets: bigint;
  readonly bytes: bigint;
}
interface PairKey {
  readonly endpoint: number;
  readonly identity: number;
  readonly direction: number;
  readonly action: number;
}

/** Bits of an index of `counters` below the direction. */
const REASON_BITS = 8;

/** @param map - gives a map of the datapath by name. */
export function readCounters(map: (name: string) => BpfMap): Counters {
  const reasons = map("counters") as unknown as BpfMap<number, KernelTraffic[]>;
  const rules = map("ruleTraffic") as unknown as BpfMap<number, KernelTraffic[]>;
  const pairs = map("pairTraffic") as unknown as BpfMap<PairKey, KernelTraffic[]>;
  const lost = map("lostEvents") as unknown as BpfMap<number, { readonly value: bigint }[]>;
  return {
    byReason: [...reasons].flatMap(([index, cpus]) => {
      const traffic = sum(cpus);
      const [reason, direction] = [index & ((1 << REASON_BITS) - 1), index >> REASON_BITS];
      return traffic.packets === 0 ? [] : [{ reason, direction, ...traffic }];
    }),
    byRule: new Map([...rules].map(([rule, cpus]) => [rule, sum(cpus)])),
    byPair: [...pairs].map(([{ endpoint, identity, direction, action }, cpus]) => {
      return { endpoint, identity, direction, action, ...sum(cpus) };
    }),
    lostEvents: Number((lost.get(0) ?? []).reduce((total, { value }) => total + value, 0n)),
  };
}

function sum(cpus: readonly KernelTraffic[]): Traffic {
  const total = cpus.reduce(
    (all, { packets, bytes }) => {
      return { packets: all.packets + packets, bytes: all.bytes + bytes };
    },
    { packets: 0n, bytes: 0n },
  );
  return { packets: Number(total.packets), bytes: Number(total.bytes) };
}
