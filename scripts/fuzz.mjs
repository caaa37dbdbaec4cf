// What `npm run fuzz:*` have in common: a random test of the suite, run with a seed and a count of one's own.
import { spawnSync } from "node:child_process";
import { isWhole, readArguments } from "./arguments.mjs";

/**
 * Takes --seed and --count from the command line, runs the test and ends with its exit code. `variable`: the environment variable by which
 * the test takes the count; the seed comes by EBPF_TS_SEED.
 */
export function fuzz({ name, test, variable, defaultCount }) {
  const { values } = readArguments(
    `npm run ${name} -- [--seed N] [--count N]`,
    { options: { seed: { type: "string" }, count: { type: "string" } } },
    ({ values: { seed, count } }) => {
      if (!isWhole(seed)) return `--seed takes a whole number, not ${seed}`;
      return isWhole(count, 1) ? null : `--count takes a whole number from 1 on, not ${count}`;
    },
  );
  const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32));
  const count = values.count ?? String(defaultCount);
  const { status } = spawnSync("npx", ["vitest", "run", "--root", ".", "--config", "test/vitest.config.ts", test], {
    stdio: "inherit",
    env: { ...process.env, EBPF_TS_SEED: seed, [variable]: count },
  });
  process.exit(status ?? 1);
}
