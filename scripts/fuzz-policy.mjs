// Random flows under random policies: the policy engine against the loaded programs (test/mesh/kernel/policy.test.ts).
//
//   npm run fuzz:policy -- [--seed N] [--count N]
//
// The same seed gives the same clusters and flows. The first difference ends the run, with the flow, both verdicts and how to
// repeat it. Needs root (BPF).
import { spawnSync } from "node:child_process";
import { isWhole, readArguments } from "./arguments.mjs";

const DEFAULT_COUNT = 1_000_000;

const { values } = readArguments(
  "npm run fuzz:policy -- [--seed N] [--count N]",
  { options: { seed: { type: "string" }, count: { type: "string" } } },
  ({ values: { seed, count } }) => {
    if (!isWhole(seed)) return `--seed takes a whole number, not ${seed}`;
    return isWhole(count, 1) ? null : `--count takes a whole number from 1 on, not ${count}`;
  },
);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 32));
const count = Number(values.count ?? DEFAULT_COUNT);
const vitest = ["run", "--root", ".", "--config", "test/vitest.config.ts", "test/mesh/kernel/policy.test.ts"];
const { status } = spawnSync("npx", ["vitest", ...vitest], {
  stdio: "inherit",
  env: { ...process.env, EBPF_TS_SEED: String(seed), EBPF_TS_FLOWS: String(count) },
});
process.exit(status ?? 1);
