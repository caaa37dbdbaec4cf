/** The cases by our verifier alone; those that need types of the kernel are in test/verifier/kernel/call-cases.test.ts only. */
import { expect, test } from "vitest";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { kernelOf, requestOf } from "../kernel/helper-bed.ts";
import { CASES } from "./cases.ts";

const NO_TYPES = kernelOf({ types: [{ kind: "void" }] });
/** Results that are structs of the kernel (get_current_task_btf, skc_to_tcp_sock), and a map of pointers to such. */
const NEEDS_TYPES = /call (158|137)\b|map\[id:5\]/;

test.each(Object.entries(CASES))("%s", (_, rows) => {
  const kernel = profileOf("6.18") as KernelProfile;
  const found = rows
    .filter(({ code }) => !NEEDS_TYPES.test(code))
    .map(({ name, says, code, place }) => {
      const { error, unsupported } = verify(requestOf(code.replaceAll("; ", "\n"), place, NO_TYPES), { kernel });
      return { name, says: unsupported ?? error?.name ?? "accept", expected: says };
    });
  expect(found.filter(({ says, expected }) => says !== expected)).toEqual([]);
});
