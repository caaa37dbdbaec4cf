/**
 * The pages of docs/verifier as data: a section for each reason, with the programs that it shows, made into what is loaded.
 *
 * A program is a fenced block, `ts` or `asm HOOK`; words behind say how it is loaded (`MODES`). The first block of a section
 * breaks the rule, at the line that ends with `here` if there is one; the second does not. docs/verifier.md tells it to readers.
 */
import { compileSources } from "../../../codegen/index.ts";
import { PROGRAM_FLAGS } from "../../../lib/kernel/index.ts";
import { ROOT, requestOf } from "../../../lib/verifier/index.ts";
import type { LoadRequest, Privileges } from "../../../lib/verifier/index.ts";
import { assemble } from "./assembly.ts";
import type { KernelNames } from "./names.ts";

export interface Section {
  readonly code: string;
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

export interface Block {
  readonly language: "asm" | "ts";
  /** A hook's or a section's name, empty for TypeScript; then modes. */
  readonly words: readonly string[];
  readonly source: string;
}

/** A program and how it is loaded. */
export interface Example {
  readonly request: LoadRequest;
  readonly privileges: Privileges;
  readonly strictAlignment: boolean;
  /** A kernel's release. */
  readonly release: string;
}

/** What a word in the first line of a block asks for. */
const MODES: Readonly<Record<string, (example: Example) => Example>> = {
  unprivileged: (example) => ({ ...example, privileges: { bpf: false, perfmon: false } }),
  "no-perfmon": (example) => ({ ...example, privileges: { bpf: true, perfmon: false } }),
  strict: (example) => withFlags({ ...example, strictAlignment: true }, PROGRAM_FLAGS.strict_alignment),
  sleepable: (example) => withFlags(example, PROGRAM_FLAGS.sleepable),
  proprietary: (example) => ({ ...example, request: { ...example.request, license: "Proprietary" } }),
};
const RELEASE = /^linux-(\d+\.\d+)$/;
const NEWEST = "6.18";

function withFlags(example: Example, flags: number): Example {
  return { ...example, request: { ...example.request, flags: example.request.flags | flags } };
}

export function readPage(text: string): Section[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [, code = "", name = "", body = ""] = /^(R\d{3}): (\w+)\n([^]*)$/.exec(section) ?? [];
      const blocks = [...body.matchAll(/^```(asm|ts)(.*)\n([^]*?)^```$/gm)].map(([, language, words = "", source]) => ({
        language: language as "asm" | "ts",
        words: language === "ts" ? ["", ...wordsOf(words)] : wordsOf(words),
        source: source as string,
      }));
      return { code, name, text: body.replaceAll(/^```[^]*?^```$/gm, "").trim(), blocks };
    });
}

function wordsOf(text: string): string[] {
  return text.split(" ").filter((word) => word !== "");
}

/** The line (from 1) of a block that is marked, null where none is. */
export function markedLine({ source }: Block): number | null {
  const at = source.split("\n").findIndex((line) => /(;|\/\/) here$/.test(line));
  return at < 0 ? null : at + 1;
}

/** Whether the program names functions, structures or variables of the kernel. */
export function needsKernelTypes({ words: [hook = ""], source }: Block): boolean {
  return hook.includes("/") || /call @|kernel\.|ksym\[/.test(source);
}

export async function exampleOf(block: Block, kernel: KernelNames): Promise<Example> {
  const request = block.language === "ts" ? await compiled(block, kernel) : assemble(block, kernel);
  let example: Example = { request, privileges: ROOT, strictAlignment: false, release: NEWEST };
  for (const word of block.words.slice(1)) {
    const release = RELEASE.exec(word)?.[1];
    const mode = MODES[word];
    if (release !== undefined) example = { ...example, release };
    else if (mode !== undefined) example = mode(example);
    else throw new Error(`${word} is no mode: ${Object.keys(MODES).join(", ")} and linux-RELEASE are`);
  }
  return example;
}

async function compiled(block: Block, kernel: KernelNames): Promise<LoadRequest> {
  const { object, diagnostics } = await compileSources({ "example.ts": block.source }, "example.ts");
  if (object === null) throw new Error(diagnostics.map(({ code, message }) => `${code} ${message}`).join("\n"));
  return requestOf(object, object.programs[0]?.name ?? "", { kernel: kernel.btf });
}
