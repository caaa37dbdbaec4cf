export type * from "./insn.ts";
export { slotsOf } from "./insn.ts";
