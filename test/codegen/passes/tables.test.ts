// What each pass does, as IR before and after. Names and types are free (test/codegen/parse-ir.ts); dead values are
// removed from the result unless the row says otherwise, so that a row shows what is left to do at run time.
import { describe, expect, test } from "vitest";
import { checkFunction } from "../../../codegen/ir/check.ts";
import type { IrModule } from "../../../codegen/ir/ir.ts";
import type { Stage } from "../../../codegen/ir/pass.ts";
import { dce } from "../../../codegen/passes/dce.ts";
import { FUNCTION_PASSES, MODULE_PASSES } from "../../../codegen/passes/index.ts";
import { normalise, parseFunction, show } from "../parse-ir.ts";

interface Row {
  readonly pass: string;
  readonly name: string;
  readonly stage?: Stage;
  /** An XDP program: parameter 0 is the context. */
  readonly entry?: boolean;
  /** Of all maps. */
  readonly mapSizes?: { key: number; value: number };
  /** Other functions of the module. */
  readonly callees?: Readonly<Record<string, string>>;
  readonly before: string;
  readonly after: string;
}

/** One expression over x: i32, y: i64, b (a loaded byte), h (a loaded 16-bit word); its value is returned. */
function expression(name: string, before: string, after: string, stage: Stage = "scalar"): Row {
  const head =
    "entry:\n x = param 0 : i32\n y = param 1 : i64\n g = global_address .data\n b = load8u g\n h = load16u g\n";
  return { pass: "simplify", name, stage, before: `${head}${before}`, after: `${head}${after}` };
}

