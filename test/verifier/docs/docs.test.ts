/** docs/verifier has a section for every reason; what it shows is judged as it says, by our verifier and by the kernel's. */
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decodeBtf } from "../../../lib/btf/index.ts";
import { ROOT, explainLog, verify } from "../../../lib/verifier/index.ts";
import { subjectOfRequest } from "../../../lib/verifier/explain/subject.ts";
import { decodeCode } from "../../../lib/verifier/program/decode.ts";
import { RawCode } from "../../../lib/verifier/program/raw.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { REASONS } from "../../../lib/verifier/reasons/index.ts";
import type { LoadRequest, Privileges, VerifierError } from "../../../lib/verifier/index.ts";
import { KernelVerifier } from "../../../scripts/kernel-verifier/kernel.mjs";
import type { KernelAnswer } from "../../../scripts/kernel-verifier/kernel.mjs";
import { noKernel } from "../../kernel/bed.ts";
import { examplesOf, markedLine, needsKernelTypes, readPage } from "./examples.ts";
import type { Block, Example, Section } from "./examples.ts";
import { askLimited, canLimit } from "./limited.ts";
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

let examples: ReadonlyMap<Block, Example>;
beforeAll(async () => {
  examples = await examplesOf(
    SHOWN.flatMap(({ blocks }) => blocks),
    kernel,
  );
});
const exampleOf = (block: Block): Example => examples.get(block) as Example;

function explained({ request }: Example, log: string): VerifierError {
  const { insns } = decodeCode(request.code, new RawCode(request.code));
  return explainLog(subjectOfRequest(request, insns), log, "");
}

describe("our verifier", () => {
  const judge = ({ request, privileges, strictAlignment, release }: Example) =>
    verify(request, { kernel: profileOf(release) as KernelProfile, privileges, strictAlignment });

  test.each(SHOWN)("$code $name", ({ code, blocks, log }: Section) => {
    const [failing, mended] = blocks as [Block, Block];
    if (kernel.btf === null && blocks.some(needsKernelTypes)) return;
    if (log === null) {
      const { error, unsupported } = judge(exampleOf(failing));
      expect([error?.code, unsupported]).toEqual([code, null]);
      const at = error?.at.kind === "source" ? error.at.line : null;
      if (markedLine(failing) !== null) expect(at).toBe(markedLine(failing));
    } else expect(explained(exampleOf(failing), log).code).toBe(code);
    const answer = judge(exampleOf(mended));
    expect([answer.verdict, answer.error?.reason, answer.unsupported]).toEqual(["accept", undefined, null]);
  });
});

/** Level 1: instructions are in the log. */
const WALK = 1;
/** How many ways the kernels have to say each reason. */
const WORDS = new Map<string, number>(Object.values(REASONS).map(({ code, kernel: words }) => [code, words.length]));

/** Without lines, whose text would make types of the program's own: the types of its maps would be others to the kernel. */
function loadedAs(block: Block): LoadRequest {
  const { request } = exampleOf(block);
  return block.words.includes("late-lines") ? request : { ...request, lines: [] };
}

type Answer = Pick<KernelAnswer, "verdict" | "log">;

/** What a section says and the kernel does not, by its answers to both programs; null where they agree. */
function wrongIn({ code, blocks, log: told }: Section, answers: readonly Answer[]): unknown {
  const [failing] = blocks as [Block];
  const [{ verdict, log }, good] = answers as [Answer, Answer];
  if (good.verdict !== "accept") return { code, mended: good.log };
  if (told !== null) return null;
  if (verdict === "accept") return { code, verdict };
  if (log.trim() === "" || WORDS.get(code) === 0) return null;
  const error = explained(exampleOf(failing), log);
  const line = error.at.kind === "source" ? error.at.line : null;
  const isWalked = /^\d+: \(/m.test(log);
  const isThere = !isWalked || markedLine(failing) === null || line === markedLine(failing);
  return error.code === code && isThere ? null : { code, line, log };
}

describe.skipIf(noKernel)("the running kernel", () => {
  const verifier = new KernelVerifier();
  afterAll(() => verifier.close());

  function ask(request: LoadRequest, code: string): Answer {
    // the log of a million instructions takes the kernel a minute to write
    try {
      const answer = verifier.load(request, code === "R016" ? 0 : WALK);
      return answer.errno === "ENOSPC" ? verifier.load(request) : answer;
    } catch (problem) {
      // it has no log for types and maps
      if (problem instanceof Error && problem.name === "KernelError") return { verdict: "reject", log: "" };
      throw problem;
    }
  }

  /** Those of a release like its own, that the loader's capabilities are the same for. */
  const askedWith = (privileges: Privileges): Section[] =>
    SHOWN.filter(({ blocks: [failing] }) => {
      const { privileges: own, release } = exampleOf(failing as Block);
      return release === "6.18" && own.bpf === privileges.bpf && own.perfmon === privileges.perfmon;
    });

  test("says the same of all of them", () => {
    const wrong = askedWith(ROOT).map((section) =>
      wrongIn(
        section,
        section.blocks.map((block) => ask(loadedAs(block), section.code)),
      ),
    );
    expect(wrong.filter((one) => one !== null)).toEqual([]);
  }, 60_000);

  test.skipIf(!canLimit)("and without CAP_PERFMON", () => {
    const sections = askedWith({ bpf: true, perfmon: false });
    const answers = askLimited(
      sections.flatMap(({ blocks }) => blocks.map(loadedAs)),
      WALK,
    );
    const wrong = sections.map((section, i) => wrongIn(section, answers.slice(2 * i, 2 * i + 2)));
    expect(wrong.filter((one) => one !== null)).toEqual([]);
  });
});
