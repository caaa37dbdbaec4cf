import { describe, expect, test } from "vitest";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { requestOf } from "../request.ts";

const kernel = profileOf("6.18") as KernelProfile;
const privileges = { bpf: true, perfmon: false };

/** Verdicts and counts that Linux 6.18.44 gave without CAP_PERFMON. */
describe("without CAP_PERFMON", () => {
  test.each([
    // what a wrong guess leads to is walked, and gets a barrier where it breaks a rule
    ["r3 = 5\nif r3 == 5 goto +1\nr0 = *(u64 *)(r0 + 0)\nr0 = 1\nexit", "accept", null, 5],
    [
      "r2 = *(u32 *)(r1 + 0)\nr2 &= 7\nr3 = r10\nr3 += -8\nr3 += r2\nr0 = 0\nexit",
      "reject",
      "stack_arithmetic_unprivileged",
      5,
    ],
    ["r2 = *(u32 *)(r1 + 0)\nr3 = r1\nr3 += r2\nr0 = 0\nexit", "reject", "speculative_arithmetic", 3],
    ["r0 = r10\nexit", "reject", "return_leak", 2],
    ["r0 = r1\nif r0 > 5 goto +0\nr0 = 0\nexit", "reject", "pointer_comparison", 2],
  ] as const)("%j: %s", (assembly, verdict, name, processed) => {
    const found = verify(requestOf(assembly), { kernel, privileges });
    expect([found.verdict, found.error?.name ?? null, found.statistics.processed]).toEqual([verdict, name, processed]);
  });
});

test("without CAP_BPF every number counts as precise, so that states cover fewer others", () => {
  const assembly =
    "r0 = *(u32 *)(r1 + 0)\nr2 = 1\nr2 = 2\nr2 = 3\nr2 = 4\nr2 = 5\nr2 = 6\nif r0 > 7 goto +0\nif r0 > 5 goto +1\nr2 = 0\nr0 &= 1\nexit";
  const processed = (who: { readonly bpf: boolean; readonly perfmon: boolean }): number =>
    verify(requestOf(assembly), { kernel, privileges: who }).statistics.processed;
  expect([processed({ bpf: true, perfmon: true }), processed({ bpf: false, perfmon: false })]).toEqual([15, 20]);
});

test("a wrong guess may lead to an instruction with a reserved field", () => {
  const request = requestOf("r3 = 5\nif r3 == 5 goto +1\nr3 = -r3\nr0 = 1\nexit");
  const code = request.code.slice();
  // the immediate of the negation
  code[2 * 8 + 4] = 1;
  const found = verify({ ...request, code }, { kernel, privileges });
  expect([found.verdict, found.statistics.processed]).toEqual(["accept", 5]);
  expect(verify({ ...request, code: code.slice(2 * 8) }, { kernel, privileges }).error?.name).toBe("reserved_field");
});

test("without CAP_BPF anybody may ask who runs the program", () => {
  const anybody = { bpf: false, perfmon: false };
  const found = verify(requestOf("call 15\nr0 = 0\nexit"), { kernel, privileges: anybody });
  expect([found.verdict, found.statistics.processed]).toEqual(["accept", 3]);
});
