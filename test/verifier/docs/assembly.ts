/**
 * Assembly of the pages made into a request. Beside what lib/asm reads:
 *
 * - `map[NAME]`, `map[NAME][0]+8`: a map of `MAPS`, or an offset into its value; `type[NAME]`: the number of a structure of the bed
 * - `call @NAME`: a kernel function; `call @START*#3`: the fourth whose name starts so; `ksym[NAME]`: a variable of the kernel
 * - `ktype[NAME]`: the number of a structure or typedef of the kernel, `offsetof(STRUCT, MEMBER)`: bytes before a member of one
 * - `call LABEL`, `subprog[LABEL]`: a static function; `global NAME(TYPE, ...):` starts a global one, `exception NAME(u64):`
 *   the one that handles exceptions
 * - `.byte 0xb7, 0, 0, 0, 2, 0, 0, 0`: an instruction's bytes, where it has no text
 * - `.rept N` to `.endr`: the lines N times, with the turn's number (from 0) for each `\+`
 */
import { encode, parse } from "../../../lib/asm/index.ts";
import type { Btf, BtfType, TypeId } from "../../../lib/btf/index.ts";
import { slotsOf } from "../../../lib/isa/index.ts";
import type { Insn } from "../../../lib/isa/index.ts";
import { HOOKS, sectionMeaning } from "../../../lib/kernel/index.ts";
import type { HookName } from "../../../lib/kernel/index.ts";
import type { SourceLine } from "../../../lib/object/index.ts";
import type { AttachTarget, LoadRequest, MapReference } from "../../../lib/verifier/index.ts";
import { findTarget } from "../../../lib/verifier/target.ts";
import { BROKEN_TYPES, TYPES, isBroken, mapNamed, programTypes, structNamed } from "./bed.ts";
import type { Block } from "./examples.ts";
import type { KernelNames } from "./names.ts";

/** Bytes of an instruction. */
const SLOT = 8;

/** The main function's type; any static one's is the next. */
const MAIN = TYPES.types.findIndex((type) => type.kind === "func" && type.linkage === "global");

/** A line of the block, as often as it is repeated. */
interface Line {
  /** As it is shown. */
  readonly shown: string;
  /** From 1. */
  readonly number: number;
  readonly text: string;
}

export function assemble(block: Block, kernel: KernelNames): LoadRequest {
  const [hook = ""] = block.words;
  const globals: Declared = new Map();
  const lines = repeat(block.source).map((line) => ({ ...line, text: declare(line.text, globals) }));
  const insns = parse(lines.map(({ text }) => plain(text, kernel)).join("\n"));
  const program = placed(lines, insns);
  const functions = functionsOf(program, globals);
  const maps = [...new Set(program.flatMap(({ line }) => mapIn(line.text) ?? []))];
  return {
    name: "example",
    ...placeOf(hook, kernel),
    license: "GPL",
    code: withBytes(encode(program.map((one) => linked(one, program))), program),
    maps: maps.map(mapNamed),
    mapReferences: new Map(
      program.flatMap(({ slot, insn, line }): [number, MapReference][] => {
        const name = mapIn(line.text);
        if (name === null || insn.kind !== "load_imm64") return [];
        const kind = insn.pseudo === "map_value" ? "map_value" : "map";
        return [[slot, { map: maps.indexOf(name), kind, offset: Number(insn.imm >> 32n) }]];
      }),
    ),
    btf: typesOf(lines, globals),
    functions,
    lines: program.map(({ slot, line }): SourceLine => ({
      slot,
      file: "example.s",
      line: line.number,
      column: 1,
      text: line.shown.trim(),
    })),
    kernel: kernel.btf,
  };
}

function repeat(source: string): Line[] {
  const lines: Line[] = [];
  let turns = 1;
  let start = 0;
  for (const [index, shown] of source.split("\n").entries()) {
    const [, count] = /^\.rept (\d+)$/.exec(shown) ?? [];
    if (count !== undefined) [turns, start] = [Number(count), lines.length];
    else if (shown === ".endr") {
      const body = lines.splice(start);
      for (let turn = 0; turn < turns; turn++)
        lines.push(...body.map((line) => ({ ...line, text: line.text.replaceAll("\\+", String(turn)) })));
    } else lines.push({ shown, number: index + 1, text: shown });
  }
  return lines;
}

/** Global functions by name. */
type Declared = Map<string, { readonly declaration: string; readonly handlesExceptions: boolean }>;

/** The label of a global function, whose declaration is kept. */
function declare(text: string, globals: Declared): string {
  const [, kind, name, parameters] = /^(global|exception) (\w+)\((.*)\):$/.exec(text) ?? [];
  if (name === undefined || parameters === undefined) return text;
  globals.set(name, { declaration: `${name}(${parameters})`, handlesExceptions: kind === "exception" });
  return `${name}:`;
}

function typesOf(lines: readonly Line[], globals: Declared): Btf {
  const structs = lines.flatMap(({ text }) => /\btype\[(\w+)\]/.exec(text)?.[1] ?? []);
  if (structs.some(isBroken)) return BROKEN_TYPES;
  if (globals.size === 0) return TYPES;
  const { types } = programTypes([...globals.values()].map(({ declaration }) => declaration));
  const tags = [...globals].flatMap(([name, { handlesExceptions }]): BtfType[] =>
    handlesExceptions ? [{ kind: "decl_tag", name: `exception_callback:${name}`, type: MAIN, component: -1 }] : [],
  );
  return { types: [...types, ...tags] };
}