// prettier-ignore
const SIMPLIFY: readonly Row[] = [
  expression("constants are computed",           "c = const 6\n d = const 7\n r = mul c, d\n return r",                 "r = const 42\n return r"),
  expression("division by zero gives 0",         "c = const 6\n d = const 0\n r = div_s c, d\n return r",               "r = const 0\n return r"),
  expression("remainder by zero, the dividend",  "d = const 0\n r = rem_u x, d\n return r",                             "return x"),
  expression("a variable divisor stays",         "c = const 6\n r = div_u c, x\n return r",                             "c = const 6\n r = div_u c, x\n return r"),
  expression("constants to the right",           "c = const 6\n r = and c, x\n return r",                               "c = const 6\n r = and x, c\n return r"),
  expression("x - n",                            "c = const 6\n r = sub x, c\n return r",                               "c = const -6\n r = add x, c\n return r"),
  expression("addresses keep their sums",        "c = const 6\n d = const 8\n s = add x, c\n r = add s, d\n return r",  "c = const 6\n d = const 8\n s = add x, c\n r = add s, d\n return r"),
  expression("sums add up once pointers are known", "c = const 6\n d = const 8\n s = add x, c\n r = add s, d\n return r", "c = const 14\n r = add x, c\n return r", "pointers"),
  expression("mul by a power of two",            "c = const 8\n r = mul x, c\n return r",                               "c = const 3\n r = shl x, c\n return r"),
  expression("div_u by a power of two",          "c = const 8\n r = div_u x, c\n return r",                             "c = const 3\n r = shr_u x, c\n return r"),
  expression("rem_u by a power of two",          "c = const 8\n r = rem_u x, c\n return r",                             "c = const 7\n r = and x, c\n return r"),
  expression("a mask of what a load has",        "c = const 255\n r = and b, c\n return r",                             "return b"),
  expression("sign extension of a small number", "c = const 127\n m = and x, c\n r = sext8 m\n return r",               "c = const 127\n r = and x, c\n return r"),
  expression("extend and wrap",                  "e = extend_u x : i64\n r = wrap e\n return r",                        "return x"),
  expression("wrap and extend",                  "w = wrap y\n e = extend_u w\n f = wrap e\n return f",                 "w = wrap y\n return w"),
  expression("shifts that extend the sign",      "c = const 24\n s = shl x, c\n r = shr_s s, c\n return r",             "r = sext8 x\n return r"),
  expression("shifts that mask",                 "c = const 24\n s = shl x, c\n r = shr_u s, c\n return r",             "m = const 255\n r = and x, m\n return r"),
  expression("eqz of a comparison",              "c = compare lt_s x, b\n z = const 0\n r = compare eq c, z\n return r", "r = compare ge_s x, b\n return r"),
  expression("eqz of eqz of a comparison",       "c = compare lt_s x, b\n z = const 0\n d = compare eq c, z\n r = compare eq d, z\n return r", "r = compare lt_s x, b\n return r"),
  expression("a comparison != 0",                "c = compare lt_s x, b\n z = const 0\n r = compare ne c, z\n return r", "r = compare lt_s x, b\n return r"),
  expression("what a byte cannot be",            "c = const 256\n r = compare eq b, c\n return r",                      "r = const 0\n return r"),
  expression("what a byte always is",            "c = const 256\n r = compare lt_u b, c\n return r",                    "r = const 1\n return r"),
  expression("comparison after extension",       "e = extend_u x : i64\n c = const 5 : i64\n r = compare lt_u e, c\n return r", "c = const 5\n r = compare lt_u x, c\n return r"),
  expression("signed comparison of bytes",       "r = compare lt_s b, h\n return r",                                    "r = compare lt_u b, h\n return r"),
  expression("x - y == 0",                       "d = sub x, b\n z = const 0\n r = compare eq d, z\n return r",         "r = compare eq x, b\n return r"),
  expression("swapped twice",                    "s = bswap32 x\n r = bswap32 s\n return r",                            "return x"),
  expression("swapped field == constant",        "s = bswap16 h\n m = const 65535\n t = and s, m\n c = const 2048\n r = compare eq t, c\n return r", "c = const 8\n r = compare eq h, c\n return r"),
  expression("swapped 32-bit field == constant", "s = bswap32 x\n c = const 1\n r = compare ne s, c\n return r",        "c = const 16777216\n r = compare ne x, c\n return r"),
  expression("swapped == swapped",               "s = bswap16 h\n t = bswap16 b\n r = compare eq s, t\n return r",      "r = compare eq h, b\n return r"),
  expression("bits of a swapped field",          "s = bswap16 h\n m = const 8192\n t = and s, m\n z = const 0\n r = compare ne t, z\n return r", "m = const 32\n t = and h, m\n z = const 0\n r = compare ne t, z\n return r"),
  expression("a swap may lose bits",             "s = bswap16 x\n c = const 1\n r = compare eq s, c\n return r",        "s = bswap16 x\n c = const 1\n r = compare eq s, c\n return r"),
  expression("a shifted number == constant",     "n = const 3\n s = shl b, n\n c = const 40\n r = compare eq s, c\n return r", "c = const 5\n r = compare eq b, c\n return r"),
  expression("low bits of a shifted number",     "n = const 3\n s = shl b, n\n c = const 5\n r = compare eq s, c\n return r", "r = const 0\n return r"),
  expression("select 1, 0",                      "c = compare lt_u x, b\n p = const 1\n z = const 0\n r = select c, p, z\n return r", "r = compare lt_u x, b\n return r"),
  expression("select on eqz",                    "z = const 0\n c = compare eq x, z\n r = select c, b, h\n return r",   "r = select x, h, b\n return r"),
  expression("bswap16 of shifts",                "n = const 8\n m = const 65535\n u = shl x, n\n v = and x, m\n w = shr_u v, n\n o = or u, w\n r = and o, m\n return r", "r = bswap16 x\n return r"),
  expression("bswap32 of rotations",             "n = const 8\n m = const -16711936\n k = const 16711935\n u = and x, m\n v = rotl u, n\n w = and x, k\n t = rotr w, n\n r = or v, t\n return r", "r = bswap32 x\n return r"),
  expression("a store needs the low bits only",  "m = const 255\n v = and x, m\n store8 g, v\n return x",               "store8 g, x\n return x"),
  expression("a mask that bounds an offset stays", "s = bswap16 h\n m = const 65535\n t = and s, m\n p = global_address .data : ptr\n q = add p, t\n r = load8u q\n return r", "s = bswap16 h\n m = const 65535\n t = and s, m\n p = global_address .data : ptr\n q = add p, t\n r = load8u q\n return r", "pointers"),
  expression("a mask that bounds nothing goes",  "s = bswap16 h\n m = const 65535\n r = and s, m\n return r",           "r = bswap16 h\n return r", "pointers"),
  expression("branch on x != 0",                 "z = const 0\n c = compare ne x, z\n branch c p q\np:\n return b\nq:\n return h", "branch x p q\np:\n return b\nq:\n return h"),
  expression("branch on x == 0",                 "z = const 0\n c = compare eq x, z\n branch c p q\np:\n return b\nq:\n return h", "branch x q p\np:\n return b\nq:\n return h"),
  expression("branch on shifted and swapped bits", "s = bswap16 h\n m = const 8191\n t = and s, m\n n = const 3\n u = shl t, n\n branch u p q\np:\n return b\nq:\n return x", "m = const 65311\n t = and h, m\n branch t p q\np:\n return b\nq:\n return x"),
];

