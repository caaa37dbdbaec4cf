/** What all engines must agree on: callbacks, runs within runs, and where the instruction limit is looked at. */
import { describe, expect, test } from "vitest";
// prettier-ignore
import { alu64, assemble, call, callKfunc, callLocal, exit, ja, jmp, label, lddw, ldx, mayGoto, mov64, r0, r1, r10, r2, r3, r6, st } from "../../lib/asm/index.ts";
import type { Item } from "../../lib/asm/index.ts";
import type { Engine, EngineName, Execution, HelperFunction } from "../../lib/vm/engine.ts";
import { ENGINE_NAMES, createEngine } from "../../lib/vm/engines.ts";
import { FUNCTION_BASE } from "../../lib/vm/functions.ts";
import { Memory } from "../../lib/vm/memory.ts";

const CALL = 1;
const AGAIN = 2;
const TAIL = 12;

/** An engine whose helper 1 calls the function in r1 with r2, and helper 2 runs the program again with r1 (a run within). */
function bench(name: EngineName): (items: readonly Item[], r1?: bigint, limit?: number) => Execution {
  const engine: Engine = createEngine(name, new Memory());
  return (items, argument = 0n, limit = 1000) => {
    const helpers: Record<number, HelperFunction> = {
      [CALL]: (f, x) => engine.call(f, x, 2n, 3n, 4n, 5n),
      [AGAIN]: (x) => program.run(x, 0n, limit).r0,
    };
    const insns = assemble(items);
    const program = engine.prepare(
      { name: "p", lines: [{ slot: 3, file: "p.ts", line: 7, column: 1, text: "" }], insns },
      {
        helper: (id) => helpers[id] ?? null,
        kfunc: (id) => (id === 77 ? (x) => x + 1n : null),
        pseudo: () => null,
        tailCall: (_, index) => (index === 0n ? program : null),
        loadPacket: () => null,
        arrayAt: () => null,
      },
    );
    return program.run(argument, 0n, limit);
  };
}

/** r1 = the function at a slot that comes `delta` slots after this instruction's first slot plus one. */
const func = (delta: number): Item => lddw(r1, BigInt(delta), "func");

describe.each(ENGINE_NAMES)("%s", (engine) => {
  const run = bench(engine);

  // main: r0 = callback(40) + 100 with r6 and a stack byte that survive; callback: writes its own stack, r0 = r1 + r2.
  const callback = [
    mov64(r6, 100),
    st(8, r10, -8, 1),
    func(7), // slot 2 -> 10
    mov64(r2, 40),
    call(CALL),
    alu64("add", r0, r6),
    ldx(8, r1, r10, -8),
    alu64("add", r0, r1),
    exit(),
    st(8, r10, -8, 9),
    mov64(r6, 0),
    mov64(r0, r1),
    alu64("add", r0, r2),
    exit(),
  ];

  test("a callback has registers and a frame of its own, and counts to the run", () => {
    expect(run(callback)).toMatchObject({ r0: 143n, fault: null, instructions: 14 });
  });

  test("functions have addresses in the order in which programs are prepared", () => {
    const fresh = bench(engine);
    const address = [lddw(r0, 2n, "func"), exit(), exit()];
    expect(fresh(address).r0).toBe(FUNCTION_BASE + 3n);
    expect(fresh(address).r0).toBe(FUNCTION_BASE + 7n);
  });

  // prettier-ignore
  test.each<[string, readonly Item[], number, string, number]>([
    ["what is no function",      [mov64(r1, 5), call(CALL), exit()],                          1, "a helper was called with 0x5 where it takes a function", 2],
    ["what nothing names",       [func(4), alu64("add", r1, -1), call(CALL), exit(), exit()], 3, "where it takes a function", 3],
    ["a fault in it",            [func(3), call(CALL), exit(), mov64(r0, 0), ldx(1, r0, r0, 0), exit()], 5, "a null pointer that was not checked", 4],
    ["callbacks without end",    [func(-1), call(CALL), exit()],                               2, "a call chain of more than 8 frames", 16],
    ["a function that is not there", [func(90), call(CALL), exit()],                          0, "a 64-bit load of kind func, which has no meaning here", 1],
    ["kfunc that is not there",  [callKfunc(78), exit()],                                     0, "kernel function with BTF id 78 is not simulated", 1],
  ])("callback faults: %s", (_, items, slot, message, instructions) => {
    const { fault, instructions: count } = run(items);
    expect(fault).toMatchObject({ slot, message: expect.stringContaining(message) });
    expect(fault?.source?.line ?? null).toBe(slot >= 3 ? 7 : null);
    expect(count).toBe(instructions);
  });

  test("a kernel function is called with r1 to r5", () => {
    expect(run([mov64(r1, 41), callKfunc(77), exit()]).r0).toBe(42n);
  });

  test("a run within a run leaves the outer one's registers and stack alone, and counts for itself", () => {
    const nested = [
      mov64(r6, r1),
      st(8, r10, -8, r1),
      mov64(r0, 0),
      jmp("eq", r1, 3, 5),
      alu64("add", r1, 1),
      call(AGAIN),
      alu64("add", r0, r6),
      ldx(8, r1, r10, -8),
      alu64("add", r0, r1),
      exit(),
    ];
    expect(run(nested)).toMatchObject({ r0: 6n, fault: null, instructions: 10 });
  });

  // The count that the limit is compared with includes the jump or call; what has no jump backwards always ends.
  // prettier-ignore
  test.each<[string, readonly Item[], number, [fault: string | null, slot: number, instructions: number]]>([
    ["straight code",            [mov64(r0, 1), mov64(r0, 2), ja(0), exit()],                 1,  [null, 0, 4]],
    ["a jump to itself",         [mov64(r0, 1), label("l"), ja("l"), exit()],                 5,  ["budget", 1, 6]],
    ["at the limit",             [mov64(r0, 3), label("l"), alu64("sub", r0, 1), jmp("ne", r0, 0, "l"), exit()], 5, [null, 0, 8]],
    ["over the limit",           [mov64(r0, 4), label("l"), alu64("sub", r0, 1), jmp("ne", r0, 0, "l"), exit()], 5, ["budget", 2, 7]],
    ["not taken",                [mov64(r0, 0), label("l"), mov64(r1, 0), jmp("ne", r0, 0, "l"), exit()], 1, [null, 0, 4]],
    ["may_goto",                 [ja(1), exit(), mayGoto(-2), ja(-2)],                        9,  ["budget", 3, 11]],
    ["a local call",             [mov64(r0, 1), callLocal("f"), exit(), label("f"), exit()],  1,  ["budget", 1, 2]],
    ["before the frame",         [label("f"), callLocal("f"), exit()],                        5,  ["budget", 0, 6]],
    ["a tail call",              [mov64(r3, 0), call(TAIL), exit()],                          9,  ["budget", 1, 10]],
    ["a tail call not taken",    [mov64(r3, 1), call(TAIL), exit()],                          1,  [null, 0, 3]],
    ["a callback",               [func(2), call(CALL), exit(), exit()],                       1,  ["budget", 2, 2]],
    ["a jump to nowhere",        [mov64(r0, 1), ja(-5)],                                      1,  ["jump", 1, 2]],
  ])("the limit: %s", (_, items, limit, [kind, slot, instructions]) => {
    const { fault, instructions: count } = run(items, 0n, limit);
    expect([fault?.kind ?? null, fault?.slot ?? 0, count]).toEqual([kind, slot, instructions]);
  });
});
