import { describe, expect, test } from "vitest";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { requestOf } from "../request.ts";

const kernel = profileOf("6.18") as KernelProfile;

/** What the walk says at level 2, without empty lines. */
function logOf(assembly: string): string[] {
  const lines: string[] = [];
  verify(requestOf(assembly), { kernel, log: { level: 2, line: (text) => lines.push(text) } });
  return lines.filter((line) => line !== "");
}

describe("the walk", () => {
  test.each([
    ["r0 = 0\nexit", "accept", null, 2],
    ["exit", "reject", "uninitialised_register", 1],
    ["r10 = 0\nexit", "reject", "frame_pointer_write", 1],
    ["r0 = 1\nr0 /= 0\nexit", "reject", "division_by_zero", 2],
    ["r0 = 1\nr0 <<= 64\nexit", "reject", "shift_too_far", 2],
    ["r0 = r10\nr0 *= 2\nexit", "reject", "pointer_operator", 2],
    ["r0 = r1\nr0 += r10\nexit", "reject", "two_pointer_arithmetic", 2],
    // both ways of a jump are walked
    ["r0 = *(u32 *)(r1 + 0)\nif r0 > 3 goto +1\nr0 = r5\nr0 = 0\nexit", "reject", "uninitialised_register", 3],
    ["r0 = *(u32 *)(r1 + 0)\nif r0 > 3 goto +1\nr0 = 1\nr0 = 0\nexit", "accept", null, 7],
  ])("%j: %s", (assembly, verdict, name, processed) => {
    const found = verify(requestOf(assembly), { kernel });
    expect([found.verdict, found.error?.name ?? null, found.unsupported]).toEqual([verdict, name, null]);
    expect(found.statistics.processed).toBe(processed);
  });

  test("writes the kernel's log", () => {
    const log = logOf("r6 = r1\nr0 = *(u32 *)(r1 + 0)\nr2 = r0\nr2 += 7\nif r2 > 10 goto +1\nr0 = 1\nexit");
    expect(log.slice(0, 8)).toEqual([
      "0: R1=ctx() R10=fp0",
      "0: (bf) r6 = r1                       ; R1=ctx() R6=ctx()",
      "1: (61) r0 = *(u32 *)(r1 +0)          ; R0=scalar(smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R1=ctx()",
      "2: (bf) r2 = r0                       ; R0=scalar(id=1,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)) R2=scalar(id=1,smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff))",
      "3: (07) r2 += 7                       ; R2=scalar(id=1+7,smin=umin=7,smax=umax=0x100000006,var_off=(0x0; 0x1ffffffff))",
      "4: (25) if r2 > 0xa goto pc+1         ; R2=scalar(id=1+7,smin=umin=smin32=umin32=7,smax=umax=smax32=umax32=10,var_off=(0x0; 0xf))",
      "5: (b7) r0 = 1                        ; R0=1",
      "6: (95) exit",
    ]);
  });
});

describe("what the running kernel counted", () => {
  test.each([
    // a sign as mask is walked as 0 and as all ones
    ["r0 = *(u32 *)(r1 + 0)\nr0 <<= 32\nr0 s>>= 63\nr0 &= 5\nexit", 7],
    ["r0 = *(u32 *)(r1 + 0)\nw0 s>>= 31\nw0 |= 6\nexit", 6],
    // a register compared with itself
    ["r0 = *(u32 *)(r1 + 0)\nif r0 > r0 goto +1\nr0 = 1\nexit", 5],
  ])("%j: %i instructions", (assembly, processed) => {
    expect(verify(requestOf(assembly), { kernel }).statistics.processed).toBe(processed);
  });
});

test("a pointer behind the packet's end covers none that is inside", () => {
  // Linux refuses it: the path on which r4 is inside gets to the load
  const assembly = `
    r9 = *(u32 *)(r1 + 0)
    r5 = *(u32 *)(r1 + 4)
    r4 = r9
    r4 += 8
    if r4 <= r5 goto +1
    r0 = 0
    if r4 > r5 goto +1
    r0 = *(u64 *)(r9 + 100)
    r0 = 0
    exit`;
  const everyState = 1 << 3;
  const found = verify(requestOf(assembly, { type: "xdp", flags: everyState }), { kernel });
  expect([found.verdict, found.error?.name, found.statistics.processed]).toEqual(["reject", "out_of_packet", 11]);
});
