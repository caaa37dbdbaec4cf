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
  /** What another kernel than the running one says of the first program: only that is the reason. Null: no other is asked. */
  readonly log: string | null;
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
  proprietary: (example) => change(example, () => ({ license: "Proprietary" })),
  "lost-function": (example) => change(example, ({ functions }) => ({ functions: functions.slice(0, -1) })),
  "late-lines": (example) =>
    change(example, ({ lines }) => ({ lines: lines.map((line) => ({ ...line, slot: line.slot + 1 })) })),
};
const RELEASE = /^linux-(\d+\.\d+)$/;
const NEWEST = "6.18";

function change(example: Example, by: (request: LoadRequest) => Partial<LoadRequest>): Example {
  return { ...example, request: { ...example.request, ...by(example.request) } };
}

function withFlags(example: Example, more: number): Example {
  return change(example, ({ flags }) => ({ flags: flags | more }));
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
      const log = /^```log\n([^]*?)^```$/m.exec(body)?.[1] ?? null;
      return { code, name, log, text: body.replaceAll(/^```[^]*?^```$/gm, "").trim(), blocks };
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

/** What the blocks load, by block. Those of TypeScript are compiled at once, since a compiler takes long to start. */
export async function examplesOf(blocks: readonly Block[], kernel: KernelNames): Promise<Map<Block, Example>> {
  const compiled = new Map<Block, LoadRequest>();
  const programs = blocks.filter(({ language }) => language === "ts");
  // a licence is the whole object's
  for (const licence of new Set(programs.map(licenceOf))) {
    const group = programs.filter((block) => licenceOf(block) === licence);
    for (const [block, request] of await compileAll(group, kernel)) compiled.set(block, request);
  }
  return new Map(blocks.map((block) => [block, asAsked(block, compiled.get(block) ?? assemble(block, kernel))]));
}

function licenceOf({ source }: Block): string {
  return /^license\((.*)\)/m.exec(source)?.[1] ?? '"Dual MIT/GPL"';
}

function asAsked(block: Block, request: LoadRequest): Example {
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

/** Each block is a file of its own; its constants are numbered, since names of maps and programs are the object's. */
async function compileAll(blocks: readonly Block[], kernel: KernelNames): Promise<Map<Block, LoadRequest>> {
  const files = blocks.map(({ source }, i) => [`example${i}`, numbered(source, i)] as const);
  const sources = Object.fromEntries(files.map(([name, source]) => [`${name}.ts`, source]));
  const entry = files.map(([name]) => `export * from "./${name}";`).join("\n");
  const { object, diagnostics } = await compileSources({ ...sources, "all.ts": entry }, "all.ts");
  if (object === null) throw new Error(diagnostics.map((one) => JSON.stringify(one)).join("\n"));
  return new Map(blocks.map((block, i) => [block, requestOf(object, `example${i}`, { kernel: kernel.btf })]));
}

function numbered(source: string, number: number): string {
  const names = [...source.matchAll(/^(?:export )?const (\w+)/gm)].map(([, name]) => name as string);
  return source.replaceAll(new RegExp(`(?<![.\\w])(${names.join("|")})\\b`, "g"), `$1${number}`);
}
