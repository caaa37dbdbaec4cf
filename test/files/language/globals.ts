// Module-level variables, tables made when building, configuration, array bounds that fail.
import { ArrayMap, Cell, Config, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Bytes8 { v: u64; }

export const results = new ArrayMap<Cell<u64>>(16);
const limit = new Config<u32>(7);

const SIZE: i32 = 16;
const squares = new StaticArray<u32>(SIZE);
for (let i = 0; i < SIZE; i++) squares[i] = i * i + 1;
const big = new StaticArray<u64>(4);
big[0] = 0xdeadbeefcafebabe;
big[3] = u64.MAX_VALUE;

let counter: u64 = 0;
let small: u8 = 250;
let signed: i16 = -3;
let flag: bool = false;
const scratch = new StaticArray<u32>(8);

function put(index: u32, value: u64): void {
  const cell = results.get(index);
  if (cell) cell.value = value;
}

export const run = xdp((ctx) => {
  const first = ctx.at<Bytes8>(0);
  if (!first) return XdpAction.Aborted;
  const n = <u32>first.v;
  counter += n & 0xff;
  small += <u8>(n & 3);
  signed -= <i16>(n & 7);
  flag = !flag;
  put(0, counter); put(1, small); put(2, <u64>signed); put(3, flag);
  put(4, squares[n & 15]); put(5, squares[3]); put(6, big[n & 3]); put(7, limit.value);
  scratch[n & 7] = scratch[n & 7] + 1;
  put(8, scratch[n & 7]);
  // Out of bounds for a quarter of all packets: the program ends with its refusing verdict.
  put(9, squares[(n >> 8) & 31 & 19]);
  return XdpAction.Pass;
});
