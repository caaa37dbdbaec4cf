export type * from "./insn.ts";
export { slotsOf } from "./insn.ts";
export { INSTRUCTIONS } from "./table.ts";
export type { ConformanceGroup, IsaVersion, OperandName, Row } from "./table.ts";
export { REJECTIONS } from "./rejected.ts";
export type { Rejection } from "./rejected.ts";
export { OPCODES, build, operand, operandNames, rowOf, variantOf } from "./variants.ts";
export type { Opcode, Operands } from "./variants.ts";
