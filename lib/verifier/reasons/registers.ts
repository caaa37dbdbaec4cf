/** Reasons (R1xx) about registers: no value, pointer arithmetic, comparisons, the frame pointer, return values. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const REGISTER_REASONS = reasons({
  uninitialised_register: { code: "R101", says: "r{register} has no value on this path", remedy: "give the variable a value on every path that leads here", kernel: [/^R(?<register>\d+) !read_ok/] },
});
