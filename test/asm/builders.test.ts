// The builders: each call beside the text of the instruction that it makes; labels.
import { describe, expect, test } from "vitest";
import type { DiagnosticError } from "../../lib/diag/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
// prettier-ignore
import {
  add32, add64, addrSpaceCast, alu32, alu64, and32, and64, arsh32, arsh64, assemble, atomic, call, callKfunc, callLocal, callx,
  disassemble, div32, div64, exit, gotol, ja, jmp, jmp32, label, ldabs, lddw, ldind, ldsx, ldx, loadAcquire, lsh32, lsh64,
  mayGoto, mod32, mod64, mov32, mov64, movsx32, movsx64, mul32, mul64, neg32, neg64, or32, or64, r0, r1, r10, r2, r3, r4, r5,
  r6, r7, r8, r9, rsh32, rsh64, sdiv32, sdiv64, smod32, smod64, st, storeRelease, sub32, sub64, swap, textOf, xor32, xor64,
} from "../../lib/asm/index.ts";
import type { Item } from "../../lib/asm/index.ts";

// prettier-ignore
test.each<[Insn, string]>([
  [add64(r1, 5),  "r1 += 5"],   [add32(r1, r2),  "w1 += w2"],
  [sub64(r3, -5), "r3 -= -5"],  [sub32(r3, r4),  "w3 -= w4"],
  [mul64(r5, r6), "r5 *= r6"],  [mul32(r5, 3),   "w5 *= 3"],
  [div64(r7, r8), "r7 /= r8"],  [div32(r7, 3),   "w7 /= 3"],
  [sdiv64(r9, 3), "r9 s/= 3"],  [sdiv32(r9, r0), "w9 s/= w0"],
  [mod64(r1, r2), "r1 %= r2"],  [mod32(r1, 3),   "w1 %= 3"],
  [smod64(r1, 3), "r1 s%= 3"],  [smod32(r1, r2), "w1 s%= w2"],
  [or64(r1, r2),  "r1 |= r2"],  [or32(r1, 3),    "w1 |= 3"],
  [and64(r1, 3),  "r1 &= 3"],   [and32(r1, r2),  "w1 &= w2"],
  [xor64(r1, r2), "r1 ^= r2"],  [xor32(r1, 3),   "w1 ^= 3"],
  [lsh64(r1, 3),  "r1 <<= 3"],  [lsh32(r1, r2),  "w1 <<= w2"],
  [rsh64(r1, r2), "r1 >>= r2"], [rsh32(r1, 3),   "w1 >>= 3"],
  [arsh64(r1, 3), "r1 s>>= 3"], [arsh32(r1, r2), "w1 s>>= w2"],
  [mov64(r1, r10), "r1 = r10"], [mov32(r0, 0),   "w0 = 0"],
  [alu64("add", r1, r2), "r1 += r2"],
  [alu32("mov", r1, r2), "w1 = w2"],
  [movsx64(32, r1, r2), "r1 = (s32)r2"],
  [movsx32(8, r1, r2), "w1 = (s8)w2"],
  [neg64(r1), "r1 = -r1"],
  [neg32(r1), "w1 = -w1"],
  [swap("be", 16, r1), "r1 = be16 r1"],
  [swap("bswap", 64, r1), "r1 = bswap64 r1"],
  [ldx(4, r0, r1, 8), "r0 = *(u32 *)(r1 +8)"],
  [ldsx(2, r0, r1, -8), "r0 = *(s16 *)(r1 -8)"],
  [st(8, r10, -8, r1), "*(u64 *)(r10 -8) = r1"],
  [st(1, r10, -8, 0), "*(u8 *)(r10 -8) = 0"],
  [atomic("fetch_add", 8, r1, 0, r2), "r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)"],
  [loadAcquire(4, r1, r2, 0), "r1 = load_acquire((u32 *)(r2 +0))"],
  [storeRelease(4, r1, 0, r2), "store_release((u32 *)(r1 +0), r2)"],
  [lddw(r1, 0x1122334455667788n), "r1 = 0x1122334455667788"],
  [lddw(r1, 7n, "map_fd"), "r1 = map[id:7]"],
  [ldabs(2, 12), "r0 = *(u16 *)skb[12]"],
  [ldind(1, r2, 14), "r0 = *(u8 *)skb[r2 + 14]"],
  [addrSpaceCast(r1, r2, 0, 1), "r1 = addr_space_cast(r2, 0, 1)"],
  [ja(-1), "goto pc-1"],
  [gotol(70000), "gotol pc+70000"],
  [mayGoto(3), "may_goto pc+3"],
  [jmp("eq", r0, 0, 2), "if r0 == 0x0 goto pc+2"],
  [jmp32("sgt", r0, r1, 2), "if w0 s> w1 goto pc+2"],
  [call("map_lookup_elem"), "call bpf_map_lookup_elem#1"],
  [call(6), "call bpf_trace_printk#6"],
  [callLocal(-3), "call pc-3"],
  [callKfunc(77, 1), "call kernel-function#77[fd:1]"],
  [callx(r3), "callx r3"],
  [exit(), "exit"],
])("%o", (insn, text) => expect(textOf(insn)).toBe(text));

describe("labels", () => {
  test("count slots, forwards and backwards, past 64-bit loads", () => {
    const insns = assemble([
      label("top"),
      jmp("eq", r1, 0, "out"),
      lddw(r2, 1n),
      jmp32("ne", r1, r2, "top"),
      callLocal("f"),
      mayGoto("out"),
      gotol("out"),
      ja("next"),
      label("next"),
      label("out"),
      exit(),
      label("f"),
      exit(),
    ]);
    expect(disassemble(insns).map((d) => d.text)).toEqual([
      "if r1 == 0x0 goto pc+7",
      "r2 = 0x1",
      "if w1 != w2 goto pc-4",
      "call pc+4",
      "may_goto pc+2",
      "gotol pc+1",
      "goto pc+0",
      "exit",
      "exit",
    ]);
  });

  // prettier-ignore
  test.each<[string, string, Item[]]>([
    ["an unknown label",        "A015", [mov64(r0, 0), ja("nowhere")]],
    ["a label defined twice",   "A016", [exit(), label("x"), label("x")]],
  ])("refuse %s, naming the slot", (_, code, items) => {
    try {
      assemble(items);
      expect.unreachable("nothing was refused");
    } catch (error) {
      expect((error as DiagnosticError).diagnostics).toMatchObject([{ code, place: { path: "slot 1" } }]);
    }
  });
});