const BYTES = /\.byte ([^;]*)/;

/** Bytes in the place of the instructions that stood for them. */
function withBytes(code: Uint8Array, program: readonly Placed[]): Uint8Array {
  for (const { slot, line } of program) {
    const bytes = BYTES.exec(line.text)?.[1];
    if (bytes !== undefined) code.set(bytes.split(",").map(Number), slot * SLOT);
  }
  return code;
}

/** The line as lib/asm reads it. */
function plain(text: string, { idOf, nthFunction, offsetOf }: KernelNames): string {
  return text
    .replace(BYTES, "r0 = 0")
    .replace(/map\[[a-z]\w*\]/, "map[id:0]")
    .replace(/subprog\[[a-z]\w*\]/, "subprog[+0]")
    .replace(
      /call @(\w+)\*#(\d+)/,
      (_, start: string, i: string) => `call kernel-function#${nthFunction(start, Number(i))}`,
    )
    .replace(/call @(\w+)/, (_, name: string) => `call kernel-function#${idOf("func", name)}`)
    .replace(/ksym\[(\w+)\]/, (_, name: string) => `btf[id:${idOf("var", name)}][fd:0]`)
    .replace(/ktype\[(\w+)\]/, (_, name: string) => String(idOf("struct", name) || idOf("typedef", name)))
    .replace(/\btype\[(\w+)\]/, (_, name: string) => String(structNamed(name)))
    .replace(/offsetof\((\w+), (\w+)\)/, (_, struct: string, member: string) => String(offsetOf(struct, member)));
}

function mapIn(text: string): string | null {
  return /map\[([a-z]\w*)\]/.exec(text)?.[1] ?? null;
}

interface Placed {
  readonly slot: number;
  readonly insn: Insn;
  readonly line: Line;
  readonly labels: readonly string[];
}

/** Instructions with their lines: a line has at most one. */
function placed(lines: readonly Line[], insns: readonly Insn[]): Placed[] {
  const program: Placed[] = [];
  let labels: string[] = [];
  let slot = 0;
  for (const line of lines) {
    const [, before = "", statement = ""] = /^\s*((?:\w+:\s*)*)([^;]*)/.exec(line.text) ?? [];
    labels.push(...before.split(":").map((label) => label.trim()));
    const insn = insns[program.length];
    if (statement.trim() === "" || insn === undefined) continue;
    program.push({ slot, insn, line, labels });
    labels = [];
    slot += slotsOf(insn);
  }
  return program;
}

const ADDRESS = /subprog\[([a-z]\w*)\]/;

function linked({ slot, insn, line }: Placed, program: readonly Placed[]): Insn {
  const name = ADDRESS.exec(line.text)?.[1];
  if (name === undefined || insn.kind !== "load_imm64") return insn;
  return { ...insn, imm: BigInt.asUintN(32, BigInt(slotOf(program, name) - slot - 1)) };
}

function slotOf(program: readonly Placed[], label: string): number {
  const found = program.find(({ labels }) => labels.includes(label));
  if (found === undefined) throw new Error(`there is no label ${label}`);
  return found.slot;
}

/** The program's function and those that it calls, has called back, or declares. */
function functionsOf(
  program: readonly Placed[],
  globals: Declared,
): { readonly slot: number; readonly type: TypeId }[] {
  const types = new Map<number, TypeId>([[0, MAIN]]);
  for (const { slot, insn, line } of program) {
    const name = ADDRESS.exec(line.text)?.[1];
    const isCall = insn.kind === "call" && insn.target.kind === "local";
    if (name !== undefined) types.set(slotOf(program, name), MAIN + 1);
    if (isCall) types.set(slot + 1 + (insn.target as { readonly delta: number }).delta, MAIN + 1);
  }
  for (const [index, name] of [...globals.keys()].entries())
    types.set(slotOf(program, name), TYPES.types.length + index);
  return [...types].map(([slot, type]) => ({ slot, type })).toSorted((a, b) => a.slot - b.slot);
}

/** Type, attach type, flags and target by a hook's name or that of a section. */
function placeOf(hook: string, kernel: KernelNames): Pick<LoadRequest, "type" | "attach" | "flags" | "target"> {
  const known = hook in HOOKS ? HOOKS[hook as HookName] : sectionMeaning(hook);
  if (known === null) throw new Error(`${hook} is no hook`);
  const { type, attach, flags } = known;
  return { type, attach, flags, target: targetOf(hook, attach, kernel) };
}

function targetOf(section: string, attach: LoadRequest["attach"], kernel: KernelNames): AttachTarget | null {
  const [, struct, name] = /^struct_ops(?:\.s)?\/(\w+)\.(\w+)$/.exec(section) ?? [];
  if (kernel.btf === null) return null;
  if (struct === undefined) return findTarget({ section, attach }, kernel.btf);
  const type = kernel.idOf("struct", struct);
  const of = kernel.btf.types[type];
  const member = of?.kind === "struct" ? of.members.findIndex((one) => one.name === name) : -1;
  return { type, member: member < 0 ? null : member };
}
