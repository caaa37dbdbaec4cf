/**
 * Instructions to bytes (RFC 9669 section 3, little-endian). The table says which property of an instruction goes into
 * which field; this file only checks that it fits and writes it.
 */
import { Writer } from "../bytes/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic, Place } from "../diag/index.ts";
import { operand, operandNames, rowOf, slotsOf, variantOf } from "../isa/index.ts";
import type { Insn, LoadImm64, OperandName, Row } from "../isa/index.ts";
import { asmError } from "./diagnostics.ts";

/**
 * The bytes of instructions, 8 per slot.
 * Throws `DiagnosticError` with one diagnostic for each operand that does not fit (A005, A007) and each instruction
 * that has no encoding (A008); the place is the instruction's slot.
 */
export function encode(insns: readonly Insn[]): Uint8Array {
  const writer = new Writer();
  const problems: Diagnostic[] = [];
  let slot = 0;
  for (const insn of insns) {
    const found = checkInsn(insn, `slot ${slot}`);
    problems.push(...found);
    const row = rowOf(insn);
    if (found.length === 0 && row !== undefined) writeInsn(writer, row, insn);
    slot += slotsOf(insn);
  }
  if (problems.length > 0) throw new DiagnosticError(problems);
  return writer.finish();
}

function writeInsn(writer: Writer, row: Row, insn: Insn): void {
  const field = (value: OperandName | number): number =>
    typeof value === "string" ? (operand(insn, value) ?? 0) : value;
  writer
    .u8(row.code)
    .u8(field(row.dst) | (field(row.src) << 4))
    .u16(field(row.off))
    .u32(field(row.imm));
  if (row.next !== undefined) writer.u32(0).u32(field(row.next));
}

/** What keeps an instruction from being encoded; `path` names its place in the diagnostics. */
export function checkInsn(insn: Insn, path: string): Diagnostic[] {
  const place = { kind: "path", file: "instructions", path } as const;
  const row = rowOf(insn);
  if (row === undefined) return [asmError("A008", place, `there is no instruction ${variantOf(insn)}`)];
  if (insn.kind === "load_imm64") return checkImm64(insn, row, place);
  return operandNames(row).flatMap((name) => {
    const value = operand(insn, name);
    const [low, high] = rangeOf(row, name);
    if (Number.isInteger(value) && low <= Number(value) && Number(value) <= high) return [];
    const register = high === LAST_REGISTER;
    const message = `${describe(name)} of ${variantOf(insn)} ${register ? "is not a register" : "does not fit its field"}`;
    return [
      asmError(register ? "A005" : "A007", place, message, { expected: `${low} to ${high}`, found: String(value) }),
    ];
  });
}

const LAST_REGISTER = 10;

/** An operand as a reader calls it. */
export function describe(name: OperandName): string {
  if (name.includes("imm")) return "the immediate";
  if (name === "off") return "the offset";
  if (name.endsWith("delta")) return "the distance";
  return name;
}

/** The least and the greatest value of an operand: by the field that carries it. */
export function rangeOf(row: Row, name: OperandName): readonly [number, number] {
  if (name === row.dst || name === row.src) return [0, LAST_REGISTER];
  return name === row.off ? [-0x8000, 0x7fff] : [-0x8000_0000, 0x7fff_ffff];
}

function checkImm64(insn: LoadImm64, row: Row, place: Place): Diagnostic[] {
  const registers = insn.dst >= 0 && insn.dst <= LAST_REGISTER && Number.isInteger(insn.dst);
  if (!registers)
    return [
      asmError("A005", place, "dst of load_imm64 is not a register", { expected: "0 to 10", found: String(insn.dst) }),
    ];
  const bits = row.next === 0 ? 32n : 64n;
  const low = -(1n << (bits - 1n));
  const high = (1n << bits) - 1n;
  if (low <= insn.imm && insn.imm <= high) return [];
  return [
    asmError("A007", place, `the immediate of ${variantOf(insn)} does not fit its field`, {
      expected: `${low} to ${high}`,
      found: String(insn.imm),
    }),
  ];
}
