/**
 * A mistake of Linux 6.18's verifier that random programs met: why they fetch from no stack slot.
 *
 * The slot holds a byte of the packet on one way and -2^31 on the other. What a 64-bit load of it gives is compared as on
 * any machine. What an atomic operation fetches is not: the verifier has seen only the byte be less than 10,698, takes the
 * other way's state for the same one, and hard-wires the jump. The interpreter does what the program says.
 */
import { expect, test } from "vitest";
// prettier-ignore
import { alu64, atomic, exit, jmp, jmp32, label, ldx, mov64, r0, r1, r10, r2, r5, r6, r7, r8, st } from "../../lib/asm/index.ts";
import type { Item } from "../../lib/asm/index.ts";
import { createMachine } from "../../lib/vm/index.ts";
import { canLoad, load } from "../../loader/index.ts";
import { object, program } from "./specs.ts";

const loadable = canLoad();
const FETCH = atomic("fetch_or", 8, r10, -8, r1);
const LOAD = ldx(8, r1, r10, -8);

/** Returns 1 when the slot's low half is below 10,698, else 2. */
// prettier-ignore
const parts = (read: Item): Item[] => [
  mov64(r6, r1), ldx(4, r7, r6, 76), ldx(4, r8, r6, 80), mov64(r1, r7), alu64("add", r1, 32), mov64(r0, 5), jmp("gt", r1, r8, "end"),
  st(8, r10, -8, -0x8000_0000), ldx(1, r2, r7, 0), mov64(r1, 0), jmp("gt", r2, 100, "read"),
  ldx(1, r5, r7, 1), st(8, r10, -8, r5),
  label("read"), read, mov64(r0, 1), jmp32("lt", r1, 10_698, "end"), mov64(r0, 2),
  label("end"), exit(),
];

// prettier-ignore
test.skipIf(!loadable.ok).each<[string, Item, number, number, number]>([
  ["loaded, the constant",  LOAD,  0xff, 2, 2],
  ["loaded, the byte",      LOAD,  1,    1, 1],
  ["fetched, the constant", FETCH, 0xff, 2, 1],
  ["fetched, the byte",     FETCH, 1,    1, 1],
])("%s", async (_, read, first, right, kernel) => {
  const spec = object([program("p", "tc", parts(read))]);
  const packet = new Uint8Array(64).fill(first);
  expect(createMachine(spec).run("p", { packet }).returnValue).toBe(right);
  using loaded = await load(spec);
  // A kernel in which this is repaired gives what is right.
  expect([kernel, right]).toContain(loaded.program("p").testRun({ data: packet }).returnValue);
});
