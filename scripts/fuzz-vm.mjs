// Random eBPF programs on every engine and in the kernel: all must agree (test/differential/random-program.test.ts).
//
//   npm run fuzz:vm -- [--seed N] [--count N]
//
// The same seed gives the same programs. The first difference ends the run, with the program and how to repeat it.
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const DEFAULT_COUNT = 10_000;
const whole = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : null);

const { values } = parseArgs({ options: { seed: { type: "string" }, count: { type: "string" } } });
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 32) : whole(values.seed);
const count = values.count === undefined ? DEFAULT_COUNT : whole(values.count);
if (seed === null || count === null || count === 0) {
  console.error("usage: npm run fuzz:vm -- [--seed N] [--count N]     (whole numbers; at least one program)");
  process.exit(2);
}
const vitest = ["run", "--root", ".", "--config", "test/vitest.config.ts", "test/differential/random-program.test.ts"];
const { status } = spawnSync("npx", ["vitest", ...vitest], {
  stdio: "inherit",
  env: { ...process.env, EBPF_TS_SEED: String(seed), EBPF_TS_PROGRAMS: String(count) },
});
process.exit(status ?? 1);
