/**
 * Bytes to instructions (RFC 9669 section 3, little-endian): find the row of the table whose fixed fields the bytes have,
 * take the operands out. Bytes that have no row are refused with the field that is wrong.
 *
 * Stricter than the kernel in one point: a non-zero offset of `exit`, which Linux ignores and the RFC reserves.
 */
import { Reader } from "../bytes/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic, Place } from "../diag/index.ts";
import { INSTRUCTIONS, OPCODES, build, operandNames } from "../isa/index.ts";
import type { Insn, OperandName, Operands, Row } from "../isa/index.ts";
import { asmError } from "./diagnostics.ts";

/** What stands at a slot. */
export type Decoded =
  | { readonly slot: number; readonly insn: Insn; readonly diagnostic: null }
  | { readonly slot: number; readonly insn: null; readonly diagnostic: Diagnostic };

/**
 * The instructions of `bytes`. `file` names the source in diagnostics; the place is the byte offset.
 * Throws `DiagnosticError` with one diagnostic for each slot that is not an instruction (A001 to A006).
 * The `imm` of a 64-bit load comes out unsigned.
 */
export function decode(bytes: Uint8Array, file = "instructions"): Insn[] {
  const decoded = tryDecode(bytes, file);
  const problems = decoded.flatMap((d) => (d.diagnostic === null ? [] : [d.diagnostic]));
  if (problems.length > 0) throw new DiagnosticError(problems);
  return decoded.flatMap((d) => (d.insn === null ? [] : [d.insn]));
}

/** As `decode`, but never throws: after a slot that is not an instruction it goes on with the next one. */
export function tryDecode(bytes: Uint8Array, file = "instructions"): Decoded[] {
  const out: Decoded[] = [];
  const reader = new Reader(bytes);
  while (reader.remaining >= 8) {
    const at = reader.offset;
    const found = readInsn(reader, { kind: "offset", file, offset: at });
    const slot = at / 8;
    out.push("code" in found ? { slot, insn: null, diagnostic: found } : { slot, insn: found, diagnostic: null });
  }
  if (reader.remaining > 0) {
    const place = { kind: "offset", file, offset: reader.offset } as const;
    const diagnostic = asmError("A001", place, `${reader.remaining} bytes are left after the last whole slot`, {
      expected: "a multiple of 8 bytes",
      found: `${bytes.length} bytes`,
    });
    out.push({ slot: reader.offset / 8, insn: null, diagnostic });
  }
  return out;
}

interface Slot {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly off: number;
  readonly imm: number;
}

function readSlot(reader: Reader): Slot {
  const code = reader.u8();
  const registers = reader.u8();
  return { code, dst: registers & 15, src: registers >> 4, off: reader.s16(), imm: reader.s32() };
}

function readInsn(reader: Reader, place: Place): Insn | Diagnostic {
  const slot = readSlot(reader);
  const opcode = OPCODES[slot.code];
  if (opcode === undefined || "rejection" in opcode) {
    return asmError("A002", place, `opcode ${hex(slot.code)} is not an instruction: ${opcode?.rejection.reason}`);
  }
  const row = rowFor(opcode.rows, slot);
  if (row === null) return explain(opcode.rows, slot, place);
  const operands = operandsOf(row, slot, place);
  if ("code" in operands) return operands;
  return row.next === undefined ? build(row, operands) : readSecond(reader, row, operands, place);
}

const FIELDS = ["src", "off", "imm", "dst"] as const;
type Field = (typeof FIELDS)[number];

function rowFor(rows: readonly Row[], { dst, src, off, imm }: Slot): Row | null {
  for (const row of rows) {
    if (fits(row.src, src) && fits(row.off, off) && fits(row.imm, imm) && fits(row.dst, dst)) return row;
  }
  return null;
}

/** The field carries an operand, or has the value that the row fixes. */
function fits(wanted: OperandName | number, value: number): boolean {
  return typeof wanted !== "number" || wanted === value;
}

/** Why no row of the opcode fits: the field in which the row that comes closest differs, and what is allowed there. */
function explain(rows: readonly Row[], slot: Slot, place: Place): Diagnostic {
  const wrong = (row: Row): readonly Field[] => FIELDS.filter((f) => typeof row[f] === "number" && row[f] !== slot[f]);
  const nearest = rows.toSorted((a, b) => wrong(a).length - wrong(b).length)[0] as Row;
  const field = wrong(nearest)[0] as Field;
  const rivals = rows.filter((row) => row === nearest || wrong(row).every((f) => f === field));
  const allowed = [...new Set(rivals.map((row) => row[field]).filter((value) => typeof value === "number"))];
  const print = (value: number): string => (field === "imm" ? hex(value) : String(value));
  const reserved = allowed.every((value) => value === 0);
  const message = reserved
    ? `the field ${field} of opcode ${hex(slot.code)} is reserved`
    : `opcode ${hex(slot.code)} has no variant with ${field} ${print(slot[field])}`;
  const expected = allowed.map(print).join(", ");
  return asmError(reserved ? "A003" : "A004", place, message, { expected, found: print(slot[field]) });
}

/** The pad that operands are taken out on, one instruction after the other: `build` reads those that its row has. */
const operands: Operands = Object.fromEntries(INSTRUCTIONS.flatMap(operandNames).map((name) => [name, 0]));

function operandsOf(row: Row, slot: Slot, place: Place): Operands | Diagnostic {
  if (typeof row.src === "string") operands[row.src] = slot.src;
  if (typeof row.off === "string") operands[row.off] = slot.off;
  if (typeof row.imm === "string") operands[row.imm] = slot.imm;
  if (typeof row.dst === "string") operands[row.dst] = slot.dst;
  if (typeof row.src === "string" && slot.src > 10) return noRegister("src", slot, place);
  if (typeof row.dst === "string" && slot.dst > 10) return noRegister("dst", slot, place);
  return operands;
}

function noRegister(field: "src" | "dst", slot: Slot, place: Place): Diagnostic {
  return asmError("A005", place, `the field ${field} of opcode ${hex(slot.code)} names r${slot[field]}`, {
    expected: "0 to 10",
    found: String(slot[field]),
  });
}

/** The second slot of a 64-bit load. It is consumed even when it is wrong, unless it may be an instruction of its own. */
function readSecond(reader: Reader, row: Row, operands: Operands, place: Place): Insn | Diagnostic {
  if (reader.remaining < 8) return asmError("A006", place, "a 64-bit immediate load is cut off after its first slot");
  const start = reader.offset;
  const { code, dst, src, off, imm } = readSlot(reader);
  if ((code | dst | src | off) !== 0) {
    reader.offset = start;
    return asmError("A006", place, "the second slot of a 64-bit immediate load has more than an immediate");
  }
  if (row.next === 0 && imm !== 0) {
    return asmError("A003", place, "the upper half of this 64-bit immediate is reserved", {
      expected: "0",
      found: hex(imm),
    });
  }
  operands["imm.high"] = imm;
  return build(row, operands);
}

function hex(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(2, "0")}`;
}
