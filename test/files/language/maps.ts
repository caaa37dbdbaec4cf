// Every kind of map, every operation that kernel code has on it.
import {
  ArrayMap, Cell, HashMap, Ipv4Prefix, LpmTrie, LruHashMap, LruPerCpuHashMap, PerCpuArrayMap, PerCpuHashMap, ProgArray, RingBuffer,
  Update, XdpAction, cpu, noInline, printk, random, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Words { a: u32; b: u32; c: u64; }
@unmanaged @final
class Event { id: u32; kind: u16; flag: u8; spare: u8; value: u64; }

/** Ends with padding, as in C: 16 bytes. */
@unmanaged @final
class Padded { a: u64; b: u32; }

export const hash = new HashMap<u32, Words>(256);
export const padded = new HashMap<Padded, Padded>(16);
export const lru = new LruHashMap<u64, Cell<u32>>(1024);
export const perCpuHash = new PerCpuHashMap<u32, Cell<u64>>(256);
export const lruPerCpu = new LruPerCpuHashMap<u32, Cell<u64>>(1024);
export const array = new ArrayMap<Words>(8);
export const perCpuArray = new PerCpuArrayMap<Cell<u64>>(8);
export const trie = new LpmTrie<Ipv4Prefix, Cell<u32>>(64);
export const events = new RingBuffer<Event>(65536);
export const next = new ProgArray(4);

function report(id: u32, value: u64): void {
  noInline();
  const event = events.reserve();
  if (!event) return;
  event.id = id;
  event.kind = 7;
  event.flag = 1;
  event.spare = 0;
  event.value = value;
  if ((id & 3) == 0) events.discard(event);
  else events.submit(event);
}

export const run = xdp((ctx) => {
  const w = ctx.at<Words>(0);
  if (!w) return XdpAction.Aborted;
  const key = w.a & 15;
  const value = new Words();
  value.a = w.a;
  value.b = w.b;
  value.c = w.c;
  if ((w.b & 3) == 0) hash.delete(key);
  else if ((w.b & 3) == 1) hash.set(key, value, Update.NoExist);
  else hash.set(key, value);
  const stored = hash.get(key);
  if (stored) stored.b ^= 0xffff;
  const ends = new Padded();
  ends.a = w.c & 1;
  ends.b = w.b & 1;
  padded.set(ends, ends);
  const again = padded.get(ends);
  if (again) again.b += offsetof<Padded>();
  // One variable, a value of this map or of that.
  let either = hash.get(key);
  if (!either) either = array.get(key);
  if (either) {
    either.c += 1;
    hash.set(key ^ 1, either);
  }

  const recent = lru.get(w.c & 7);
  if (recent) recent.add(1);
  else {
    const one = new Cell<u32>();
    one.value = 1;
    lru.set(w.c & 7, one);
  }
  const mine = perCpuHash.get(key);
  if (mine) mine.value += 2;
  else {
    const first = new Cell<u64>();
    first.value = 1;
    perCpuHash.set(key, first);
    lruPerCpu.set(key, first);
  }
  const entry = array.get(w.b & 15);
  if (entry) {
    entry.a += w.a;
    atomic.add<u64>(changetype<usize>(entry) + 8, w.c);
  }
  const counter = perCpuArray.get(w.b & 7);
  if (counter) counter.value += 1;
  const prefix = new Ipv4Prefix(w.b, 24);
  if ((w.a & 7) == 0) {
    const rule = new Cell<u32>();
    rule.value = w.b >> 8;
    trie.set(prefix, rule);
  } else if ((w.a & 31) == 1) trie.delete(prefix);
  const found = trie.get(new Ipv4Prefix(w.b));
  report(key, found ? found.value : 0);

  const copy = new Event();
  copy.id = 99;
  copy.value = w.c;
  events.output(copy);
  next.tailCall(ctx, w.b & 7);
  return XdpAction.Pass;
});

// What the kernel gives but nobody can foresee.
export const other = xdp((ctx) => {
  printk("cpu %d random %d", cpu(), random());
  return cpu() < 4096 ? XdpAction.Pass : XdpAction.Drop;
});
