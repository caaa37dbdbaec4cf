/** Reasons (R4xx) about kernel functions: availability, arguments, dynptrs, iterators, objects, lists and trees. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const KFUNC_REASONS = reasons({
  unknown_kfunc: { code: "R401", says: "the kernel has no function {name}", remedy: "use a function that the kernel has", kernel: [] },
});
