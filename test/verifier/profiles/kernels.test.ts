/**
 * Random programs that tell older kernels from 6.18, with what such kernels said (Debian's 5.10.262, 6.1.192, 6.12.117): their profiles
 * say the same. `npm run old-kernel -- --fixtures` writes the file.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import { fromFixture } from "../../../scripts/fuzz-verifier/fixture.mjs";
import type { Fixture } from "../../../scripts/fuzz-verifier/fixture.mjs";

type Judged = Pick<Fixture, "kernel" | "request"> & { readonly id: string; readonly profile: string };

const FILE = new URL("programs.jsonl.gz", import.meta.url);
const programs = gunzipSync(readFileSync(FILE))
  .toString()
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => JSON.parse(line) as Judged);

describe.each(["5.10", "6.1", "6.12"])("Linux %s", (release) => {
  const judged = programs.filter(({ profile }) => profile === release);
  const kernel = profileOf(release);
  if (kernel === null) throw new Error(`no profile ${release}`);

  test("was asked about programs", () => {
    expect(judged.length).toBeGreaterThan(0);
  });

  test.each(judged)("$id: $kernel.verdict, $kernel.message", (program) => {
    const { verdict, error } = verify(fromFixture(program, null), { kernel });
    expect({ verdict, error: verdict === program.kernel.verdict ? null : error?.reason }).toEqual({
      verdict: program.kernel.verdict,
      error: null,
    });
  });
});
