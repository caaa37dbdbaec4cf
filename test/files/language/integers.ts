// Integer operations of every width and sign on words of the packet; results go to an array map.
import { ArrayMap, Cell, XdpAction, xdp } from "ebpf-ts/std";

@unmanaged @final
class Words {
  a: u32; b: u32; c: u64; d: u64;
}

export const results = new ArrayMap<Cell<u64>>(128);

function put(index: u32, value: u64): void {
  const cell = results.get(index);
  if (cell) cell.value = value;
}

export const run = xdp((ctx) => {
  const w = ctx.at<Words>(0);
  if (!w) return XdpAction.Aborted;
  const a = w.a, b = w.b, c = w.c, d = w.d;
  const x = <i32>a, y = <i32>b, p = <i64>c, q = <i64>d;
  put(0, a + b); put(1, a - b); put(2, a * b); put(3, a / (b | 1)); put(4, a % (b | 1));
  put(5, a & b); put(6, a | b); put(7, a ^ b); put(8, a << b); put(9, a >> b);
  put(10, c + d); put(11, c - d); put(12, c * d); put(13, c / (d | 1)); put(14, c % (d | 1));
  put(15, c & d); put(16, c | d); put(17, c ^ d); put(18, c << d); put(19, c >> d);
  put(20, <u64>(x >> (y & 31))); put(21, <u64>(p >> (q & 63)));
  put(22, <u64>(x < y)); put(23, <u64>(x <= y)); put(24, <u64>(a < b)); put(25, <u64>(a >= b));
  put(26, <u64>(p < q)); put(27, <u64>(p >= q)); put(28, <u64>(c > d)); put(29, <u64>(c <= d));
  put(30, <u64><i8>a); put(31, <u64><i16>a); put(32, <u64><u8>a); put(33, <u64><u16>a); put(34, <u64><i64>x);
  put(35, <u64><u32>c); put(36, <u64><i32>c); put(37, <u64><i8>c);
  put(38, rotl<u32>(a, b)); put(39, rotr<u32>(a, b)); put(40, rotl<u64>(c, d)); put(41, rotr<u64>(c, d));
  put(42, clz<u32>(a)); put(43, ctz<u32>(a | 0x80000000)); put(44, popcnt<u32>(a));
  put(45, clz<u64>(c)); put(46, ctz<u64>(c | 0x8000000000000000)); put(47, popcnt<u64>(c));
  put(48, bswap<u16>(<u16>a)); put(49, bswap<u32>(a)); put(50, bswap<u64>(c));
  put(51, <u64>(-x)); put(52, <u64>(~a)); put(53, <u64>(!a)); put(54, <u64>(a == b)); put(55, <u64>(c != d));
  put(56, a + 0x7fffffff); put(57, c + 0x123456789abcdef0); put(58, c ^ 0xffffffff80000000); put(59, a & 0x80000000);
  put(60, <u64>min<i32>(x, y)); put(61, max<u64>(c, d)); put(62, <u64>abs<i32>(x >> 1));
  put(63, <u64>((x >> 1) / ((y >> 1) | 1))); put(64, <u64>((x >> 1) % ((y >> 1) | 1)));
  put(65, <u64>((p >> 1) / ((q >> 1) | 1))); put(66, <u64>((p >> 1) % ((q >> 1) | 1)));
  put(67, a * 8); put(68, a / 8); put(69, a % 8); put(70, c * 10); put(71, c / 10); put(72, c % 10);
  put(73, <u64>((a & 0xff) > 100 && (b & 0xff) < 200)); put(74, <u64>((a & 1) == 1 || (b & 2) == 2));
  put(75, (a > b ? c : d) + (x < 0 ? 1 : 2));
  put(76, (<u64>a << 32) | b); put(77, <u64><u8>(a + b)); put(78, <u64><i16>(a * b)); put(79, <u64>(<u16>a < <u16>b));
  return XdpAction.Pass;
});
