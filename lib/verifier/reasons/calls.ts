/** Reasons (R3xx) about calls of helpers: availability, arguments, maps. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const CALL_REASONS = reasons({
  unknown_helper: { code: "R301", says: "there is no helper function {id}", remedy: "use a helper that the kernel has", kernel: [/^invalid func /] },
});
