/**
 * Calls of every helper, well-formed and not, judged by our verifier and by the running kernel's.
 * `SEED=7 COUNT=20000 npx vitest run ... test/verifier/kernel/helper-calls` for more than the suite has time for.
 */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { decodeBtf } from "../../../lib/btf/index.ts";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { KernelVerifier } from "../../../scripts/kernel-verifier/kernel.mjs";
import { noKernel } from "../../kernel/bed.ts";
import { Random } from "../scalar/random.ts";
import { kernelOf } from "./helper-bed.ts";
import { helperCall } from "./helper-calls.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const COUNT = Number(process.env["COUNT"] ?? 300);

describe.skipIf(noKernel)("helpers as the running kernel judges calls of them", () => {
  const kernelVerifier = new KernelVerifier();
  afterAll(() => kernelVerifier.close());

  test(`${COUNT} calls of seed ${SEED}`, () => {
    const kernel = kernelOf(decodeBtf(new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux")), "kernel"));
    const profile = profileOf("6.18") as KernelProfile;
    const random = new Random(SEED);
    const wrong: string[] = [];
    const counts = { accept: 0, reject: 0, unsupported: 0 };
    for (let i = 0; i < COUNT; i++) {
      const { helper, place, sources, text, request } = helperCall(random, kernel);
      const ours = verify(request, { kernel: profile });
      const theirs = kernelVerifier.load(request);
      if (ours.verdict === "unsupported") {
        counts.unsupported++;
        if (process.env["SHOW_UNSUPPORTED"] !== undefined) wrong.push(`${helper}: ${ours.unsupported}`);
        continue;
      }
      counts[theirs.verdict]++;
      if (ours.verdict === theirs.verdict) continue;
      const reason = `${ours.error?.code ?? ""} ${ours.error?.reason ?? ""}`;
      wrong.push(
        `${place.type} ${helper}(${sources.join(", ")}): we ${ours.verdict} ${reason}; kernel: ${theirs.verdict} ${theirs.message ?? theirs.errno}\n${text}`,
      );
    }
    process.stderr.write(`${JSON.stringify(counts)}\n`);
    expect(wrong).toEqual([]);
  });
});
