/** Kernel functions on strings, tasks and cgroups. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { call, jmp, mov64, r0, r1, r2, r3, r6, r7 } from "../../../lib/asm/index.ts";
import { KERNEL_FUNCTIONS, mayCallKernel } from "../../../lib/kernel/index.ts";
import { callKernel } from "../../kernel/specs.ts";
import { Both, arg, mem, noKernel, seedFor } from "./both.ts";
import type { Part } from "./both.ts";

const seed = seedFor("kernel functions against the kernel");
const text = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0));

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  test("on strings", async () => {
    const [a, b] = [mem(r1), mem(r2, 64)];
    const two = ["strcmp", "strcasecmp", "strspn", "strcspn", "strstr"].map((name): Part[] => [
      ...a,
      ...b,
      callKernel(`bpf_${name}`),
    ]);
    const char = ["strchr", "strchrnul", "strrchr"].map((name): Part[] => [
      ...a,
      arg(r2, 0),
      callKernel(`bpf_${name}`),
    ]);
    using both = await Both.of("tc", [
      ...two,
      ...char,
      [...a, callKernel("bpf_strlen")],
      [...a, arg(r2, 1), callKernel("bpf_strnlen")],
      [...a, arg(r2, 1), arg(r3, 0), callKernel("bpf_strnchr")],
      [...a, ...b, arg(r3, 1), callKernel("bpf_strnstr")],
    ]);
    const word = (most: number): fc.Arbitrary<string> =>
      fc.string({ unit: fc.constantFrom("a", "b", "A", "\u00e9"), maxLength: most });
    fc.assert(
      fc.property(
        word(8),
        word(3),
        fc.constantFrom("a", "A", "z", "\0", "\u00e9"),
        fc.nat(10),
        (first, second, one, count) => {
          const memory = new Uint8Array(128);
          memory.set(text(first));
          memory.set(text(second), 64);
          const { machine, kernel } = both.run({
            packet: new Uint8Array(64),
            memory,
            args: [one.charCodeAt(0), count],
          });
          const input = { first, second, one, count };
          expect({ input, results: machine.results }).toEqual({ input, results: kernel.results });
        },
      ),
      { seed, numRuns: 500 },
    );
  });
});

describe("tasks and cgroups", () => {
  const held = (make: readonly Part[], release: string, use: readonly Part[] = []): Part[] => [
    ...make,
    mov64(r7, r0),
    jmp("ne", r0, 0, 2),
    mov64(r0, -1),
    jmp("eq", r0, -1, 3 + use.length),
    ...use,
    mov64(r6, r0),
    mov64(r1, r7),
    callKernel(release),
    mov64(r0, r6),
  ];
  const task = (pid: number): Part[] => [mov64(r1, pid), callKernel("bpf_task_from_pid")];
  const cgroup: Part[] = [mov64(r1, 1), callKernel("bpf_cgroup_from_id")];
  // prettier-ignore
  const CASES: [string, readonly Part[], bigint][] = [
    ["the current task",          held(task(1), "bpf_task_release", [mov64(r0, 7)]), 7n],
    ["another task",              task(99), 0n],
    ["the root cgroup",           held(cgroup, "bpf_cgroup_release", [mov64(r0, 7)]), 7n],
    ["another cgroup",            [mov64(r1, 9), callKernel("bpf_cgroup_from_id")], 0n],
    ["an ancestor that is not",   held(cgroup, "bpf_cgroup_release", [mov64(r1, r7), mov64(r2, 1), callKernel("bpf_cgroup_ancestor")]), 0n],
    ["a task under a cgroup",     held(cgroup, "bpf_cgroup_release", [call("get_current_task_btf"), mov64(r1, r0), mov64(r2, r7), callKernel("bpf_task_under_cgroup")]), 1n],
  ];
  test.each(CASES)("%s", async (_, parts, expected) => {
    const both = await Both.alone("tc", [parts]);
    const { machine } = both.run({ packet: new Uint8Array(64) });
    expect(machine).toMatchObject({ fault: null, results: [expected] });
  });
  test("a task that is not released", async () => {
    const both = await Both.alone("tc", [task(1)]);
    expect(both.run({ packet: new Uint8Array(64) }).machine.fault).toMatch(
      /without releasing a reference to a struct task_struct/,
    );
  });
});

test("the table of kernel functions names each once", () => {
  expect(new Set(KERNEL_FUNCTIONS).size).toBe(KERNEL_FUNCTIONS.length);
  expect(mayCallKernel("bpf_dynptr_from_xdp", "xdp")).toBe(true);
  expect(mayCallKernel("bpf_dynptr_from_xdp", "sched_cls")).toBe(false);
  expect(mayCallKernel("no_such_function", "xdp")).toBe(false);
});
