/** Reasons (R0xx) about the program's shape: encodings, jumps, functions, loops, size, stack depth. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const FLOW_REASONS = reasons({
  bad_instruction: { code: "R001", says: "the code at slot {slot} is not an instruction", remedy: "build the object again: its code is damaged, or for another machine", kernel: [/^unknown opcode/] },
});
