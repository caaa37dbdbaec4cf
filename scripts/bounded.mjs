// Code that may not come to an end.
import { runInThisContext } from "node:vm";

/** What `task` gives; after `ms` milliseconds it is interrupted with an error. */
export function bounded(task, ms) {
  globalThis.boundedTask = task;
  return runInThisContext("boundedTask()", { timeout: ms, displayErrors: false });
}
