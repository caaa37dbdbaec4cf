/**
 * The pages of docs/verifier as data: a section for each reason, with the programs that it shows, made into objects.
 *
 * A program is a fenced block `asm HOOK` or `ts`. In assembly `map[name]` is one of `MAPS`, `call @name` a kernel function. The
 * first block of a section breaks the rule at the line that ends with `here`, the second one does not.
 */
import { parse } from "../../../lib/asm/index.ts";
import type { Btf } from "../../../lib/btf/index.ts";
import { compileSources } from "../../../codegen/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import { slotsOf } from "../../../lib/isa/index.ts";
import { HOOKS } from "../../../lib/kernel/index.ts";
import type { HookName } from "../../../lib/kernel/index.ts";
import type { MapSpec, ObjectSpec, Relocation, SourceLine } from "../../../lib/object/index.ts";
import { T, TYPES, map } from "../../kernel/specs.ts";

export interface Section {
  readonly code: string;
  readonly name: string;
  readonly text: string;
  readonly blocks: readonly Block[];
}

export interface Block {
  readonly language: "asm" | "ts";
  readonly hook: string;
  readonly source: string;
}

export function readPage(text: string): Section[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [, code = "", name = "", body = ""] = /^(R\d{3}): (\w+)\n([^]*)$/.exec(section) ?? [];
      const blocks = [...body.matchAll(/^```(asm|ts) ?(\w*)\n([^]*?)^```$/gm)].map(([, language, hook, source]) => ({
        language: language as "asm" | "ts",
        hook: hook as string,
        source: source as string,
      }));
      return { code, name, text: body.replaceAll(/^```[^]*?^```$/gm, "").trim(), blocks };
    });
}

/** The line (from 1) of a block that is marked, null where none is. */
export function markedLine({ source }: Block): number | null {
  const at = source.split("\n").findIndex((line) => /(;|\/\/) here$/.test(line));
  return at < 0 ? null : at + 1;
}

const MAPS: readonly MapSpec[] = [
  map("flows", "hash", 4, 16, 64, { keyType: T.u32, valueType: T.stats }),
  map("counts", "array", 4, 8, 4, { keyType: T.u32, valueType: T.u64 }),
  map("events", "ringbuf", 0, 0, 4096),
  map("programs", "prog_array", 4, 4, 4),
  map("devices", "devmap", 4, 4, 4),
  map("sockets", "sockmap", 4, 4, 4),
  map("readonly", "array", 4, 8, 1, { keyType: T.u32, valueType: T.u64, flags: 1 << 7 }),
  map("writeonly", "array", 4, 8, 1, { keyType: T.u32, valueType: T.u64, flags: 1 << 8 }),
];

/** The object of a block, with its only program. */
export async function objectOf(block: Block): Promise<{ object: ObjectSpec; program: string }> {
  if (block.language === "ts") return compiled(block);
  const functions = [...new Set([...block.source.matchAll(/call @(\w+)/g)].map(([, name]) => name as string))];
  const text = block.source
    .replaceAll(/map\[(\w+)\]/g, (_, name: string) => `map[id:${MAPS.findIndex((m) => m.name === name)}]`)
    .replaceAll(/call @(\w+)/g, (_, name: string) => `call kfunc[id:${functions.indexOf(name)}]`);
  const { insns, lines, relocations } = assembled(block, text, functions);
  const { section, type, attach, flags } = HOOKS[block.hook as HookName];
  const name = "example";
  const program = {
    name,
    section,
    type,
    attach,
    flags,
    btfId: 0,
    linkage: "global",
    insns,
    relocations,
    lines,
  } as const;
  const used = new Set(relocations.flatMap((relocation) => ("map" in relocation ? [relocation.map] : [])));
  return {
    program: name,
    object: {
      license: "Dual MIT/GPL",
      programs: [program],
      subprograms: [],
      maps: MAPS.filter((one) => used.has(one.name)),
      btf: withFunctions(functions),
    },
  };
}

async function compiled(block: Block): Promise<{ object: ObjectSpec; program: string }> {
  const { object, diagnostics } = await compileSources({ "example.ts": block.source }, "example.ts");
  if (object === null) throw new Error(diagnostics.map(({ code, message }) => `${code} ${message}`).join("\n"));
  return { object, program: object.programs[0]?.name ?? "" };
}

function assembled(block: Block, text: string, functions: readonly string[]) {
  const all = text.split("\n");
  const calls: number[] = [];
  const source = all.map((line, i) => {
    if (!line.includes("kfunc[id:")) return line;
    calls.push(i);
    return line.replace(/call kfunc\[id:\d+\]/, "call 0x0");
  });
  const isStatement = (line: string): boolean =>
    line
      .replace(/;.*$/, "")
      .replace(/^\s*\w+:\s*/, "")
      .trim() !== "";
  const numbers = all.flatMap((line, i) => (isStatement(line) ? [i] : []));
  const insns: Insn[] = [];
  const lines: SourceLine[] = [];
  const relocations: Relocation[] = [];
  let slot = 0;
  for (const [i, insn] of parse(source.join("\n")).entries()) {
    const number = numbers[i] as number;
    const line = all[number] as string;
    const shown = (block.source.split("\n")[number] as string).trim();
    lines.push({ slot, file: "example.s", line: number + 1, column: 1, text: shown });
    const call = /kfunc\[id:(\d+)\]/.exec(line);
    if (insn.kind === "load_imm64" && insn.pseudo === "map_fd") {
      relocations.push({ kind: "map", slot, map: MAPS[Number(insn.imm)]?.name ?? "" });
      insns.push({ ...insn, imm: 0n });
    } else if (call !== null) {
      relocations.push({ kind: "kfunc", slot, kfunc: functions[Number(call[1])] as string });
      insns.push({ kind: "call", target: { kind: "kfunc", btfId: 0, off: 0 } });
    } else insns.push(insn);
    slot += slotsOf(insn);
  }
  return { insns, lines, relocations };
}

/** The tests' types and functions of the kernel that the program only names. */
function withFunctions(names: readonly string[]): Btf {
  const proto = TYPES.types.length;
  if (names.length === 0) return TYPES;
  return {
    types: [
      ...TYPES.types,
      { kind: "func_proto", result: 0, params: [] },
      ...names.map((name) => ({ kind: "func", name, type: proto, linkage: "extern" }) as const),
    ],
  };
}
