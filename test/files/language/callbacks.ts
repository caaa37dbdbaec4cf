// Functions that the kernel calls back: loops, and a map's entries.
import {
  ArrayMap, Cell, HashMap, LruHashMap, Loop, PerCpuArrayMap, PerCpuHashMap, XdpAction, loop, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Words { a: u32; b: u32; }
@unmanaged @final
class Sum { total: u64; limit: u32; calls: u32; }

export const counts = new HashMap<u32, Cell<u64>>(64);
export const flows = new LruHashMap<Words, Words>(64);
export const wide = new HashMap<u64, Cell<u64>>(16);
export const slots = new ArrayMap<Cell<u32>>(8);
export const perCpu = new PerCpuArrayMap<Cell<u64>>(4);
export const perCpuHash = new PerCpuHashMap<u16, Cell<u64>>(4);
let rounds: u32 = 0;

/** Sums 0 to a - 1, or to the first that reaches b; gives the sum and the number of calls. */
export const sum = xdp((ctx) => {
  const words = ctx.at<Words>(0);
  if (!words) return XdpAction.Aborted;
  const sum = new Sum();
  sum.limit = words.b;
  const calls = loop<Sum>(words.a, sum, (i, sum) => {
    sum.total += i;
    rounds++;
    return sum.total >= sum.limit ? Loop.Break : Loop.Continue;
  });
  words.a = <u32>sum.total;
  words.b = <u32>calls;
  return XdpAction.Pass;
});

function triangle(i: u32, sum: Sum): Loop {
  // A loop in a loop.
  loop<Sum>(i, sum, (_, sum) => {
    sum.total += 1;
    return Loop.Continue;
  });
  return Loop.Continue;
}
/** a * (a - 1) / 2, by counting. */
export const nestedLoops = xdp((ctx) => {
  const words = ctx.at<Words>(0);
  if (!words) return XdpAction.Aborted;
  const sum = new Sum();
  loop<Sum>(words.a, sum, triangle);
  words.a = <u32>sum.total;
  return XdpAction.Pass;
});

/** Adds the keys and values of all maps; entries with an odd key get one more. */
export const walk = xdp((ctx) => {
  const words = ctx.at<Words>(0);
  if (!words) return XdpAction.Aborted;
  const sum = new Sum();
  counts.forEach<Sum>(sum, (key, value, sum) => {
    sum.total += key + value.value;
    if (key & 1) value.value += 1;
    sum.calls += 1;
    return Loop.Continue;
  });
  flows.forEach<Sum>(sum, (key, value, sum) => {
    sum.total += key.a + value.b;
    sum.calls += 1;
    return Loop.Continue;
  });
  wide.forEach<Sum>(sum, (key, value, sum) => {
    sum.total += key;
    sum.calls += 1;
    return Loop.Continue;
  });
  slots.forEach<Sum>(sum, (index, slot, sum) => {
    sum.total += slot.value * index;
    sum.calls += 1;
    return index == 5 ? Loop.Break : Loop.Continue;
  });
  perCpu.forEach<Sum>(sum, (index, value, sum) => {
    value.value += index;
    return Loop.Continue;
  });
  perCpuHash.forEach<Sum>(sum, (key, value, sum) => {
    sum.total += key;
    return Loop.Continue;
  });
  words.a = <u32>sum.total;
  words.b = sum.calls;
  return XdpAction.Pass;
});
