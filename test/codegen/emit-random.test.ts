/** Random functions: what the compiled code does is what the IR says. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { compileFunction } from "../../codegen/emit/function.ts";
import { checkFunction } from "../../codegen/ir/check.ts";
import { printFunction } from "../../codegen/ir/print.ts";
import { evaluate, type Oracle } from "./emit-evaluate-ir.ts";
import { runInsns, unreachedSlots } from "./emit-machine.ts";
import { Memory } from "./emit-memory.ts";
import { PARAMETERS, randomFunction } from "./emit-random-ir.ts";

/** Negative numbers too: helpers return errnos in 64 bits. */
const oracle: Oracle = (call, helper, args) =>
  BigInt.asUintN(64, args.reduce((sum, a) => sum * 7n + a, BigInt(call * 77 + helper)) * -0x1234_5679n);

const CHOICES = fc.array(fc.nat(0xffff), { maxLength: 600, size: "max" });
const WORDS = fc.tuple(
  ...PARAMETERS.map((type) => fc.bigInt(0n, type === "i32" ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn)),
);

test.each(["v3", "v4"] as const)("integer functions, %s", (cpu) => {
  fc.assert(
    fc.property(CHOICES, WORDS, (choices, args) => {
      const fn = randomFunction(choices, { entry: false });
      expect(checkFunction(fn)).toEqual([]);
      const { insns } = compileFunction(fn, { cpu });
      expect(unreachedSlots(insns)).toEqual([]);
      const expected = evaluate(fn, args, new Memory(new Uint8Array(0)), oracle);
      const found = runInsns(insns, args, new Memory(new Uint8Array(0)), oracle);
      expect(found, printFunction(fn)).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});

test.each(["v3", "v4"] as const)("programs that read the packet, %s", (cpu) => {
  fc.assert(
    fc.property(CHOICES, fc.uint8Array({ maxLength: 48 }), (choices, packet) => {
      const fn = randomFunction(choices, { entry: true });
      expect(checkFunction(fn)).toEqual([]);
      const { insns } = compileFunction(fn, { cpu });
      expect(unreachedSlots(insns)).toEqual([]);
      const memories = [new Memory(packet), new Memory(packet)] as const;
      const expected = evaluate(fn, [memories[0].context], memories[0], oracle);
      const found = runInsns(insns, [memories[1].context], memories[1], oracle);
      // The kernel reads 32 bits of a program's result.
      expect({ ...found, result: BigInt.asUintN(32, found.result) }, printFunction(fn)).toEqual(expected);
    }),
    { numRuns: 400 },
  );
});
