/** Many runs in one: arguments and results in a ring, a fault ends the batch. */
import { describe, expect, test } from "vitest";
import {
  alu64,
  assemble,
  callLocal,
  exit,
  jmp,
  label,
  ldx,
  mov64,
  r0,
  r1,
  r10,
  r2,
  st,
} from "../../../lib/asm/index.ts";
import type { Item } from "../../../lib/asm/index.ts";
import { ENGINE_NAMES, createEngine } from "../../../lib/vm/engines.ts";
import { Memory } from "../../../lib/vm/memory.ts";

const nothing = {
  helper: () => null,
  kfunc: () => null,
  pseudo: () => null,
  tailCall: () => null,
  loadPacket: () => null,
  arrayAt: () => null,
};

// r0 = (byte of the frame, zero in each run) + the first byte of the memory + r2, by a subprogram.
const PROGRAM: Item[] = [
  ldx(8, r0, r10, -8),
  st(8, r10, -8, r2),
  callLocal("sum"),
  exit(),
  label("sum"),
  ldx(1, r0, r1, 0),
  jmp("eq", r2, 0, "end"),
  alu64("add", r0, r2),
  label("end"),
  exit(),
];

describe.each(ENGINE_NAMES)("%s", (name) => {
  const memory = new Memory();
  const program = createEngine(name, memory).prepare({ name: "p", lines: [], insns: assemble(PROGRAM) }, nothing);
  const regions = [5, 7].map((value) => {
    const region = memory.map("memory", 8);
    region.bytes[0] = value;
    return region.start;
  });
  const [five = 0, seven = 0] = regions;

  test("entries of the ring are used in turn, and again", () => {
    const ring = { args: Uint32Array.of(five, 1, seven, 2, five, 0, seven, 9), results: new BigUint64Array(4) };
    expect(program.runBatch(ring, 11, 100)).toEqual({
      done: 11,
      instructions: 8 * 8 + 3 * 7,
      fault: null,
    });
    expect([...ring.results]).toEqual([6n, 9n, 5n, 16n]);
  });

  test("the first fault ends it", () => {
    const ring = { args: Uint32Array.of(five, 1, 0, 2), results: new BigUint64Array(2) };
    const { done, instructions, fault } = program.runBatch(ring, 10, 100);
    expect({ done, instructions }).toEqual({ done: 1, instructions: 12 });
    expect(fault).toMatchObject({ kind: "null", slot: 4 });
  });

  test("each run has the whole limit", () => {
    const down = assemble([mov64(r0, r2), label("l"), alu64("sub", r0, 1), jmp("ne", r0, 0, "l"), exit()]);
    const loop = createEngine(name, memory).prepare({ name: "p", lines: [], insns: down }, nothing);
    const ring = { args: Uint32Array.of(0, 4, 0, 5), results: new BigUint64Array(2) };
    expect(loop.runBatch(ring, 3, 8)).toMatchObject({ done: 1, fault: { kind: "budget" } });
    expect(loop.runBatch(ring, 3, 9)).toMatchObject({ done: 3, fault: null });
  });
});
