/** What observers see. */
import { expect, test } from "vitest";
// prettier-ignore
import { alu64, atomic, call, callLocal, exit, jmp, label, ldx, mov64, r0, r10, st } from "../../lib/asm/index.ts";
import { Counters, Tracer, createMachine } from "../../lib/vm/index.ts";
import type { Moment, Observer } from "../../lib/vm/index.ts";
import { chooseSeed, randomFrom } from "../differential/packets.ts";
import { object, program } from "../kernel/specs.ts";
import { play } from "./jit/compare.ts";
import { generateInsns } from "./jit/generate.ts";

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

test("a traced instruction: memory, registers, and what faults", () => {
  const rows: string[] = [];
  const tracer = new Tracer(({ slot, depth, access, changed }) => {
    const at = access === null ? "" : ` ${access.kind} ${access.size}`;
    const registers = changed === null ? " fault" : [...changed].map(([i, value]) => ` r${i}=${value}`).join("");
    rows.push(`${slot}@${depth}${at}${registers}`);
  });
  // prettier-ignore
  const parts = [
    mov64(r0, 7), st(8, r10, -8, 1), atomic("fetch_add", 8, r10, -8, r0), callLocal("f"), exit(),
    label("f"), call("ktime_get_ns"), mov64(r0, 0), ldx(1, r0, r0, 0), exit(),
  ];
  createMachine(object([program("p", "xdp", parts)], []), { observer: tracer }).run("p");
  tracer.end();
  // The registers that a call overwrites are not told.
  // prettier-ignore
  expect(rows.map((row) => row.replace(/r10=\d+/, "r10=…"))).toEqual([
    "0@0 r0=7", "1@0 write 8", "2@0 both 8 r0=1", "3@0 r10=…", "5@1 r0=1000000000", "6@1 r0=0", "7@1 read 1 fault",
  ]);
});

const seed = chooseSeed();
test(`programs do the same when they are watched (seed ${seed})`, () => {
  const LIMIT = 2000;
  for (let i = 0; i < 150; i++) {
    const random = randomFrom(seed + i);
    const sources = [generateInsns(random, 8 + (random() % 40)), generateInsns(random, 6 + (random() % 10))];
    const counters = new Counters();
    const watched = play("interpreter", sources, LIMIT, { observer: counters });
    expect(watched, `seed ${seed + i}`).toEqual(play("interpreter", sources, LIMIT));
    const counted = [...counters.programs.values()].flatMap(({ executed }) => [...executed.values()]);
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
    expect(sum(counted), `seed ${seed + i}`).toBe(sum(watched.map(({ instructions }) => instructions)));
  }
});
