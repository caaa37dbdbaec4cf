// Random flows under random policies: the policy engine against the loaded programs (test/mesh/kernel/policy.test.ts).
//
//   npm run fuzz:policy -- [--seed N] [--count N]
//
// The same seed gives the same clusters and flows. The first difference ends the run, with the flow, both verdicts and how to
// repeat it. Needs root (BPF).
import { fuzz } from "./fuzz.mjs";

fuzz({
  name: "fuzz:policy",
  test: "test/mesh/kernel/policy.test.ts",
  variable: "EBPF_TS_FLOWS",
  defaultCount: 1_000_000,
});
