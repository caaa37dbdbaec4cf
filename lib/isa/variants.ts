/**
 * The table made usable: from an opcode byte to its rows, from an instruction to its row, and between an instruction
 * and its operands. The encoder, the text forms and the tests know instructions only through this file.
 */
import type { CallTarget, Insn, InsnKind, Operand, Reg } from "./insn.ts";
import { REJECTIONS } from "./rejected.ts";
import type { Rejection } from "./rejected.ts";
import { INSTRUCTIONS } from "./table.ts";
import type { OperandName, Row } from "./table.ts";

/** The value of every operand of a row. Registers 0..10; numbers signed, `imm.low` and `imm.high` unsigned 32 bits. */
export type Operands = Partial<Record<OperandName, number>>;

/** What an opcode byte is: the rows that share it, or why it is none. */
export type Opcode = { readonly rows: readonly Row[] } | { readonly rejection: Rejection };

/** By opcode byte, 256 entries. */
export const OPCODES: readonly Opcode[] = Array.from({ length: 256 }, (_, code) => describe(code));

function describe(code: number): Opcode {
  const rejection = REJECTIONS.find((r) => (r.codes as readonly number[]).includes(code));
  return rejection === undefined ? { rows: INSTRUCTIONS.filter((row) => row.code === code) } : { rejection };
}

/** The names of a row's operands, in the order dst, src, off, imm, next. */
export function operandNames(row: Row): OperandName[] {
  return [row.dst, row.src, row.off, row.imm, row.next].filter((field) => typeof field === "string");
}

/** The properties that rows fix. What a row's template has fits its kind: the round-trip test over the table proves it. */
type Fixed = { readonly kind: InsnKind } & Readonly<
  Record<"op" | "width" | "bits" | "size" | "signed" | "pseudo" | "long" | "to" | "from", never>
>;

/**
 * The instruction of a row with these operands; 0 where one is missing. Each kind's properties are written out, so that all
 * instructions of a kind are objects of one hidden class: whoever walks over a program reads them at every step.
 */
export function build(row: Row, o: Operands): Insn {
  const fixed = row.insn as unknown as Fixed;
  const { op, width, bits, size } = fixed;
  switch (fixed.kind) {
    case "alu":
      return { kind: "alu", op, width, dst: register(o.dst), src: source(row, o) };
    case "movsx":
      return { kind: "movsx", width, bits, dst: register(o.dst), src: register(o.src) };
    case "neg":
      return { kind: "neg", width, dst: register(o.dst) };
    case "swap":
      return { kind: "swap", op, bits, dst: register(o.dst) };
    case "load":
      return {
        kind: "load",
        size,
        signed: fixed.signed,
        dst: register(o.dst),
        base: register(o.base),
        off: o.off ?? 0,
      };
    case "store":
      return { kind: "store", size, base: register(o.base), off: o.off ?? 0, src: source(row, o) };
    case "atomic":
      return { kind: "atomic", op, size, base: register(o.base), off: o.off ?? 0, src: register(o.src) };
    case "load_acquire":
      return { kind: "load_acquire", size, dst: register(o.dst), base: register(o.base), off: o.off ?? 0 };
    case "store_release":
      return { kind: "store_release", size, base: register(o.base), off: o.off ?? 0, src: register(o.src) };
    case "load_imm64":
      return { kind: "load_imm64", dst: register(o.dst), pseudo: fixed.pseudo, imm: wideImmediate(row, o) };
    case "load_packet":
      return { kind: "load_packet", size, imm: o.imm ?? 0, src: row.src === "src" ? register(o.src) : null };
    case "jump":
      return { kind: "jump", long: fixed.long, delta: o.delta ?? 0 };
    case "jump_if":
      return { kind: "jump_if", op, width, dst: register(o.dst), src: source(row, o), delta: o.delta ?? 0 };
    case "may_goto":
      return { kind: "may_goto", delta: o.delta ?? 0 };
    case "call":
      return { kind: "call", target: callTarget(row, o) };
    case "exit":
      return { kind: "exit" };
    case "addr_space_cast":
      return { kind: "addr_space_cast", dst: register(o.dst), src: register(o.src), to: fixed.to, from: fixed.from };
  }
}

