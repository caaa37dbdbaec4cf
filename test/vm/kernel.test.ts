/**
 * The machine against the running kernel: the same object and the same packets on both, and everything that can be seen
 * compared. Maps: kernel-maps.test.ts. Skipped, saying why, where programs cannot be loaded.
 */
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
// prettier-ignore
import { alu32, alu64, call, exit, jmp, jmp32, label, ldx, mov64, movsx64, neg32, neg64, r0, r1, r10, r2, r3, r4, r5, r6, r7, r8, r9, st, swap } from "../../lib/asm/index.ts";
import type { Item, Register } from "../../lib/asm/index.ts";
import type { AluOp, JumpOp } from "../../lib/isa/index.ts";
import type { HelperName, HookName } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import { createMachine } from "../../lib/vm/index.ts";
import type { Fault, Machine } from "../../lib/vm/index.ts";
import { canLoad, load } from "../../loader/index.ts";
import type { LoadedObject } from "../../loader/index.ts";
import { object, program } from "../kernel/specs.ts";
import { u64 } from "./bytes.ts";

type Part = Parameters<typeof program>[2][number];

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: the machine against the kernel: ${loadable.reason}\n`);

/** One object on both sides. */
interface Both {
  readonly machine: Machine;
  readonly kernel: LoadedObject;
}
const opened: LoadedObject[] = [];
afterAll(() => {
  for (const one of opened) one.close();
});

async function onBoth(hook: HookName, parts: readonly Part[], maps: readonly MapSpec[] = []): Promise<Both> {
  const spec = object([program("p", hook, parts)], maps);
  const kernel = await load(spec);
  opened.push(kernel);
  return { machine: createMachine(spec), kernel };
}

interface Seen {
  verdict: number | null;
  packet: Uint8Array | null;
  fault: Fault | null;
}

/** Verdict and packet of both sides; a fault of the machine shows as such. */
function runBoth(
  { machine, kernel }: Both,
  data: Uint8Array,
): { machine: Seen; kernel: Seen & { packet: Uint8Array } } {
  const real = kernel.program("p").testRun({ data });
  const simulated = machine.run("p", { packet: data });
  return {
    machine: { verdict: simulated.returnValue, packet: simulated.packet, fault: simulated.fault },
    kernel: { verdict: real.returnValue | 0, packet: real.data, fault: null },
  };
}

/** r6 = ctx, r7 = packet, `size` bytes of it proven; r0 = 0 and out when they are not there. */
function packetProlog(size: number, hook: HookName = "xdp"): Item[] {
  const [data, end] = hook === "xdp" ? [0, 4] : [76, 80];
  return [
    mov64(r6, r1),
    mov64(r0, 0),
    ldx(4, r7, r1, data),
    ldx(4, r8, r1, end),
    mov64(r9, r7),
    alu64("add", r9, size),
    jmp("gt", r9, r8, "out"),
  ];
}
const EPILOG: Item[] = [label("out"), exit()];

const seed = Math.trunc(Math.random() * 2 ** 31);
process.stderr.write(`machine against kernel: seed ${seed}\n`);
const packetOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

describe.skipIf(!loadable.ok)("the machine and the kernel agree", () => {
  // Sixteen operands of a program come from the packet, every result goes back into it.
  const registers = [r1, r2, r3, r4, r5] as const;
  const register = fc.constantFrom(...registers);
  const aluOps = [
    "add",
    "sub",
    "mul",
    "div",
    "sdiv",
    "or",
    "and",
    "lsh",
    "rsh",
    "mod",
    "smod",
    "xor",
    "mov",
    "arsh",
  ] as const satisfies readonly AluOp[];
  const jumps = [
    "eq",
    "gt",
    "ge",
    "set",
    "ne",
    "sgt",
    "sge",
    "lt",
    "le",
    "slt",
    "sle",
  ] as const satisfies readonly JumpOp[];
  const isShift = (op: AluOp): boolean => op === "lsh" || op === "rsh" || op === "arsh";
  const isDivision = (op: AluOp): boolean => op === "div" || op === "mod" || op === "sdiv" || op === "smod";
  // The kernel refuses to load shifts by too much and divisions by a zero immediate.
  const immediateFor = (op: AluOp, imm: number): number =>
    isShift(op) ? imm & 31 : isDivision(op) && imm === 0 ? 1 : imm;
  const imm = fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom(-1, 0, 1, 2));

  // prettier-ignore
  const operation: fc.Arbitrary<Item[]> = fc.oneof(
    { weight: 6, arbitrary: fc.tuple(fc.constantFrom(...aluOps), register, register, fc.boolean()).map(([op, dst, src, wide]) => [(wide ? alu64 : alu32)(op, dst, src)]) },
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...aluOps), register, imm, fc.boolean()).map(([op, dst, n, wide]) => [(wide ? alu64 : alu32)(op, dst, immediateFor(op, n))]) },
    { weight: 1, arbitrary: fc.tuple(register, fc.boolean()).map(([dst, wide]) => [(wide ? neg64 : neg32)(dst)]) },
    { weight: 1, arbitrary: fc.tuple(register, register, fc.constantFrom(8, 16, 32)).map(([dst, src, bits]) => [movsx64(bits as 8, dst, src)]) },
    { weight: 1, arbitrary: fc.tuple(register, fc.constantFrom("le", "be", "bswap"), fc.constantFrom(16, 32, 64)).map(([dst, op, bits]) => [swap(op as "le", bits as 16, dst)]) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...jumps), register, register, fc.boolean()).map(([op, a, b, wide]) => [(wide ? jmp : jmp32)(op, a, b, 1), alu64("xor", a, 0x55)]) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...jumps), register, imm, fc.boolean()).map(([op, a, n, wide]) => [(wide ? jmp : jmp32)(op, a, n, 1), alu64("add", a, 77)]) },
  );

  const word = fc.oneof(
    fc.bigInt(0n, (1n << 64n) - 1n),
    fc.constantFrom(0n, 1n, 1n << 63n, (1n << 64n) - 1n, 1n << 31n, 0xffff_ffffn),
  );

  test("on random arithmetic and branches", async () => {
    const operands = fc.array(word, { minLength: 5, maxLength: 5 });
    // prettier-ignore
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), fc.array(operands, { minLength: 3, maxLength: 3 }), async (ops, inputs) => {
        const both = await onBoth("xdp", [
          ...packetProlog(64),
          ...registers.map((r, i) => ldx(8, r, r7, 16 + 8 * i)),
          ...ops.flat(),
          ...registers.map((r, i) => st(8, r7, 16 + 8 * i, r)),
          mov64(r0, r1),
          ...EPILOG,
        ]);
        for (const input of inputs) {
          const packet = Uint8Array.from([...new Uint8Array(16), ...input.flatMap((value) => [...u64(value)]), ...new Uint8Array(8)]);
          const { machine, kernel } = runBoth(both, packet);
          expect(machine).toEqual(kernel);
        }
        both.kernel.close();
      }),
      { seed, numRuns: 150 },
    );
  }, 120_000);

  test("on the room around an XDP packet", async () => {
    // prettier-ignore
    const cases: [HelperName, length: number, delta: number][] = [
      ["xdp_adjust_head", 64, -216], ["xdp_adjust_head", 64, -217], ["xdp_adjust_head", 64, 50], ["xdp_adjust_head", 64, 51],
      ["xdp_adjust_head", 64, 14], ["xdp_adjust_tail", 64, -50], ["xdp_adjust_tail", 64, -51], ["xdp_adjust_tail", 64, 100],
      ["xdp_adjust_tail", 3000, 520], ["xdp_adjust_tail", 3000, 521], ["xdp_adjust_meta", 64, -4], ["xdp_adjust_meta", 64, -3],
      ["xdp_adjust_meta", 64, 4], ["xdp_adjust_meta", 64, -216], ["xdp_adjust_meta", 64, -220],
    ];
    for (const [helper, length, delta] of cases) {
      const both = await onBoth("xdp", [mov64(r2, delta), call(helper), exit()]);
      const { machine, kernel } = runBoth(
        both,
        Uint8Array.from({ length }, (_, i) => i + 1),
      );
      // The kernel gives the metadata back in front of the packet.
      if (helper === "xdp_adjust_meta") kernel.packet = kernel.packet.subarray(kernel.packet.length - length);
      expect({ helper, length, delta, result: machine }).toEqual({ helper, length, delta, result: kernel });
    }
  });

  test("on checksums", async () => {
    // The packet: 64 bytes of data at 16, sizes and seed from the case.
    // prettier-ignore
    await fc.assert(
      fc.asyncProperty(fc.nat(5), fc.nat(5), fc.oneof(fc.integer(), fc.constantFrom(0, -1)), packetOf(80), fc.constantFrom(null, 0, 0xff), async (fromWords, toWords, start, data, all) => {
        // One's complement has two zeros.
        if (all !== null) data.fill(all);
        const both = await onBoth("xdp", [
          ...packetProlog(80),
          mov64(r1, r7), alu64("add", r1, 16), mov64(r2, fromWords * 4),
          mov64(r3, r7), alu64("add", r3, 48), mov64(r4, toWords * 4),
          mov64(r5, start), call("csum_diff"),
          ...EPILOG,
        ]);
        const { machine, kernel } = runBoth(both, data);
        expect(machine).toEqual(kernel);
        both.kernel.close();
      }),
      { seed, numRuns: 60 },
    );
    const flags = [0, 2, 4, 1, 0x12, 0x14, 0x10, 0x22, 0x24, 0x32, 0x62, 0x100];
    const helper = fc.constantFrom<HelperName>("l3_csum_replace", "l4_csum_replace");
    const change = fc.record({
      helper,
      flag: fc.constantFrom(...flags),
      offset: fc.constantFrom(24, 40, 62, 25, 63, 64, 70000),
      from: fc.integer(),
      to: fc.integer(),
      old: fc.constantFrom<number | null>(0, 0xffff, null),
    });
    // prettier-ignore
    await fc.assert(
      fc.asyncProperty(change, packetOf(64), async ({ helper, flag, offset, from, to, old }, data) => {
        data.set([8, 0], 12);
        if (old !== null) data.fill(old & 255, 24, 26);
        const both = await onBoth("tc", [
          mov64(r2, offset), mov64(r3, from), mov64(r4, to), mov64(r5, flag), call(helper), exit(),
        ]);
        const { machine, kernel } = runBoth(both, data);
        expect(machine).toEqual(kernel);
        both.kernel.close();
      }),
      { seed, numRuns: 120 },
    );
  }, 60_000);

  test("on skb_load_bytes, skb_store_bytes and the context of tc", async () => {
    const data = Uint8Array.from({ length: 64 }, (_, i) => i + 1);
    data.set([8, 0], 12);
    const stack = (offset: Register, at: number): Item[] => [mov64(offset, r10), alu64("add", offset, at)];
    // prettier-ignore
    const cases: Item[][] = [
      ...[0, 56, 57, 64, -1].map((at) => [st(8, r10, -8, 0), mov64(r2, at), ...stack(r3, -8), mov64(r4, 8), call("skb_load_bytes"), mov64(r7, r0), ldx(8, r0, r10, -8), alu64("xor", r0, r7), exit()]),
      ...[[0, 0], [60, 0], [61, 0], [10, 1], [10, 2], [10, 4], [10, 3]].map(([at = 0, flags = 0]) => [st(8, r10, -8, 0x01020304), mov64(r2, at), ...stack(r3, -8), mov64(r4, 4), mov64(r5, flags), call("skb_store_bytes"), exit()]),
      ...[0, 4, 8, 16, 20, 32, 40, 44, 68].map((field) => [ldx(4, r0, r1, field), exit()]),
      [mov64(r2, 64), call("skb_pull_data"), exit()],
      [mov64(r2, 65), call("skb_pull_data"), exit()],
    ];
    const multicast = data;
    const host = Uint8Array.from(data).fill(0, 0, 6); // the address of lo, which the kernel's test run uses
    for (const parts of cases) {
      const both = await onBoth("tc", parts);
      for (const frame of [host, multicast]) {
        const { machine, kernel } = runBoth(both, frame);
        expect(machine).toEqual(kernel);
      }
    }
  });

  test("on redirect verdicts", async () => {
    // prettier-ignore
    const cases: [HookName, HelperName, number][] = [
      ["xdp", "redirect", 0], ["xdp", "redirect", 1], ["tc", "redirect", 0], ["tc", "redirect", 2], ["tc", "redirect_peer", 1],
    ];
    for (const [hook, helper, flags] of cases) {
      // The verdict goes into the packet: the kernel acts on a returned redirect.
      const both = await onBoth(hook, [
        ...packetProlog(64, hook),
        mov64(r1, 1),
        mov64(r2, flags),
        call(helper),
        st(8, r7, 20, r0),
        mov64(r0, 2),
        ...EPILOG,
      ]);
      const { machine, kernel } = runBoth(both, new Uint8Array(64).fill(8));
      expect(machine).toEqual(kernel);
    }
  });
});
