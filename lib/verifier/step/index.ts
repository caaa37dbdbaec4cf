/** What the walk shares with those that know memory, helpers, kernel functions and types. The walk itself is walk.ts. */
export { clearCallerSaved, immediate, isHidden, loaded, needValue, needWritable, unknown } from "./operands.ts";
export {
  acquire,
  checkNothingHeld,
  goneReg,
  invalidateNonOwning,
  releaseById,
  releaseLock,
  releaseReference,
} from "./held.ts";
export { isNotNull, mayBeNull, notNull, resolveNull } from "./nulls.ts";
export { enterCallback } from "./callback.ts";
export type { CallbackOptions } from "./callback.ts";
export { checkReturnValue } from "./exit.ts";
export { pushPath } from "./paths.ts";
