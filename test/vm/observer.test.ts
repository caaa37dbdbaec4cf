/** What observers see. */
import { expect, test } from "vitest";
// prettier-ignore
import { alu64, callLocal, exit, jmp, label, ldx, mov64, r0 } from "../../lib/asm/index.ts";
import { Counters, createMachine } from "../../lib/vm/index.ts";
import type { Moment, Observer } from "../../lib/vm/index.ts";
import { object, program } from "../kernel/specs.ts";

const loop = [
  mov64(r0, 3),
  label("again"),
  alu64("sub", r0, 1),
  jmp("ne", r0, 0, "again"),
  callLocal("f"),
  exit(),
  label("f"),
  jmp("eq", r0, 9, 0),
  exit(),
];

test("counters: executions by slot, taken and not taken by conditional jump", () => {
  const observer = new Counters();
  const machine = createMachine(object([program("p", "xdp", loop)], []), { observer });
  machine.run("p");
  const [code, counts] = [...observer.programs][0]!;
  expect(code.name).toBe("p");
  // prettier-ignore
  expect([...counts.executed]).toEqual([[0, 1], [1, 3], [2, 3], [3, 1], [5, 1], [6, 1], [4, 1]]);
  // prettier-ignore
  expect([...counts.branches]).toEqual([[2, { taken: 2, notTaken: 1 }], [5, { taken: 0, notTaken: 1 }]]);
  machine.run("p");
  expect(counts.executed.get(1)).toBe(6);
  observer.reset();
  expect(observer.programs.size).toBe(0);
});

test("an observer sees registers before and after, depth, and the instruction that faults", () => {
  const seen: string[] = [];
  const text = ({ slot, depth, registers }: Moment): string => `${slot}@${depth} r0=${registers[0]}`;
  const observer: Observer = {
    before: (moment) => seen.push(text(moment)),
    after: (moment, next) => seen.push(`  ${text(moment)} -> ${next}`),
  };
  const parts = [mov64(r0, 7), callLocal("f"), label("f"), mov64(r0, 0), ldx(1, r0, r0, 0), exit()];
  const { fault } = createMachine(object([program("p", "xdp", parts)], []), { observer }).run("p");
  expect(fault?.kind).toBe("null");
  // prettier-ignore
  expect(seen).toEqual(["0@0 r0=0", "  0@0 r0=7 -> 1", "1@0 r0=7", "  1@0 r0=7 -> 2", "2@1 r0=7", "  2@1 r0=0 -> 3", "3@1 r0=0"]);
});