/** Whoever reads or decodes an operand has checked that it is one of r0 to r10. */
function register(number: number | undefined): Reg {
  return (number ?? 0) as Reg;
}

function source(row: Row, operands: Operands): Operand {
  return row.src === "src.reg" ? { reg: register(operands["src.reg"]) } : { imm: operands["src.imm"] ?? 0 };
}

function callTarget(row: Row, operands: Operands): CallTarget {
  switch (row.imm) {
    case "target.id":
      return { kind: "helper", id: operands["target.id"] ?? 0 };
    case "target.delta":
      return { kind: "local", delta: operands["target.delta"] ?? 0 };
    case "target.btfId":
      return { kind: "kfunc", btfId: operands["target.btfId"] ?? 0, off: operands["target.off"] ?? 0 };
    default:
      return { kind: "reg", reg: register(operands["target.reg"]) };
  }
}

function wideImmediate(row: Row, operands: Operands): bigint {
  const half = (value = 0): bigint => BigInt(value >>> 0);
  return ((row.next === 0 ? 0n : half(operands["imm.high"])) << 32n) | half(operands["imm.low"]);
}

/** The value of one operand of an instruction; `undefined` where it has none of that name. */
export function operand(insn: Insn, name: OperandName): number | undefined {
  const [head, rest] = name.split(".") as [string, string | undefined];
  const value = (insn as unknown as Record<string, unknown>)[head];
  if (rest === undefined) return value as number | undefined;
  if (typeof value === "bigint") return Number(BigInt.asUintN(32, rest === "low" ? value : value >> 32n));
  return (value as Record<string, number> | undefined)?.[rest];
}

/** The row of an instruction, `undefined` where no such variant exists (a sign-extending load of 8 bytes, say). */
export function rowOf(insn: Insn): Row | undefined {
  return ROWS.get(variantOf(insn));
}

/** A short unique name of an instruction's variant: `"alu add 64 imm"`. Two instructions of one row have the same. */
export function variantOf(insn: Insn): string {
  switch (insn.kind) {
    case "alu":
      return `alu ${insn.op} ${insn.width} ${form(insn.src)}`;
    case "jump_if":
      return `jump_if ${insn.op} ${insn.width} ${form(insn.src)}`;
    case "movsx":
      return `movsx ${insn.width} ${insn.bits}`;
    case "neg":
      return `neg ${insn.width}`;
    case "swap":
      return `swap ${insn.op} ${insn.bits}`;
    case "load":
      return `load ${insn.signed ? "s" : "u"}${insn.size}`;
    case "store":
      return `store ${insn.size} ${form(insn.src)}`;
    case "atomic":
      return `atomic ${insn.op} ${insn.size}`;
    case "load_acquire":
    case "store_release":
      return `${insn.kind} ${insn.size}`;
    case "load_imm64":
      return `load_imm64 ${insn.pseudo}`;
    case "load_packet":
      return `load_packet ${insn.size} ${insn.src === null ? "abs" : "ind"}`;
    case "jump":
      return insn.long ? "jump long" : "jump";
    case "call":
      return `call ${insn.target.kind}`;
    case "addr_space_cast":
      return `addr_space_cast ${insn.to} ${insn.from}`;
    case "may_goto":
    case "exit":
      return insn.kind;
  }
}

function form(operand: object): "reg" | "imm" {
  return "reg" in operand ? "reg" : "imm";
}

const ROWS: ReadonlyMap<string, Row> = new Map(INSTRUCTIONS.map((row: Row) => [variantOf(build(row, {})), row]));
