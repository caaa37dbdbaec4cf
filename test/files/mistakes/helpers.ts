// Helpers called by hand: the kernel checks sizes, maps and memory.
import {
  Cell, CpuMap, DevMap, HashMap, SkBuff, TcxAction, XdpAction, license, printk, random, tcxEgress, tcxIngress, xdp,
} from "ebpf-ts/std";

// @ts-ignore: decorator
@external("bpf", "skb_load_bytes")
declare function skb_load_bytes(ctx: usize, offset: u32, into: usize, size: u32): i32;
// @ts-ignore: decorator
@external("bpf", "skb_store_bytes")
declare function skb_store_bytes(ctx: usize, offset: u32, from: usize, size: u32, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "redirect_map")
declare function redirect_map(map: usize, key: u64, flags: u64): i32;
// @ts-ignore: decorator
@external("bpf", "csum_diff")
declare function csum_diff(from: usize, fromSize: u32, to: usize, toSize: u32, seed: u32): i64;
// @ts-ignore: decorator
@external("bpf", "get_current_comm")
declare function get_current_comm(into: usize, size: u32): i32;

@unmanaged @final
class Bytes {
  a: u64; b: u64; c: u64; d: u64;
}

license("Dual MIT/GPL");

export const values = new HashMap<u32, Bytes>(16);
export const ports = new DevMap(8);
export const cpus = new CpuMap(4);
export const plain = new HashMap<u32, Cell<u32>>(8);

export const head = tcxIngress((skb) => {
  const bytes = new Bytes();
  const size: u32 = skb.length;
  if (size == 0) return TcxAction.Pass;
  if (size > 32) return TcxAction.Pass;
  skb_load_bytes(changetype<usize>(skb), 0, changetype<usize>(bytes), size);
  return bytes.a == 0 ? TcxAction.Drop : TcxAction.Pass;
});

export const whole = tcxIngress((skb) => {
  const bytes = new Bytes();
  skb_load_bytes(changetype<usize>(skb), 14, changetype<usize>(bytes), 32);
  return bytes.b == 0 ? TcxAction.Drop : TcxAction.Pass;
});

export const kept = tcxIngress((skb) => {
  const value = values.get(3);
  if (!value) return TcxAction.Pass;
  skb_load_bytes(changetype<usize>(skb), 14, changetype<usize>(value), 32);
  return TcxAction.Pass;
});

export const write = tcxEgress((skb) => {
  const bytes = new Bytes();
  bytes.a = 7;
  skb_store_bytes(changetype<usize>(skb), 20, changetype<usize>(bytes), 8, 0);
  return TcxAction.Pass;
});

export const sum = tcxEgress((skb) => {
  const bytes = new Bytes();
  const length: u32 = skb.mark;
  if (length > 32) return TcxAction.Pass;
  const sum = csum_diff(0, 0, changetype<usize>(bytes), length & 0x1c, 0);
  return sum == 0 ? TcxAction.Drop : TcxAction.Pass;
});

export const port = xdp((ctx) => {
  return <XdpAction>redirect_map(changetype<usize>(ports), 1, 0);
});

export const cpu = xdp((ctx) => {
  return <XdpAction>redirect_map(changetype<usize>(cpus), 2, 0);
});

export const trace = xdp((ctx) => {
  printk("frame %d", 7);
  return XdpAction.Pass;
});
