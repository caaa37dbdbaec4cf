/**
 * The table made usable: from an opcode byte to its rows, from an instruction to its row, and between an instruction
 * and its operands. The encoder, the text forms and the tests know instructions only through this file.
 */
import type { Insn } from "./insn.ts";
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

/** The instruction of a row with these operands. */
export function build(row: Row, operands: Operands): Insn {
  const insn: Record<string, unknown> = { ...row.insn };
  for (const { name, head, rest } of propertiesOf(row)) {
    const value = operands[name] ?? 0;
    if (head === "imm" && rest !== undefined) insn["imm"] = join(row, operands);
    else if (rest === undefined) insn[head] = value;
    else insn[head] = { ...(insn[head] as object | undefined), [rest]: value };
  }
  // The row's template and its operands make up all properties of the kind; the round-trip test over the table proves it.
  return insn as unknown as Insn;
}

/** Which property of an instruction an operand is: `src.reg` is `reg` of `src`. */
interface Property {
  readonly name: OperandName;
  readonly head: string;
  readonly rest: string | undefined;
}

const PROPERTIES = new Map<Row, readonly Property[]>();

/** The operands of a row as properties, taken apart once. */
function propertiesOf(row: Row): readonly Property[] {
  let properties = PROPERTIES.get(row);
  if (properties === undefined) {
    properties = operandNames(row).map((name) => {
      const [head, rest] = name.split(".") as [string, string | undefined];
      return { name, head, rest };
    });
    PROPERTIES.set(row, properties);
  }
  return properties;
}

function join(row: Row, operands: Operands): bigint {
  const half = (field: OperandName | 0 | undefined): bigint => BigInt(field ? (operands[field] ?? 0) >>> 0 : 0);
  return (half(row.next) << 32n) | half("imm.low");
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