// prettier-ignore
const ROWS: readonly Row[] = [
  ...SIMPLIFY,
  {
    pass: "phis", name: "a local that never changes in a loop",
    before: "a:\n x = param 0\n jump h\nh:\n p = phi a x, b p : i32\n branch p b c\nb:\n jump h\nc:\n return p",
    after: "a:\n x = param 0\n jump h\nh:\n branch x b c\nb:\n jump h\nc:\n return x",
  },
  {
    pass: "known", name: "tested again below",
    before: "a:\n x = param 0\n branch x b c\nb:\n branch x d c2\nd:\n return x\nc2:\n return x\nc:\n return x",
    after: "a:\n x = param 0\n z = const 0\n one = const 1\n branch x b c\nb:\n branch one d c2\nd:\n return x\nc2:\n return x\nc:\n return z",
  },
  {
    pass: "known", name: "nothing where two ways meet",
    before: "a:\n x = param 0\n branch x b c\nb:\n store8 x, x\n jump c\nc:\n return x",
    after: "a:\n x = param 0\n branch x b c\nb:\n store8 x, x\n jump c\nc:\n return x",
  },
  {
    pass: "known", name: "equal to a constant",
    before: "a:\n x = param 0\n k = const 7\n c = compare eq x, k\n branch c b d\nb:\n y = add x, k\n return y\nd:\n return x",
    after: "a:\n x = param 0\n t = const 7\n k = const 7\n c = compare eq x, k\n branch c b d\nb:\n y = add t, k\n return y\nd:\n return x",
  },
  {
    pass: "known", name: "both sides of and",
    before: "a:\n x = param 0\n y = param 1\n c = compare lt_u x, y\n k = const 7\n d = compare ne x, k\n e = and c, d\n branch e p q\np:\n r = add c, d\n return r\nq:\n t = sub c, d\n return t",
    after: "a:\n x = param 0\n y = param 1\n one = const 1\n c = compare lt_u x, y\n k = const 7\n d = compare ne x, k\n e = and c, d\n branch e p q\np:\n r = add one, one\n return r\nq:\n t = sub c, d\n return t",
  },
  {
    pass: "known", name: "neither side of or",
    before: "a:\n x = param 0\n y = param 1\n e = or x, y\n branch e p q\np:\n r = add x, y\n return r\nq:\n t = sub x, y\n return t",
    after: "a:\n x = param 0\n y = param 1\n z = const 0\n e = or x, y\n branch e p q\np:\n r = add x, y\n return r\nq:\n t = sub z, z\n return t",
  },
  {
    pass: "known", name: "a && b", // asc: `if (a) b else a`
    before: "a:\n x = param 0\n y = param 1\n c = compare lt_u x, y\n branch c b m\nb:\n d = compare gt_u x, y\n jump m\nm:\n p = phi a c, b d : i32\n return p",
    after: "a:\n x = param 0\n y = param 1\n z = const 0\n c = compare lt_u x, y\n branch c b m\nb:\n d = compare gt_u x, y\n jump m\nm:\n p = phi a z, b d : i32\n return p",
  },
  {
    pass: "known", name: "packet access inside of one that succeeded", stage: "pointers", entry: true,
    before: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 34 : ptr\n branch p b c\nb:\n q = packet_at ctx, z size 14 : ptr\n branch q d c2\nd:\n r = load32u q +4\n return r\nc2:\n return z\nc:\n return z",
    after: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 34 : ptr\n branch p b c\nb:\n branch p d c2\nd:\n r = load32u p +4\n return r\nc2:\n return z\nc:\n return z",
  },
  {
    pass: "known", name: "a larger access is not covered by a smaller one", stage: "pointers", entry: true,
    before: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 14 : ptr\n branch p b c\nb:\n q = packet_at ctx, z size 34 : ptr\n branch q d c2\nd:\n r = load32u q +4\n return r\nc2:\n return z\nc:\n return z",
    after: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 14 : ptr\n branch p b c\nb:\n q = packet_at ctx, z size 34 : ptr\n branch q d c2\nd:\n r = load32u q +4\n return r\nc2:\n return z\nc:\n return z",
  },
  {
    pass: "thread", name: "a function that returned null on one path",
    before: "a:\n x = param 0\n z = const 0\n branch x b c\nb:\n y = load32u x\n jump m\nc:\n jump m\nm:\n p = phi b y, c z : i32\n branch p yes no\nyes:\n r = load32u p\n return r\nno:\n return z",
    after: "a:\n x = param 0\n z = const 0\n branch x b c\nb:\n y = load32u x\n jump m\nc:\n jump w\nm:\n p = phi b y : i32\n branch p yes no\nyes:\n r = load32u p\n return r\nno:\n return z\nw:\n jump no",
  },
  {
    pass: "thread", name: "values used further down get a phi",
    before: "a:\n x = param 0\n z = const 0\n branch x b c\nb:\n y = load32u x\n jump m\nc:\n jump m\nm:\n p = phi b y, c z : i32\n q = add p, x\n branch p yes no\nyes:\n jump no\nno:\n return q",
    after: "a:\n x = param 0\n z = const 0\n branch x b c\nb:\n y = load32u x\n jump m\nc:\n jump w\nm:\n p = phi b y : i32\n q = add p, x\n branch p yes no\nyes:\n jump no\nno:\n s = phi m q, yes q, w t : i32\n return s\nw:\n t = add z, x\n jump no",
  },
  {
    pass: "thread", name: "a loop header is left alone",
    before: "a:\n z = const 0\n jump h\nh:\n i = phi a z, b j : i32\n n = const 4\n c = compare lt_u i, n\n branch c b e\nb:\n one = const 1\n j = add i, one\n jump h\ne:\n return i",
    after: "a:\n z = const 0\n jump h\nh:\n i = phi a z, b j : i32\n n = const 4\n c = compare lt_u i, n\n branch c b e\nb:\n one = const 1\n j = add i, one\n jump h\ne:\n return i",
  },
  {
    pass: "cfg", name: "branch on a constant, unreachable block, merged chain",
    before: "a:\n one = const 1\n branch one b c\nb:\n jump d\nc:\n jump d\nd:\n p = phi b one, c one : i32\n return p",
    after: "a:\n one = const 1\n return one",
  },
  {
    pass: "cfg", name: "both ways bring the same",
    before: "a:\n x = param 0\n branch x b c\nb:\n jump d\nc:\n jump d\nd:\n g = global_address .data\n store32 g, x\n return x",
    after: "a:\n x = param 0\n g = global_address .data\n store32 g, x\n return x",
  },
  {
    pass: "cfg", name: "empty blocks are skipped, with their phis",
    before: "a:\n x = param 0\n y = param 1\n branch x b c\nb:\n store8 y, x\n branch y c e\nc:\n p = phi a x, b y : i32\n jump d\ne:\n store8 x, x\n jump d\nd:\n q = phi c p, e x : i32\n store32 x, q\n return q",
    after: "a:\n x = param 0\n y = param 1\n branch x b d\nb:\n store8 y, x\n branch y d e\ne:\n store8 x, x\n jump d\nd:\n q = phi e x, a x, b y : i32\n store32 x, q\n return q",
  },
  {
    pass: "cfg", name: "returns at once",
    before: "a:\n x = param 0\n branch x b c\nb:\n store8 x, x\n jump d\nc:\n store16 x, x\n jump d\nd:\n p = phi b x, c x : i32\n return p",
    after: "a:\n x = param 0\n branch x b c\nb:\n store8 x, x\n return x\nc:\n store16 x, x\n return x",
  },
  {
    pass: "gvn", name: "computed before on the way here",
    before: "a:\n x = param 0\n y = param 1\n s = add x, y\n branch s b c\nb:\n t = add y, x\n return t\nc:\n return s",
    after: "a:\n x = param 0\n y = param 1\n s = add x, y\n branch s b c\nb:\n return s\nc:\n return s",
  },
  {
    pass: "gvn", name: "not what another branch computed",
    before: "a:\n x = param 0\n branch x b c\nb:\n t = add x, x\n return t\nc:\n u = add x, x\n return u",
    after: "a:\n x = param 0\n branch x b c\nb:\n t = add x, x\n return t\nc:\n u = add x, x\n return u",
  },
  {
    pass: "gvn", name: "the same packet access twice", stage: "pointers", entry: true,
    before: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 14 : ptr\n q = packet_at ctx, z size 14 : ptr\n one = const 1\n r = select p, one, z\n t = select q, z, one\n u = add r, t\n return u",
    after: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 14 : ptr\n one = const 1\n r = select p, one, z\n t = select p, z, one\n u = add r, t\n return u",
  },
  {
    pass: "gvn", name: "not when a helper moves the packet", stage: "pointers", entry: true,
    before: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 14 : ptr\n m = call_helper xdp_adjust_head(ctx, z)\n q = packet_at ctx, z size 14 : ptr\n one = const 1\n r = select p, one, z\n t = select q, z, one\n u = add r, t\n return u",
    after: "a:\n ctx = param 0 : ptr\n z = const 0\n p = packet_at ctx, z size 14 : ptr\n m = call_helper xdp_adjust_head(ctx, z)\n q = packet_at ctx, z size 14 : ptr\n one = const 1\n r = select p, one, z\n t = select q, z, one\n u = add r, t\n return u",
  },
  {
    pass: "forward", name: "from a store, cut to the load's size",
    before: "a:\n x = param 0\n s = stack_slot 8\n store8 s, x +3\n y = load8u s +3\n return y",
    after: "a:\n x = param 0\n s = stack_slot 8\n store8 s, x +3\n m = const 255\n y = and x, m\n return y",
  },
  {
    pass: "forward", name: "sign-extended to 64 bits",
    before: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n y = load32s s : i64\n w = wrap y\n store64 x, y\n return w",
    after: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n y = extend_s x\n w = wrap y\n store64 x, y\n return w",
  },
  {
    pass: "forward", name: "from a load on all ways here",
    before: "a:\n p = param 0\n x = load8u p +9\n branch x b c\nb:\n jump c\nc:\n y = load8u p +9\n return y",
    after: "a:\n p = param 0\n x = load8u p +9\n branch x b c\nb:\n jump c\nc:\n return x",
  },
  {
    pass: "forward", name: "not over a store that may overlap",
    before: "a:\n p = param 0\n q = param 1\n x = load8u p +9\n store8 q, x\n y = load8u p +9\n z = add x, y\n return z",
    after: "a:\n p = param 0\n q = param 1\n x = load8u p +9\n store8 q, x\n y = load8u p +9\n z = add x, y\n return z",
  },
  {
    pass: "forward", name: "over a helper that gets another object only",
    before: "a:\n x = param 0\n s = stack_slot 8\n k = stack_slot 8\n m = map_address M\n store32 s, x\n store32 k, x\n r = call_helper map_lookup_elem(m, k) : i32\n y = load32u s\n z = load32u k\n u = add y, z\n return u",
    after: "a:\n x = param 0\n s = stack_slot 8\n k = stack_slot 8\n m = map_address M\n store32 s, x\n store32 k, x\n r = call_helper map_lookup_elem(m, k) : i32\n z = load32u k\n u = add x, z\n return u",
  },
  {
    pass: "sroa", name: "fields become values",
    before: "a:\n x = param 0\n s = stack_slot 8\n z = const 0 : i64\n store64 s, z\n branch x b c\nb:\n store32 s, x +4\n jump c\nc:\n y = load32u s +4\n return y",
    after: "a:\n x = param 0\n s = stack_slot 8\n z = const 0 : i64\n k = const 0\n store64 s, z\n branch x b c\nb:\n jump c\nc:\n y = phi a k, b x : i32\n return y",
  },
  {
    pass: "sroa", name: "not those that a helper reads",
    before: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n y = load32u s\n return y",
    after: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n y = load32u s\n return y",
  },
  {
    pass: "sroa", name: "not those that a call gets",
    callees: { f: "a:\n p = param 0\n c = const 1\n store32 p, c\n return c" },
    before: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n r = call f(s) : i32\n y = load32u s\n z = add y, r\n return z",
    after: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n r = call f(s) : i32\n y = load32u s\n z = add y, r\n return z",
  },
  {
    pass: "dse", name: "zeroed, then filled",
    before: "a:\n x = param 0\n s = stack_slot 8\n z = const 0 : i64\n store64 s, z\n store32 s, x\n store32 s, x +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n store32 s, x +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "dse", name: "padding that a helper reads stays zeroed",
    before: "a:\n x = param 0\n s = stack_slot 8\n z = const 0 : i64\n store64 s, z\n store32 s, x\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n x = param 0\n s = stack_slot 8\n z = const 0 : i64\n store64 s, z\n store32 s, x\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "dse", name: "padding behind the key of a known map is not read", mapSizes: { key: 4, value: 8 },
    before: "a:\n x = param 0\n s = stack_slot 8\n z = const 0 : i64\n store64 s, z\n store32 s, x\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n x = param 0\n s = stack_slot 8\n store32 s, x\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "dse", name: "a buffer is read in its length",
    before: "a:\n x = param 0\n s = stack_slot 16\n z = const 0 : i64\n store64 s, z\n store64 s, z +8\n m = map_address M\n n = const 8 : i64\n r = call_helper ringbuf_output(m, s, n, z)\n return x",
    after: "a:\n x = param 0\n s = stack_slot 16\n z = const 0 : i64\n store64 s, z\n m = map_address M\n n = const 8 : i64\n r = call_helper ringbuf_output(m, s, n, z)\n return x",
  },
  {
    pass: "dse", name: "filled on one way only",
    before: "a:\n x = param 0\n s = stack_slot 8\n z = const 0\n store32 s, z\n branch x b c\nb:\n store32 s, x\n jump c\nc:\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n store32 s, z\n return r",
    after: "a:\n x = param 0\n s = stack_slot 8\n z = const 0\n store32 s, z\n branch x b c\nb:\n store32 s, x\n jump c\nc:\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "merge-stores", name: "two halves", stage: "pointers",
    before: "a:\n s = stack_slot 8\n k = const 1\n n = const 0\n store32 s, k\n store32 s, n +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n s = stack_slot 8\n w = const 1 : i64\n store64 s, w\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "merge-stores", name: "not when the result is no immediate", stage: "pointers",
    before: "a:\n s = stack_slot 8\n k = const 1\n store32 s, k\n store32 s, k +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n s = stack_slot 8\n k = const 1\n store32 s, k\n store32 s, k +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "merge-stores", name: "not across an alignment boundary", stage: "pointers",
    before: "a:\n s = stack_slot 16\n n = const 0\n store32 s, n +4\n store32 s, n +8\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n s = stack_slot 16\n n = const 0\n store32 s, n +4\n store32 s, n +8\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "merge-stores", name: "a merged store is a write to those before it", stage: "pointers",
    before: "a:\n s = stack_slot 8\n z = const 0 : i64\n n = const 0\n k = const 1\n l = const 2\n store64 s, z\n store16 s, k +4\n store16 s, l +6\n store16 s, n +6\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
    after: "a:\n s = stack_slot 8\n z = const 0 : i64\n store64 s, z\n k = const 1\n store32 s, k +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n return r",
  },
  {
    pass: "merge-stores", name: "not over a read", stage: "pointers",
    before: "a:\n s = stack_slot 8\n k = const 1\n n = const 0\n store32 s, k\n x = load32u s +4\n store32 s, n +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n y = add r, x\n return y",
    after: "a:\n s = stack_slot 8\n k = const 1\n n = const 0\n store32 s, k\n x = load32u s +4\n store32 s, n +4\n m = map_address M\n r = call_helper map_lookup_elem(m, s) : i32\n y = add r, x\n return y",
  },
  {
    pass: "dce", name: "loads, phis that feed each other",
    before: "a:\n x = param 0\n l = load32u x\n jump h\nh:\n p = phi a l, b q : i32\n branch x b c\nb:\n q = add p, x\n jump h\nc:\n return x",
    after: "a:\n x = param 0\n jump h\nh:\n branch x b c\nb:\n jump h\nc:\n return x",
  },
  {
    pass: "inline", name: "two returns, and a trap that stays",
    callees: { g: "a:\n x = param 0\n branch x b c\nb:\n return x\nc:\n y = load32u x\n branch y d t\nd:\n return y\nt:\n trap" },
    before: "a:\n x = param 0\n r = call g(x)\n s = add r, x\n return s",
    after: "a:\n x = param 0\n jump b\nafter:\n r = phi c x, e y : i32\n s = add r, x\n return s\nb:\n branch x c d\nc:\n jump after\nd:\n y = load32u x\n branch y e t\ne:\n jump after\nt:\n trap",
  },
  {
    pass: "arguments", name: "what all callers pass",
    callees: { g: "a:\n k = const 0\n x = param 0\n r = call f(x, k)\n s = call f(r, k)\n return s" },
    before: "a:\n x = param 0\n y = param 1\n z = add x, y\n return z",
    after: "a:\n x = param 0\n y = param 1\n k = const 0\n z = add x, k\n return z",
  },
  {
    pass: "arguments", name: "not what one of them passes",
    callees: { g: "a:\n k = const 0\n l = const 1\n r = call f(k)\n s = call f(l)\n t = add r, s\n return t" },
    before: "a:\n x = param 0\n return x",
    after: "a:\n x = param 0\n return x",
  },
  {
    pass: "arguments", name: "not what the kernel may pass to a callback",
    callees: { g: "a:\n k = const 0\n r = call f(k)\n p = function_address f\n m = map_address M\n s = call_helper for_each_map_elem(m, p, m, k) : i32\n t = add r, s\n return t" },
    before: "a:\n x = param 0\n return x",
    after: "a:\n x = param 0\n return x",
  },
  {
    pass: "inline", name: "a recursive function stays a call",
    before: "a:\n x = param 0\n branch x b c\nb:\n r = call f(x)\n return r\nc:\n return x",
    after: "a:\n x = param 0\n branch x b c\nb:\n r = call f(x)\n return r\nc:\n return x",
  },
];

