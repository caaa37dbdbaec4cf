// Loops, switches, early returns, nested functions with several parameters, struct values on the stack.
import { ArrayMap, Cell, HashMap, XdpAction, XdpContext, noInline, xdp } from "ebpf-ts/std";

@unmanaged @final
class Bytes8 { v: u64; }
@unmanaged @final
class Byte { v: u8; }
@unmanaged @final
class Pair {
  left: u32;
  right: u32;
  sum(): u32 { return this.left + this.right; }
}

export const results = new ArrayMap<Cell<u64>>(32);
export const seen = new HashMap<Pair, Cell<u64>>(4096);

function put(index: u32, value: u64): void {
  const cell = results.get(index);
  if (cell) cell.value = value;
}

function classify(x: u32): u32 {
  switch (x & 7) {
    case 0: return 10;
    case 1:
    case 2: return 20;
    case 3: x += 5;
    case 4: x += 7; break;
    case 6: return 60;
    default: x = 1;
  }
  return x;
}

function mix(a: u32, b: u32, c: u32, d: u32, e: u32): u32 {
  return ((a ^ b) + c * 3) ^ (d - e);
}

function gcd(a: u32, b: u32): u32 {
  noInline();
  for (let i = 0; i < 48; i++) {
    if (b == 0) break;
    const t = a % b;
    a = b;
    b = t;
  }
  return a;
}

/** Writes into the caller's object. */
function swap(pair: Pair, twice: bool): void {
  noInline();
  const left = pair.left;
  pair.left = pair.right;
  pair.right = left;
  if (twice) neverReached(pair);
}

/** Its only call is in a branch that is never taken. */
function neverReached(pair: Pair): void {
  noInline();
  pair.left = 0;
}

function checksum(ctx: XdpContext, words: u32): u32 {
  let sum: u32 = 0;
  for (let i: u32 = 0; i < words; i++) {
    const byte = ctx.at<Byte>(i);
    if (!byte) break;
    sum = sum * 31 + byte.v;
    if ((sum & 0xff) == 7) continue;
    sum ^= i;
  }
  return sum;
}

export const run = xdp((ctx) => {
  const first = ctx.at<Bytes8>(0);
  if (!first) return XdpAction.Aborted;
  const a = <u32>first.v, b = <u32>(first.v >> 32);
  put(0, classify(a)); put(1, classify(b)); put(2, mix(a, b, a + 1, b + 2, a ^ b));
  put(3, gcd(a & 0xffff, b & 0xffff)); put(4, checksum(ctx, 40));

  const pair = new Pair();
  pair.left = a & 15;
  pair.right = b & 15;
  swap(pair, false);
  put(5, pair.sum() + pair.left);
  const known = seen.get(pair);
  if (known) known.value += 1;
  else {
    const one = new Cell<u64>();
    one.value = 1;
    seen.set(pair, one);
  }

  // Nested loops with several values alive, swapped each turn.
  let x = a, y = b, z: u32 = 1;
  for (let i: u32 = 0; i < 5; i++) {
    for (let j: u32 = 0; j < 3; j++) {
      const t = x;
      x = y + z;
      y = t ^ j;
      z = z * 3 + i;
      if (z > 0x80000000) z >>= 3;
    }
  }
  put(6, x); put(7, y); put(8, z);

  // Many values alive at once.
  const v0 = a + 1, v1 = b + 2, v2 = a ^ 3, v3 = b ^ 4, v4 = a * 5, v5 = b * 6, v6 = a - 7, v7 = b - 8;
  const v8 = a << 3, v9 = b << 2, v10 = a >> 3, v11 = b >> 5, v12 = a | 12, v13 = b | 13, v14 = a & 0xff14, v15 = b & 0xff15;
  put(9, v0);
  put(10, v15 + v1); put(11, v14 + v2); put(12, v13 + v3); put(13, v12 + v4);
  put(14, v11 + v5); put(15, v10 + v6); put(16, v9 + v7); put(17, v8 + v0);
  put(18, (v0 ^ v1 ^ v2 ^ v3) + (v4 ^ v5 ^ v6 ^ v7) + (v8 ^ v9 ^ v10 ^ v11) + (v12 ^ v13 ^ v14 ^ v15));
  return a > b ? XdpAction.Pass : XdpAction.Drop;
});
