/**
 * Random programs of calls of kernel functions, judged by our verifier and by the running kernel's: the verdict, and how many
 * instructions were walked. `SEED=7 COUNT=20000 npx vitest run ... test/verifier/kernel/kfunc-programs` for more.
 */
import { afterAll, describe, expect, test } from "vitest";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { KernelVerifier } from "../../../scripts/kernel-verifier/kernel.mjs";
import { noKernel } from "../../kernel/bed.ts";
import { Random } from "../scalar/random.ts";
import { kernelTypes } from "./ask.ts";
import { kfuncProgram } from "./kfunc-programs.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const COUNT = Number(process.env["COUNT"] ?? 60);

describe.skipIf(noKernel)("kernel functions as the running kernel judges calls of them", () => {
  const kernelVerifier = new KernelVerifier();
  afterAll(() => kernelVerifier.close());

  test(`${COUNT} programs of seed ${SEED}`, () => {
    const kernel = kernelTypes();
    const ids = new Map(
      kernel.types.flatMap((type, id) =>
        type.kind === "func" && type.name.startsWith("bpf_") ? [[type.name, id]] : [],
      ),
    );
    const profile = profileOf("6.18") as KernelProfile;
    const random = new Random(SEED);
    const wrong: string[] = [];
    const counts = { accept: 0, reject: 0, unsupported: 0, otherCount: 0 };
    for (let i = 0; i < COUNT; i++) {
      const { place, text, request } = kfuncProgram(random, kernel, ids);
      const ours = verify(request, { kernel: profile });
      const theirs = kernelVerifier.load(request);
      if (ours.verdict === "unsupported") {
        counts.unsupported++;
        wrong.push(`unsupported ${ours.unsupported}\n${text}`);
        continue;
      }
      counts[theirs.verdict]++;
      const { processed } = ours.statistics;
      if (ours.verdict === theirs.verdict && processed !== theirs.processed) counts.otherCount++;
      if (ours.verdict === theirs.verdict && Math.abs(processed - theirs.processed) <= theirs.processed / 20) continue;
      const reason = `${ours.error?.code ?? ""} ${ours.error?.reason ?? ""} at ${ours.error?.slot ?? "-"}`;
      wrong.push(
        `${i} ${place.type}: we ${ours.verdict} (${processed}) ${reason}; kernel: ${theirs.verdict} (${theirs.processed}) ${theirs.message ?? theirs.errno}\n${text}`,
      );
    }
    process.stderr.write(`${JSON.stringify(counts)}\n`);
    expect(wrong).toEqual([]);
  });
});