const passes = new Map([
  ...FUNCTION_PASSES.map(
    ({ pass }) =>
      [
        pass.name,
        (m: IrModule, stage: Stage, sizes: Row["mapSizes"]) =>
          void [...m.functions.values()].map((fn) => pass.run(fn, { stage, module: m, mapSizes: () => sizes ?? null })),
      ] as const,
  ),
  ...MODULE_PASSES.map(({ pass }) => [pass.name, (m: IrModule) => void pass.runModule(m)] as const),
]);

describe("passes", () => {
  test.each(ROWS.map((row) => [`${row.pass}: ${row.name}`, row] as const))("%s", (_, row) => {
    const stage = row.stage ?? "scalar";
    const fn = parseFunction(row.before, { entry: row.entry ?? false });
    const callees = Object.entries(row.callees ?? {}).map(
      ([name, text]) => [name, parseFunction(text, { name })] as const,
    );
    expect(checkFunction(fn), "the row is well formed").toEqual([]);
    passes.get(row.pass)?.({ functions: new Map([["f", fn], ...callees]) }, stage, row.mapSizes);
    expect(checkFunction(fn)).toEqual([]);
    dce.run(fn, { stage, module: { functions: new Map() } });
    const wanted = parseFunction(row.after, { entry: row.entry ?? false });
    dce.run(wanted, { stage, module: { functions: new Map() } });
    expect(show(fn)).toBe(show(wanted));
  });

  test("every pass has rows", () => {
    expect([...passes.keys()].filter((name) => !ROWS.some((row) => row.pass === name))).toEqual([]);
  });

  test("text is read back as it was printed", () => {
    for (const row of ROWS) expect(show(parseFunction(show(parseFunction(row.before))))).toBe(normalise(row.before));
  });
});
