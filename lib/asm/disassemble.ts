/**
 * Instructions as text, in the notation that the kernel's verifier log and `bpftool prog dump xlated` have.
 * The text of each instruction is the `text` column of its row with the operands filled in.
 */
import { operand, operandNames, rowOf, slotsOf } from "../isa/index.ts";
import type { Insn, LoadImm64, Operands, Row } from "../isa/index.ts";
import type { Relocation, SourceLine } from "../object/index.ts";
import { SYNTAX } from "./operands.ts";

/** Names for what instructions refer to by number. A `LinkedProgram` and a `FunctionSpec` are such objects. */
export interface Symbols {
  /** Functions of the program: `call pc+3#name`. */
  readonly functions?: readonly { readonly slot: number; readonly name: string }[];
  /** Maps of 64-bit loads: `r1 = map[name]`. */
  readonly mapReferences?: readonly { readonly slot: number; readonly map: string }[];
  /** Unlinked code: maps, and functions that are called or whose address is taken. */
  readonly relocations?: readonly Relocation[];
  /** Linked code: kernel functions by the slots of their calls. */
  readonly kernelCalls?: readonly { readonly slot: number; readonly name: string }[];
  /** Linked code: kernel functions and variables by the slots of the loads that take their addresses. */
  readonly kernelAddresses?: readonly { readonly slot: number; readonly name: string }[];
  /** Kernel functions by BTF id. */
  readonly kfuncs?: ReadonlyMap<number, string>;
}

export interface DisassembleOptions {
  /** Source lines by slot, as LinkedProgram and FunctionSpec have them. */
  readonly lines?: readonly SourceLine[];
  readonly symbols?: Symbols;
}

export interface Disassembled {
  readonly slot: number;
  /** The opcode byte. */
  readonly code: number;
  readonly text: string;
  /** The source line that starts at this instruction. */
  readonly line?: SourceLine;
}

/**
 * The text of each instruction. Without symbols `parse` makes the same instructions of it; names of maps and kernel
 * functions are for the reader only.
 */
export function disassemble(insns: readonly Insn[], options: DisassembleOptions = {}): Disassembled[] {
  const lines = new Map(options.lines?.map((line) => [line.slot, line]));
  const out: Disassembled[] = [];
  let slot = 0;
  for (const insn of insns) {
    const line = lines.get(slot);
    const code = rowOf(insn)?.code ?? 0;
    const text = options.symbols === undefined ? textOf(insn) : named(insn, slot, options.symbols);
    out.push({ slot, code, text, ...(line === undefined ? {} : { line }) });
    slot += slotsOf(insn);
  }
  return out;
}

/** `disassemble` as a listing: `   0: (b7) r0 = 1`, and `; source text` in front of what a source line covers. */
export function formatListing(disassembled: readonly Disassembled[]): string {
  const rows = disassembled.flatMap(({ slot, code, text, line }) => {
    const row = `${String(slot).padStart(4)}: (${code.toString(16).padStart(2, "0")}) ${text}`;
    return line === undefined ? [row] : [`; ${line.text.trim()} @ ${line.file}:${line.line}`, row];
  });
  return rows.map((row) => `${row}\n`).join("");
}

/** The text of one instruction; of one that has no encoding, its kind in angle brackets. */
export function textOf(insn: Insn): string {
  const row = rowOf(insn);
  if (row === undefined) return `<${insn.kind}>`;
  const operands = operandsOf(insn, row);
  return row.text.replace(/\{([^}]+)\}/g, (_, name: string) => SYNTAX[name]?.print(operands) ?? "");
}

function operandsOf(insn: Insn, row: Row): Operands {
  return Object.fromEntries(operandNames(row).map((name) => [name, operand(insn, name) ?? 0]));
}

function named(insn: Insn, slot: number, symbols: Symbols): string {
  const text = textOf(insn);
  const relocation = symbols.relocations?.find((r) => r.slot === slot);
  const map = symbols.mapReferences?.find((r) => r.slot === slot)?.map ?? mapOf(relocation);
  const address = symbols.kernelAddresses?.find((r) => r.slot === slot)?.name ?? addressOf(relocation);
  if (insn.kind === "load_imm64" && address !== undefined) return `${text.slice(0, text.indexOf(" = "))} = &${address}`;
  if (insn.kind === "load_imm64") return namedLoad(text, insn, map, relocation);
  if (insn.kind !== "call") return text;
  if (relocation?.kind === "call") return `call ${relocation.func}`;
  if (insn.target.kind === "kfunc") {
    const own = relocation?.kind === "kfunc" ? relocation.kfunc : undefined;
    const called = own ?? symbols.kernelCalls?.find((c) => c.slot === slot)?.name;
    const name = called ?? symbols.kfuncs?.get(insn.target.btfId);
    return name === undefined ? text : text.replace("kernel-function", name);
  }
  if (insn.target.kind !== "local") return text;
  const target = slot + 1 + insn.target.delta;
  const callee = symbols.functions?.find((f) => f.slot === target);
  return callee === undefined ? text : `${text}#${callee.name}`;
}

function addressOf(relocation: Relocation | undefined): string | undefined {
  return relocation?.kind === "ksym" ? relocation.ksym : undefined;
}

function mapOf(relocation: Relocation | undefined): string | undefined {
  return relocation !== undefined && "map" in relocation ? relocation.map : undefined;
}

function namedLoad(text: string, insn: LoadImm64, map: string | undefined, relocation: Relocation | undefined): string {
  const dst = text.slice(0, text.indexOf(" = "));
  if (relocation?.kind === "func") return `${dst} = subprog[${relocation.func}]`;
  if (map === undefined) return text;
  if (relocation?.kind === "map_value") return `${dst} = map[${map}][0]+${relocation.offset}`;
  return `${dst} = map[${map}]${insn.pseudo === "map_value" ? `[0]+${insn.imm >> 32n}` : ""}`;
}
