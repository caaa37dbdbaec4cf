// Casts to small types of shifts by constants, which AssemblyScript alone leaves wide (codegen/frontend/shift-amounts.ts).
import { ArrayMap, Cell, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Words { a: u32; b: u32; c: u64; }

const AMOUNT: u32 = 25;
export const results = new ArrayMap<Cell<u64>>(16);

function put(index: u32, value: u64): void {
  const cell = results.get(index);
  if (cell) cell.value = value;
}

export const run = xdp((ctx) => {
  const w = ctx.at<Words>(0);
  if (!w) return XdpAction.Aborted;
  let byte: u8 = <u8>(w.a << 31);
  put(0, byte);
  put(1, <u64><u8>(w.a << 24));
  put(2, <u64><i8>(w.a << AMOUNT));
  put(3, <u64><u16>(w.b << 16));
  put(4, <u64><i16>(w.b << (20)));
  put(5, <u64><u8>(<i32>w.b << 30));
  put(6, <u64><u8>(w.c << 40));
  let wide = w.a;
  wide <<= 28;
  put(7, wide);
  put(8, <u64><u8>wide);
  put(9, <u64>(<u8>(w.a << 4)));
  put(10, <u64>(<u16>(w.a << 8)));
  return XdpAction.Pass;
});
