// What binaryen makes of compiled programs does the same.
import { expect, test } from "vitest";
import { alu64, exit, ldx, mov64, r0, r1 } from "../../../lib/asm/index.ts";
import { createMachine, loadOptimizer } from "../../../lib/vm/index.ts";
import { chooseSeed, randomFrom } from "../../differential/packets.ts";
import { object, program } from "../../kernel/specs.ts";
import { play } from "./compare.ts";
import { generateInsns } from "./generate.ts";

const seed = chooseSeed();
const PROGRAMS = 6;
const LIMIT = 3000;

test(`${PROGRAMS} random programs, optimised (seed ${seed})`, { timeout: 60_000 }, async () => {
  const optimizer = await loadOptimizer();
  for (let i = 0; i < PROGRAMS; i++) {
    const random = randomFrom(seed + i);
    const sources = [generateInsns(random, 30), generateInsns(random, 10)];
    expect(play("jit", sources, LIMIT, { optimizer }), `EBPF_TS_SEED=${seed + i}`).toEqual(
      play("interpreter", sources, LIMIT),
    );
  }
});

test("a machine is given it as an option", async () => {
  const optimizer = await loadOptimizer();
  const five = object([program("five", "xdp", [ldx(4, r0, r1, 12), mov64(r0, 2), alu64("add", r0, 3), exit()])], []);
  expect(createMachine(five, { engine: "jit", optimizer }).run("five", { packet: new Uint8Array(14) })).toMatchObject({
    returnValue: 5,
    instructions: 4,
  });
});
