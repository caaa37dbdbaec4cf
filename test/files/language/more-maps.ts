// The map kinds of test/files/language/maps.ts are those of every program; these belong to certain hooks or hold other things
// than values.
import {
  ArrayOfMaps, AttachedStorage, BloomFilter, Broadcast, Cell, CgroupAction, CpuMap, DevMap, DevMapHash, HashMap, HashOfMaps,
  LruHashMap, Loop, MapFlag, Otherwise, PerCpuArrayMap, PerfEventArray, Queue, ReuseportArray, RingBuffer, SkAction, SocketStorage, Stack,
  TaskStorage, TcAction, Update, Verdict, XdpAction, XskMap, cgroupSkbEgress, connect4, skReuseport, sockCreate, tc, xdp, xdpDevmap,
} from "ebpf-ts/std";

@unmanaged @final
class Words { a: u32; b: u32; }

export const queue = new Queue<Words>(4);
export const stack = new Stack<Cell<u32>>(4);
export const bloom = new BloomFilter<u32>(64);
export const tenants = new ArrayOfMaps<HashMap<u32, Cell<u64>>>(4, new HashMap<u32, Cell<u64>>(16));
export const rings = new HashOfMaps<u32, RingBuffer<Words>>(4, new RingBuffer<Words>(4096));
export const recent = new LruHashMap<u32, Cell<u64>>(64, MapFlag.NoCommonLru);
export const lazy = new HashMap<u32, Cell<u64>>(64, MapFlag.NoPrealloc);
export const perCpu = new PerCpuArrayMap<Cell<u64>>(4);
export const devices = new DevMap(8);
export const devicesByIndex = new DevMapHash(8);
export const cpus = new CpuMap(2);
export const xsks = new XskMap(4);
export const perf = new PerfEventArray<Words>();
export const group = new ReuseportArray(4);
export const sockets = new SocketStorage<Words>(MapFlag.Clone);
export const tasks = new TaskStorage<Cell<u64>>();
export const attached = new AttachedStorage<Cell<u64>>();

/** Appends the packet's first word to the queue and the stack; gives the oldest and the newest. */
export const order = xdp((ctx) => {
  const first = ctx.at<Words>(0);
  if (!first) return XdpAction.Aborted;
  const value = new Words();
  value.a = first.a;
  queue.push(value, Update.Exist);
  const cell = new Cell<u32>();
  cell.value = first.a;
  if (stack.push(cell) != 0) return XdpAction.Drop;
  const oldest = new Words();
  if (queue.peek(oldest) != 0) return XdpAction.Aborted;
  if (first.b == 1 && queue.pop(oldest) != 0) return XdpAction.Aborted;
  if (stack.peek(cell) != 0 || cell.value != first.a) return XdpAction.Aborted;
  if (first.b == 2) stack.pop(cell);
  first.a = oldest.a;
  first.b = cell.value;
  return XdpAction.Pass;
});
/** Drops what it has seen before. */
export const once = xdp((ctx) => {
  const first = ctx.at<Words>(0);
  if (!first) return XdpAction.Aborted;
  if (bloom.mayHave(first.a)) return XdpAction.Drop;
  bloom.add(first.a);
  return XdpAction.Pass;
});
/** Counts by tenant and key, and tells the tenant's ring buffer. */
export const count = xdp((ctx) => {
  const first = ctx.at<Words>(0);
  if (!first) return XdpAction.Aborted;
  const tenant = tenants.get(first.a);
  if (!tenant) return XdpAction.Drop;
  const known = tenant.get(first.b);
  if (known) known.add(1);
  else {
    const one = new Cell<u64>();
    one.value = 1;
    if (tenant.set(first.b, one) != 0) return XdpAction.Aborted;
  }
  const ring = rings.get(first.a);
  if (!ring) return XdpAction.Pass;
  const event = ring.reserve();
  if (!event) return XdpAction.Pass;
  event.a = first.a;
  event.b = first.b;
  ring.submit(event);
  return XdpAction.Pass;
});
/** Sums the counts of a tenant. */
export const total = xdp((ctx) => {
  const first = ctx.at<Words>(0);
  if (!first) return XdpAction.Aborted;
  const tenant = tenants.get(first.a);
  if (!tenant) return XdpAction.Drop;
  const sum = new Words();
  tenant.forEach<Words>(sum, (key, count, sum) => {
    sum.a += <u32>count.value;
    sum.b += key;
    return Loop.Continue;
  });
  first.a = sum.a;
  first.b = sum.b;
  return XdpAction.Pass;
});
export const forward = xdp((ctx) => {
  const first = ctx.at<Words>(0);
  if (!first) return XdpAction.Aborted;
  switch (first.a) {
    case 0: return devices.redirect(first.b, Otherwise.Pass);
    case 1: return devicesByIndex.redirect(first.b, Otherwise.Drop);
    case 2: return cpus.redirect(first.b);
    case 3: return xsks.redirect(ctx.rxQueueIndex, Otherwise.Pass);
    case 4: return devices.redirect(0, Broadcast.All | Broadcast.ExcludeIngress);
    case 5: {
      const device = devices.get(first.b);
      const other = devicesByIndex.get(first.b);
      return (device && device.ifindex == 1) || (other && other.program != 0) ? XdpAction.Tx : XdpAction.Pass;
    }
    default: return XdpAction.Pass;
  }
});
/** Runs on what leaves by a device of the map. */
export const behind = xdpDevmap((ctx) => (ctx.egressIfindex == 1 ? XdpAction.Pass : XdpAction.Drop));
export const watch = tc((skb) => {
  const words = new Words();
  words.a = skb.length;
  perf.output(skb, words);
  const mine = perCpu.getOf(0, 1);
  if (mine) mine.value += 1;
  const seen = recent.get(skb.length);
  if (!seen) {
    const one = new Cell<u64>();
    recent.set(skb.length, one);
    lazy.set(skb.length, one);
  }
  const current = tasks.getOrCreate();
  if (current) current.value += 1;
  return TcAction.Ok;
});
export const choose = skReuseport((ctx) => {
  const first = ctx.at<Words>(8);
  if (!first) return SkAction.Drop;
  return group.select(ctx, first.a) == 0 ? SkAction.Pass : SkAction.Drop;
});
export const born = sockCreate((ctx) => {
  const mine = sockets.ofContext(ctx);
  if (mine) mine.a = ctx.type;
  return Verdict.Allow;
});
export const called = connect4((ctx) => {
  const socket = ctx.socket;
  if (!socket) return Verdict.Deny;
  const mine = sockets.getOrCreate(socket);
  if (mine) mine.b += 1;
  const task = tasks.get();
  if (task && task.value == 0) tasks.delete();
  attached.get().add(1);
  return Verdict.Allow;
});
export const sent = cgroupSkbEgress((skb) => {
  const socket = skb.socket;
  if (!socket) return CgroupAction.Pass;
  const mine = sockets.get(socket);
  attached.get().add(1);
  return mine && mine.a == 2 ? CgroupAction.Drop : CgroupAction.Pass;
});
