// Random eBPF programs on every engine and in the kernel: all must agree (test/differential/random-program.test.ts).
//
//   npm run fuzz:vm -- [--seed N] [--count N]
//
// The same seed gives the same programs. The first difference ends the run, with the program and how to repeat it.
import { fuzz } from "./fuzz.mjs";

fuzz({
  name: "fuzz:vm",
  test: "test/differential/random-program.test.ts",
  variable: "EBPF_TS_PROGRAMS",
  defaultCount: 10_000,
});
