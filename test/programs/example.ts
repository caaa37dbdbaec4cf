/** What the tests of programs/ share: the programs' paths, where they run, and that nothing in them stays untested. */
import { describe, expect, test } from "vitest";
import { parseAddress } from "../../lib/bytes/index.ts";
import { Coverage, targets } from "../../testing/index.ts";
import type { LoadOptions } from "../../testing/index.ts";
import "../../testing/vitest.ts";

export const pathOf = (name: string): string => new URL(`../../programs/${name}.ts`, import.meta.url).pathname;

/** An address as the programs' host-order fields have it. */
export const hostOrder = (address: string): number =>
  (parseAddress(address, "ipv4") ?? new Uint8Array(0)).reduce((sum, byte) => sum * 256 + byte, 0);

/** An address as a field in network order reads on a little-endian machine. */
export const networkOrder = (address: string): number =>
  (parseAddress(address, "ipv4") ?? new Uint8Array(0)).reduceRight((sum, byte) => sum * 256 + byte, 0);

/**
 * Describes a program on each target, and then holds what the interpreter executed against its source: every line, every side
 * of every condition, every function.
 * @param kernelTests - what to test in the kernel instead, where it has no test run for the program.
 * @param held - which of its source files, where other tests hold the others.
 */
export function describeProgram(
  name: string,
  tests: (options: LoadOptions) => void,
  kernelTests = tests,
  held = /./,
): void {
  const coverage = new Coverage();
  for (const target of targets()) {
    describe.skipIf(target.skip)(`${name}, ${target.title}`, () => {
      const describeTests = target.name === "kernel" ? kernelTests : tests;
      describeTests({ ...target.options, coverage });
      if (target.name !== "interpreter") return;
      test("every line, every side of every condition and every function of its source was executed", () => {
        const { missing, branches } = coverage.summary();
        expect(missing.filter((place) => held.test(place))).toEqual([]);
        expect(branches.found).toBeGreaterThan(0);
      });
    });
  }
}
