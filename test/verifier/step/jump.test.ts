import { expect, test } from "vitest";
import { requestOf, verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { objectOf } from "../memory/build.ts";

const kernel = profileOf("6.18") as KernelProfile;
const LOOKUP = "*(u32 *)(r10 -4) = 0; r2 = r10; r2 += -4; r1 = map[id:0]; call 1; if r0 == 0 goto out";

/** As Linux 6.18.44 has it: what is not walked may do anything. */
test.each([
  ["64", `${LOOKUP}; if r0 != 0 goto out; r0 = r9; out: r0 = 0; exit`, "accept"],
  ["32", `${LOOKUP}; if w0 != 0 goto out; r0 = r9; out: r0 = 0; exit`, "accept"],
  ["64, another number", `${LOOKUP}; if r0 != 1 goto out; r0 = r9; out: r0 = 0; exit`, "reject"],
])("a pointer that was checked is not 0, in %s bits", (name, code, verdict) => {
  const request = requestOf(objectOf({ name, code, says: verdict }), "probe");
  expect(verify(request, { kernel }).verdict).toBe(verdict);
});
