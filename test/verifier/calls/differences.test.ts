/** Where calls are judged otherwise than by a kernel at hand, knowingly: see docs/verifier.md. */
import { expect, test } from "vitest";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { requestOf } from "../request.ts";

const kernel = profileOf("6.18") as KernelProfile;
const code = (text: string): string => text.replaceAll("; ", "\n");
const BAD = "out: r0 = 0; exit; bad: r0 = *(u64 *)(r0 +0); exit";

test("a CPU's number is below what kernels are built for, not below what a machine has", () => {
  const below = (limit: number): string =>
    verify(requestOf(code(`call 8; if r0 > ${limit} goto bad; ${BAD}`)), { kernel }).verdict;
  // A kernel with two CPUs takes both.
  expect([below(8191), below(1)]).toEqual(["accept", "reject"]);
});

test("variables of the kernel are not judged: their addresses are not in its types", () => {
  const types = {
    types: [
      { kind: "void" },
      { kind: "int", name: "int", size: 4, encoding: "signed" },
      { kind: "var", name: "jiffies", type: 1, linkage: "global" },
    ],
  } as const;
  const { verdict } = verify(requestOf(code("r1 = btf[id:2][fd:0]; r0 = 0; exit"), { kernel: types }), { kernel });
  expect(verdict).toBe("unsupported");
});
