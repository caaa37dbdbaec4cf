// Callbacks written in TypeScript: what a loop and a walk over maps do, on our own engines and in the running kernel.
import { describe, expect, test } from "vitest";
import { compiled, kernelEngine, vmEngine } from "../differential/engines.ts";
import type { Engine } from "../differential/engines.ts";
import { readElf, writeElf } from "../../lib/elf/index.ts";
import { canonicalize } from "../../lib/object/index.ts";
import { SIMULATED_HELPERS } from "../../lib/vm/index.ts";
import { noKernel } from "./bed.ts";

const source = new URL("../files/language/callbacks.ts", import.meta.url).pathname;

/** Little-endian numbers, 4 bytes each unless they are bigints. */
function bytes(...numbers: readonly (number | bigint)[]): Uint8Array {
  return Uint8Array.from(
    numbers.flatMap((n) =>
      Array.from({ length: typeof n === "bigint" ? 8 : 4 }, (_, i) => Number((BigInt(n) >> BigInt(8 * i)) & 0xffn)),
    ),
  );
}

function run(engine: Engine, program: string, a: number, b: number): number[] {
  const packet = new Uint8Array(64);
  packet.set(bytes(a, b));
  const { verdict, packet: after } = engine.run(program, packet);
  const view = new DataView(Uint8Array.from(Buffer.from(after, "hex")).buffer);
  return [verdict, view.getUint32(0, true), view.getUint32(4, true)];
}

const PASS = 2;

// prettier-ignore
const SUMS: readonly [a: number, b: number, sum: number, calls: number][] = [
  [0, 1000, 0, 0], [1, 1000, 0, 1], [10, 1000, 45, 10], [10, 6, 6, 4], [10, 0, 0, 1], [1000, 0xffffffff, 499500, 1000],
];

/** What the programs do, in the terms of `EXPECTED`. */
function observe(engine: Engine): unknown {
  const sums = SUMS.map(([a, b]) => run(engine, "sum", a, b));
  const nested = run(engine, "nestedLoops", 12, 7);
  // prettier-ignore
  for (const [key, value] of [[1, 10n], [2, 20n], [3, 30n]] as const) engine.set("counts", bytes(key), bytes(value));
  engine.set("flows", bytes(100, 5), bytes(7, 1000));
  engine.set("wide", bytes(5_000n), bytes(0n));
  for (const [i, value] of [0, 1, 2, 3, 4, 5, 6, 7].entries()) engine.set("slots", bytes(i), bytes(value));
  const walked = run(engine, "walk", 0, 0);
  const counts = engine.entries("counts").map(([, value]) => Number.parseInt(value.slice(0, 2), 16));
  return { sums, nested, walked, counts };
}

const EXPECTED = {
  sums: SUMS.map(([, , sum, calls]) => [PASS, sum, calls]),
  nested: [PASS, 66, 7],
  // counts 1 + 10 + 2 + 20 + 3 + 30, flows 100 + 1000, wide 5000, slots 0 + 1 + 4 + 9 + 16 + 25.
  walked: [PASS, 66 + 1100 + 5000 + 55, 3 + 1 + 1 + 6],
  counts: [11, 20, 31],
};

test("the functions are subprograms, their addresses survive ELF", async () => {
  const object = await compiled(source);
  const addresses = object.programs.flatMap((p) => p.relocations.filter((r) => r.kind === "func"));
  expect(addresses.length).toBe(8);
  for (const address of addresses)
    expect(object.subprograms.some((f) => f.name === address.func && f.btfId !== 0)).toBe(true);
  expect(readElf(writeElf(object))).toEqual(canonicalize(object));
});

const simulated = (["loop", "for_each_map_elem"] as const).every((name) => SIMULATED_HELPERS.includes(name));
if (!simulated) process.stderr.write("skipped: callbacks on our own engines: they have no loop or for_each_map_elem\n");

test.skipIf(!simulated).each(["interpreter", "jit"] as const)("%s", async (name) => {
  await using engine = vmEngine(await compiled(source), name);
  expect(observe(engine)).toEqual(EXPECTED);
});

describe.skipIf(noKernel)("kernel", () => {
  test.each(["v1", "v2", "v3", "v4"] as const)("cpu %s", async (cpu) => {
    await using engine = await kernelEngine(await compiled(source, cpu));
    expect(observe(engine)).toEqual(EXPECTED);
  });
});
