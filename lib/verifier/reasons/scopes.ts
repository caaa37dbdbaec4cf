/** Reasons (R6xx) about what must be given back: references, locks, RCU and preemption sections. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const SCOPE_REASONS = reasons({
  reference_leak: { code: "R601", says: "what was acquired at {where} is not released when the program ends", remedy: "release it on every path", kernel: [/reference leak/] },
});
