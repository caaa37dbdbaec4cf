// The optimiser must not change what a program does: random programs are run by the IR evaluator before and after each
// pass, random sequences of passes, and the whole list.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkFunction } from "../../../codegen/ir/check.ts";
import type { IrModule } from "../../../codegen/ir/ir.ts";
import type { FunctionPass, Stage } from "../../../codegen/ir/pass.ts";
import { printModule } from "../../../codegen/ir/print.ts";
import { FINAL_PASSES, FUNCTION_PASSES, MODULE_PASSES, optimise } from "../../../codegen/passes/index.ts";
import { evaluate, WORD, type Input, type Outcome } from "../ir-eval.ts";
import { anyProgram, buildModule } from "../random-ir.ts";

const RUNS = Number(process.env["EBPF_TS_RUNS"] ?? 100);
const SEED = process.env["EBPF_TS_SEED"];

const INPUTS: readonly Input[] = [
  { args: [], packet: Uint8Array.from({ length: 24 }, (_, i) => i * 17), salt: 0 },
  { args: [], packet: new Uint8Array(0), salt: 1 },
  { args: [], packet: Uint8Array.from({ length: 64 }, (_, i) => 255 - i), salt: 113 },
];

/** As the evaluator plays the helpers. */
const mapSizes = (): { key: number; value: number } => ({ key: WORD, value: WORD });

function outcomes(module: IrModule): Outcome[] {
  return INPUTS.map((input) => evaluate(module, "main", input));
}

function wellFormed(module: IrModule): string[] {
  return [...module.functions.values()].flatMap((fn) => checkFunction(fn).map((p) => `${fn.name}: ${p}`));
}

const passes: readonly FunctionPass[] = [...FUNCTION_PASSES, ...FINAL_PASSES].map((row) => row.pass);
const stages: readonly Stage[] = ["scalar", "pointers"];
const settings = { numRuns: RUNS, ...(SEED === undefined ? {} : { seed: Number(SEED) }) };

/** Runs `change` on random programs; the seed and the smallest program that it breaks, if there is one. */
function broken(stage: Stage, change: (module: IrModule) => void): string | undefined {
  const details = fc.check(
    fc.property(anyProgram, (program) => {
      const module = buildModule(program, stage);
      const before = printModule(module);
      const expected = outcomes(module);
      try {
        change(module);
        expect(wellFormed(module)).toEqual([]);
        expect(outcomes(module)).toEqual(expected);
      } catch (error) {
        throw new Error(`${String(error)}\nbefore:\n${before}\nafter:\n${printModule(module)}`, { cause: error });
      }
    }),
    settings,
  );
  return fc.defaultReportMessage(details);
}

function runOn(module: IrModule, stage: Stage, pass: FunctionPass): void {
  for (const fn of module.functions.values()) pass.run(fn, { stage, module, mapSizes });
}

describe.each(stages)("stage %s", (stage) => {
  test("the generator's programs are well formed and end", () => {
    expect(broken(stage, () => undefined)).toBeUndefined();
  });

  test.each(passes.map((pass) => [pass.name, pass] as const))("%s alone", (_, pass) => {
    expect(broken(stage, (module) => runOn(module, stage, pass))).toBeUndefined();
  });

  test.each(MODULE_PASSES.map(({ pass }) => [pass.name, pass] as const))("%s alone", (_, pass) => {
    expect(broken(stage, (module) => void pass.runModule(module))).toBeUndefined();
  });

  test("the whole list", () => {
    const everything = (module: IrModule): void => {
      optimise(module, "scalar", { check: true });
      if (stage === "pointers") optimise(module, "pointers", { check: true, mapSizes });
    };
    expect(broken(stage, everything)).toBeUndefined();
  });
});

test("any sequence of passes", () => {
  const sequence = fc.array(fc.constantFrom(...passes), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(anyProgram, sequence, fc.constantFrom(...stages), (program, order, stage) => {
      const module = buildModule(program, stage);
      const expected = outcomes(module);
      MODULE_PASSES[0]?.pass.runModule(module);
      for (const pass of order) {
        runOn(module, stage, pass);
        expect(wellFormed(module), pass.name).toEqual([]);
      }
      expect(outcomes(module), order.map((p) => p.name).join()).toEqual(expected);
    }),
    settings,
  );
});
