// Memory by address: tables in map values and on the stack, at indices that are checked first.
import {
  ArrayMap, HashMap, PerCpuArrayMap, RingBuffer, TcxAction, Verdict, XdpAction, connect4, tcxIngress, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Table {
  a: u64; b: u64; c: u64; d: u64; e: u64; f: u64; g: u64; h: u64;
}

export const tables = new HashMap<u32, Table>(16);
export const settings = new ArrayMap<Table>(4);
export const counters = new PerCpuArrayMap<Table>(2);
export const events = new RingBuffer<Table>(4096);

export const byteOf = xdp((ctx) => {
  const table = tables.get(1);
  if (!table) return XdpAction.Pass;
  const index: u64 = ctx.ingressIfindex;
  if (index >= 64) return XdpAction.Pass;
  const value = load<u8>(changetype<usize>(table) + <usize>index);
  return value > 3 ? XdpAction.Pass : XdpAction.Drop;
});

export const wordOf = tcxIngress((skb) => {
  const setting = settings.get(skb.mark);
  if (!setting) return TcxAction.Pass;
  const position: u64 = skb.length;
  if (position >= 61) return TcxAction.Pass;
  const word = load<u32>(changetype<usize>(setting) + <usize>position);
  return word == 0 ? TcxAction.Drop : TcxAction.Pass;
});

export const countOf = connect4((ctx) => {
  const counter = counters.get(0);
  if (!counter) return Verdict.Allow;
  const slot: u64 = ctx.ip4;
  if (slot >= 57) return Verdict.Allow;
  store<u64>(changetype<usize>(counter) + <usize>slot, 1);
  return Verdict.Allow;
});

export const record = tcxIngress((skb) => {
  const event = events.reserve();
  if (!event) return TcxAction.Pass;
  const place: u64 = skb.priority;
  if (place >= 63) {
    events.discard(event);
    return TcxAction.Pass;
  }
  store<u16>(changetype<usize>(event) + <usize>place, 7);
  events.submit(event);
  return TcxAction.Pass;
});

export const scratch = xdp((ctx) => {
  const work = new Table();
  const offset: u64 = ctx.rxQueueIndex;
  if (offset >= 64) return XdpAction.Pass;
  store<u8>(changetype<usize>(work) + <usize>offset, 1);
  return work.c > 0 ? XdpAction.Drop : XdpAction.Pass;
});

export const two = xdp((ctx) => {
  const table = tables.get(2);
  if (!table) return XdpAction.Pass;
  const from: u64 = ctx.ingressIfindex;
  const to: u64 = ctx.rxQueueIndex;
  if (from >= 64) return XdpAction.Pass;
  if (to >= 64) return XdpAction.Pass;
  const byte = load<u8>(changetype<usize>(table) + <usize>from);
  store<u8>(changetype<usize>(table) + <usize>to, byte);
  return XdpAction.Pass;
});

export const nested = connect4((ctx) => {
  const table = tables.get(ctx.ip4);
  if (!table) return Verdict.Allow;
  const inner: u64 = table.a;
  if (inner >= 64) return Verdict.Deny;
  const found = load<u8>(changetype<usize>(table) + <usize>inner);
  return found == 0 ? Verdict.Deny : Verdict.Allow;
});
