/** What verification takes, against the running kernel: the cases of test/verifier/prune, and random programs. */
import { release } from "node:os";
import { describe, expect, test } from "vitest";
import { parse } from "../../../lib/asm/index.ts";
import { load } from "../../../loader/index.ts";
import { noKernel } from "../../kernel/bed.ts";
import { object, program } from "../../kernel/specs.ts";
import { CASES } from "../prune/cases.ts";
import { countOf } from "../prune/count.ts";
import { generate } from "../prune/generate.ts";
import { Random } from "../scalar/random.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const COUNT = Number(process.env["COUNT"] ?? 80);
/** BPF_F_TEST_STATE_FREQ: a state is stored wherever one may be. */
const OFTEN = 8;
const STATISTICS = 4;

const LINE = /processed (\d+) insns .* max_states_per_insn (\d+) total_states (\d+) peak_states (\d+)/;

/** "accept|reject processed total peak longest" of the running kernel. */
async function asked(text: string, flags: number): Promise<string> {
  const spec = object([{ ...program("p", "tc", parse(text)), flags }]);
  let verdict = "accept";
  let log: string;
  try {
    using loaded = await load(spec, { logLevel: STATISTICS });
    log = loaded.program("p").log;
  } catch (error) {
    verdict = "reject";
    log = (error as { log?: string }).log ?? "";
  }
  const [, processed, longest, total, peak] = LINE.exec(log) ?? [];
  return `${verdict} ${processed} ${total} ${peak} ${longest}`;
}

describe.skipIf(noKernel || !release().startsWith("6.18."))("the running kernel counts", () => {
  test.each(CASES.map((c) => [c.name, c] as const))("%s", async (_, { text, kernel: figures }) => {
    expect(await asked(text, 0)).toBe(figures);
  });

  test(`random programs (seed ${SEED})`, async () => {
    const random = new Random(SEED);
    const wrong: string[] = [];
    for (let i = 0; i < COUNT && wrong.length < 5; i++) {
      const text = generate(random);
      const flags = i % 2 === 0 ? 0 : OFTEN;
      const [theirs, ours] = [await asked(text, flags), countOf(text, flags)];
      if (theirs !== ours) wrong.push(`program ${i}, flags ${flags}: the kernel ${theirs}, the model ${ours}\n${text}`);
    }
    expect(wrong.join("\n\n")).toBe("");
  }, 60_000);
});
