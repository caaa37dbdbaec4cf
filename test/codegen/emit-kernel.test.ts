/**
 * Random programs in the running kernel: its verifier takes the compiled code, and BPF_PROG_TEST_RUN returns what the IR
 * says. Skipped, saying why, where programs cannot be loaded.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileFunction } from "../../codegen/emit/function.ts";
import type { IrFunction } from "../../codegen/ir/ir.ts";
import { printFunction } from "../../codegen/ir/print.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { canLoad, load } from "../../loader/index.ts";
import { evaluate } from "./emit-evaluate-ir.ts";
import { Memory } from "./emit-memory.ts";
import { randomFunction } from "./emit-random-ir.ts";

const loadable = canLoad();
if (!loadable.ok) process.stderr.write(`skipped: compiled programs in the kernel: ${loadable.reason}\n`);
const seed = Number(process.env["EBPF_TS_SEED"] ?? Math.trunc(Math.random() * 2 ** 31));
process.stderr.write(`compiled programs in the kernel: seed ${seed}\n`);

function objectOf(fn: IrFunction, cpu: "v2" | "v3" | "v4"): ObjectSpec {
  const { insns } = compileFunction(fn, { cpu });
  const program = {
    name: "p",
    insns,
    relocations: [],
    lines: [],
    btfId: 0,
    linkage: "global",
    section: "xdp",
    type: "xdp",
    attach: "xdp",
    flags: 0,
  } as const;
  return { license: "GPL", programs: [program], subprograms: [], maps: [], btf: { types: [] } };
}

describe.skipIf(!loadable.ok)("the kernel", () => {
  test.each(["v3", "v4"] as const)("runs compiled programs, %s", async (cpu) => {
    const choices = fc.array(fc.nat(0xffff), { maxLength: 300, size: "max" });
    await fc.assert(
      fc.asyncProperty(choices, fc.uint8Array({ minLength: 14, maxLength: 64 }), async (numbers, data) => {
        const fn = randomFunction(numbers, { entry: true, forKernel: true });
        const memory = new Memory(data);
        const { result } = evaluate(fn, [memory.context], memory, () => 0n);
        using loaded = await load(objectOf(fn, cpu));
        const run = loaded.program("p").testRun({ data });
        expect(BigInt(run.returnValue), printFunction(fn)).toBe(result);
      }),
      { numRuns: 150, seed },
    );
  });
});
