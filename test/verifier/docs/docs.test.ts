/** docs/verifier has a section for every reason; what it shows is judged as it says, by our verifier and by the kernel's. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { link } from "../../../lib/asm/index.ts";
import { decodeBtf } from "../../../lib/btf/index.ts";
import { explainLog, requestOf, subjectOfProgram, verify } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { REASONS } from "../../../lib/verifier/reasons/index.ts";
import { VerifierError, load } from "../../../loader/index.ts";
import { noKernel } from "../../kernel/bed.ts";
import { markedLine, objectOf, readPage } from "./examples.ts";
import type { Block, Section } from "./examples.ts";

const PAGES = ["flow", "registers", "memory", "calls", "kfuncs", "types", "scopes"];
const SECTIONS = PAGES.flatMap((page) =>
  readPage(readFileSync(new URL(`../../../docs/verifier/${page}.md`, import.meta.url), "utf8")),
);
const SHOWN = SECTIONS.filter(({ blocks }) => blocks.length > 0);

const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";
const kernel = existsSync(KERNEL_TYPES) ? decodeBtf(readFileSync(KERNEL_TYPES)) : null;
const profile = profileOf("6.18") as KernelProfile;

const needsKernelTypes = ({ source }: Block): boolean => source.includes("call @");

describe("docs/verifier", () => {
  test("has a section for every reason, in the order of the tables", () => {
    const wanted = Object.entries(REASONS).map(([name, { code }]) => `${code}: ${name}`);
    expect(SECTIONS.map(({ code, name }) => `${code}: ${name}`)).toEqual(wanted.toSorted());
  });

  test("shows a failing and a mended program, or says why not", () => {
    for (const { code, text, blocks } of SECTIONS) {
      expect(text.length, code).toBeGreaterThan(40);
      if (blocks.length === 0) expect(text, code).toMatch(/^Not shown: /m);
      else expect(blocks.length, code).toBe(2);
    }
  });
});

describe.each(SHOWN)("$code $name", ({ code, blocks }: Section) => {
  const [failing, mended] = blocks as [Block, Block];

  test.skipIf(needsKernelTypes(failing) && kernel === null)("our verifier", async () => {
    const { object, program } = await objectOf(failing);
    const { error, unsupported } = verify(requestOf(object, program, { kernel }), { kernel: profile });
    expect([error?.code, unsupported]).toEqual([code, null]);
    const at = error?.at.kind === "source" ? error.at.line : null;
    if (markedLine(failing) !== null) expect(at).toBe(markedLine(failing));
    const right = await objectOf(mended);
    const answer = verify(requestOf(right.object, right.program, { kernel }), { kernel: profile });
    expect([answer.verdict, answer.error?.reason, answer.unsupported]).toEqual(["accept", undefined, null]);
  });

  // the log of a million instructions takes the kernel a minute to write
  test.skipIf(noKernel || code === "R016")("the running kernel", async () => {
    const { object, program } = await objectOf(failing);
    const failure = await load(object).then(
      (loaded) => loaded.close(),
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(VerifierError);
    const { log } = failure as VerifierError;
    const error = explainLog(subjectOfProgram(link(object, program)), log, "");
    expect(error.code, log).toBe(code);
    if (markedLine(failing) !== null) expect(error.at).toMatchObject({ line: markedLine(failing) });
    (await load((await objectOf(mended)).object)).close();
  });
});
