/** docs/verifier has a section for every reason; what it shows is judged as it says, by our verifier and by the kernel's. */
import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { decodeBtf } from "../../../lib/btf/index.ts";
import { explainLog, verify } from "../../../lib/verifier/index.ts";
import { subjectOfRequest } from "../../../lib/verifier/explain/subject.ts";
import { decodeCode } from "../../../lib/verifier/program/decode.ts";
import { RawCode } from "../../../lib/verifier/program/raw.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { REASONS } from "../../../lib/verifier/reasons/index.ts";
import { KernelVerifier } from "../../../scripts/kernel-verifier/kernel.mjs";
import { noKernel } from "../../kernel/bed.ts";
import { exampleOf, markedLine, needsKernelTypes, readPage } from "./examples.ts";
import type { Block, Example, Section } from "./examples.ts";
import { namesIn } from "./names.ts";

const PAGES = ["flow", "registers", "memory", "calls", "kfuncs", "types", "scopes"];
const SECTIONS = PAGES.flatMap((page) =>
  readPage(readFileSync(new URL(`../../../docs/verifier/${page}.md`, import.meta.url), "utf8")),
);
const SHOWN = SECTIONS.filter(({ blocks }) => blocks.length > 0);

const KERNEL_TYPES = "/sys/kernel/btf/vmlinux";
const kernel = namesIn(existsSync(KERNEL_TYPES) ? decodeBtf(readFileSync(KERNEL_TYPES)) : null);

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

const made = new Map<Block, Promise<Example>>();
function madeOf(block: Block): Promise<Example> {
  const example = made.get(block) ?? exampleOf(block, kernel);
  made.set(block, example);
  return example;
}

describe("our verifier", () => {
  const judge = ({ request, privileges, strictAlignment, release }: Example) =>
    verify(request, { kernel: profileOf(release) as KernelProfile, privileges, strictAlignment });

  test.each(SHOWN)("$code $name", async ({ code, blocks }: Section) => {
    const [failing, mended] = blocks as [Block, Block];
    if (kernel.btf === null && blocks.some(needsKernelTypes)) return;
    const { error, unsupported } = judge(await madeOf(failing));
    expect([error?.code, unsupported]).toEqual([code, null]);
    const at = error?.at.kind === "source" ? error.at.line : null;
    if (markedLine(failing) !== null) expect(at).toBe(markedLine(failing));
    const answer = judge(await madeOf(mended));
    expect([answer.verdict, answer.error?.reason, answer.unsupported]).toEqual(["accept", undefined, null]);
  });
});

/** Level 1: instructions are in the log. */
const WALK = 1;

describe.skipIf(noKernel)("the running kernel", () => {
  const verifier = new KernelVerifier();
  afterAll(() => verifier.close());

  /** The log's reason and line, or the verdict where the kernel says nothing. */
  function judge({ request }: Example): { code: string; line: number | null } {
    const { verdict, log } = verifier.load({ ...request, lines: [] }, WALK);
    if (verdict === "accept" || log.trim() === "") return { code: verdict, line: null };
    const { insns } = decodeCode(request.code, new RawCode(request.code));
    const { code, at } = explainLog(subjectOfRequest(request, insns), log, "");
    return { code, line: at.kind === "source" ? at.line : null };
  }

  test("says the same of all of them", async () => {
    const wrong: unknown[] = [];
    for (const { code, blocks } of SHOWN) {
      const [failing, mended] = blocks as [Block, Block];
      // the log of a million instructions takes the kernel a minute to write
      if (code === "R016") continue;
      const { privileges, release } = await madeOf(failing);
      if (!privileges.perfmon || release !== "6.18") continue;
      const bad = judge(await madeOf(failing));
      const good = judge(await madeOf(mended));
      const line = markedLine(failing);
      const isRight = bad.code === code ? line === null || bad.line === line : bad.code === "reject";
      if (!isRight || good.code !== "accept") wrong.push({ code, line, bad, good });
    }
    expect(wrong).toEqual([]);
  }, 60_000);
});
