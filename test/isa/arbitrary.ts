/**
 * Random instructions for property tests: of one row of the table, of any row, or a list of them.
 * Operands are drawn from the whole range of their fields (fast-check prefers the ends of it).
 */
import fc from "fast-check";
import { INSTRUCTIONS, build, operandNames } from "../../lib/isa/index.ts";
import type { Insn, OperandName, Row } from "../../lib/isa/index.ts";

const REGISTER = fc.integer({ min: 0, max: 10 });
const OFFSET = fc.integer({ min: -0x8000, max: 0x7fff });
const IMMEDIATE = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });

function arbitraryOperand(row: Row, name: OperandName): fc.Arbitrary<number> {
  if (name === row.dst || name === row.src) return REGISTER;
  return name === row.off ? OFFSET : IMMEDIATE;
}

/** Instructions of one row. Jumps go anywhere: the instruction is encodable, a program of it need not be valid. */
export function arbitraryOfRow(row: Row): fc.Arbitrary<Insn> {
  const fields = Object.fromEntries(operandNames(row).map((name) => [name, arbitraryOperand(row, name)]));
  return fc.record(fields).map((operands) => build(row, operands));
}

/** Any instruction that has an encoding; each row is equally likely. */
export const arbitraryInsn: fc.Arbitrary<Insn> = fc.oneof(...INSTRUCTIONS.map(arbitraryOfRow));

export const arbitraryInsns: fc.Arbitrary<Insn[]> = fc.array(arbitraryInsn, { maxLength: 50 });
