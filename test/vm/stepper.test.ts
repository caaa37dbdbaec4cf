/** Stepping through a run: instructions, lines, functions, breakpoints, and what can be looked at meanwhile. */
import { describe, expect, test } from "vitest";
// prettier-ignore
import { alu64, call, callLocal, exit, jmp, label, ldx, mov64, r0, r1, r10, r2, r6, st } from "../../lib/asm/index.ts";
import { createMachine } from "../../lib/vm/index.ts";
import type { Stepper } from "../../lib/vm/index.ts";
import { FILE, ldmap, line, map, object, program } from "../kernel/specs.ts";

// prettier-ignore
const PARTS = [
  line(1, "let sum = 0;"),       ldx(4, r6, r1, 0), mov64(r0, 0),                          // slots 0, 1
  line(2, "sum = add(sum, 2);"), mov64(r1, r0), callLocal("add"),                          // 2, 3
  line(3, "flows.get(key);"),    st(4, r10, -4, 1), ldmap(r1, "flows"), mov64(r2, r10), alu64("add", r2, -4), call("map_lookup_elem"), // 4 to 9
  line(4, "return 7;"),          mov64(r0, 7), exit(),                                     // 10, 11
  label("add"),
  line(10, "return a + 2;"),     st(8, r10, -8, 3), mov64(r0, r1), alu64("add", r0, 2), exit(), // 12 to 15
];
const machine = () => createMachine(object([program("p", "xdp", PARTS)], [map("flows", "hash", 4, 8, 4)]));
const start = (): Stepper => machine().debug("p", { packet: Uint8Array.of(1, 2, 3, 4) });
const at = (stepper: Stepper): string =>
  stepper.moment === null ? "end" : `${stepper.moment.slot}@${stepper.moment.depth} line ${stepper.source?.line}`;

describe("steps", () => {
  // prettier-ignore
  test.each<[string, (stepper: Stepper) => void, readonly string[]]>([
    ["instruction", (s) => s.step(),     ["0@0 line 1", "1@0 line 1", "2@0 line 2", "3@0 line 2", "12@1 line 10", "13@1 line 10", "14@1 line 10", "15@1 line 10", "4@0 line 3"]],
    ["line",        (s) => s.stepLine(), ["0@0 line 1", "2@0 line 2", "12@1 line 10", "4@0 line 3", "10@0 line 4", "end"]],
    ["next",        (s) => s.next(),     ["0@0 line 1", "2@0 line 2", "4@0 line 3", "10@0 line 4", "end", "end"]],
    ["finish",      (s) => s.finish(),   ["0@0 line 1", "end"]],
    ["continue to a slot",   (s) => s.continue([{ slot: 13 }]),            ["0@0 line 1", "13@1 line 10", "end"]],
    ["continue to lines",    (s) => s.continue([{ line: 10 }, { line: 4, file: "sample.ts" }]), ["0@0 line 1", "12@1 line 10", "10@0 line 4", "end"]],
    ["of other programs",    (s) => s.continue([{ slot: 13, program: "q" }, { line: 4, file: "other.ts" }]), ["0@0 line 1", "end"]],
  ])("%s", (_, move, stops) => {
    const stepper = start();
    for (const stop of stops) {
      expect(at(stepper)).toBe(stop);
      move(stepper);
    }
  });

  test("finish leaves the function", () => {
    const stepper = start();
    stepper.continue([{ slot: 13 }]);
    stepper.finish();
    expect(at(stepper)).toBe("4@0 line 3");
  });
});

test("calls, registers, memory and the packet can be looked at", () => {
  const stepper = start();
  expect(stepper.continue([{ slot: 14 }])).toEqual({ slot: 14 });
  expect(stepper.frames).toMatchObject([
    { program: "p", slot: 14, source: { file: FILE, line: 10 } },
    { program: "p", slot: 3, source: { line: 2 } },
  ]);
  const registers = stepper.moment!.registers;
  expect(stepper.describe(registers[6]!)).toBe("packet+0");
  expect(stepper.describe(registers[10]!)).toBe("the stack of frame 1+512");
  expect(stepper.describe(3n)).toBeNull();
  expect(stepper.read(Number(registers[10]) - 8, 8)).toEqual(Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0));
  expect(stepper.read(3, 8)).toBeNull();
  expect(stepper.packet).toEqual(Uint8Array.of(1, 2, 3, 4));
});

test("the result is that of a run", () => {
  const stepper = start();
  expect(stepper.result).toBeNull();
  stepper.finish();
  expect(stepper.result).toMatchObject({ returnValue: 7, fault: null, instructions: 15 });
  stepper.step();
  expect(stepper.frames).toEqual([]);
});

test("a fault ends the run", () => {
  const parts = [mov64(r0, 0), jmp("eq", r0, 0, 0), ldx(1, r0, r0, 0), exit()];
  const stepper = createMachine(object([program("p", "xdp", parts)], [])).debug("p");
  expect(stepper.continue()).toBeNull();
  expect(stepper.result?.fault).toMatchObject({ kind: "null", slot: 2 });
});

test("other runs meanwhile leave it alone; stop gives it up", () => {
  const shared = machine();
  const stepper = shared.debug("p", { packet: Uint8Array.of(9) });
  stepper.continue([{ slot: 13 }]);
  expect(shared.run("p", { packet: Uint8Array.of(5) }).packet).toEqual(Uint8Array.of(5));
  expect(stepper.packet).toEqual(Uint8Array.of(9));
  expect(stepper.moment?.registers[1]).toBe(0n);
  stepper.stop();
  expect([stepper.moment, stepper.result?.fault]).toEqual([null, null]);
  expect(shared.run("p").returnValue).toBe(7);
});

test("compiled code is neither stepped nor watched", () => {
  const spec = object([program("p", "xdp", PARTS)], [map("flows", "hash", 4, 8, 4)]);
  expect(() => createMachine(spec, { engine: "jit" }).debug("p")).toThrow("debugging compiled code");
  expect(() => createMachine(spec, { engine: "jit", observer: {} })).toThrow("an observer for compiled code");
});
