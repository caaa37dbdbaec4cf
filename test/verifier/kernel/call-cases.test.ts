/** The cases of test/verifier/calls by our verifier and by the running kernel's: verdicts, and instructions walked. */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { decodeBtf } from "../../../lib/btf/index.ts";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { KernelVerifier } from "../../../scripts/kernel-verifier/kernel.mjs";
import { noKernel } from "../../kernel/bed.ts";
import { CASES } from "../calls/cases.ts";
import { kernelOf, requestOf } from "./helper-bed.ts";

describe.skipIf(noKernel)("helpers with rules of their own", () => {
  const asked = new KernelVerifier();
  afterAll(() => asked.close());
  const kernel = noKernel
    ? null
    : kernelOf(decodeBtf(new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux")), "kernel"));

  test.each(Object.entries(CASES))("%s", (_, rows) => {
    const profile = profileOf("6.18") as KernelProfile;
    const found: string[] = [];
    for (const { name, says, code, place } of rows) {
      if (kernel === null) break;
      const request = requestOf(code.replaceAll("; ", "\n"), place, kernel);
      const ours = verify(request, { kernel: profile });
      const theirs = asked.load(request);
      const reason = ours.error?.name ?? ours.unsupported ?? "accept";
      const same = ours.verdict === theirs.verdict && ours.statistics.processed === theirs.processed;
      if (!same || reason !== says)
        found.push(
          `${name}: ${says}; we: ${reason} ${ours.statistics.processed}; kernel: ${theirs.verdict} ${theirs.processed} ${theirs.message ?? theirs.errno ?? ""}`,
        );
    }
    expect(found).toEqual([]);
  });
});
