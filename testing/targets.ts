/**
 * Where tests can run here. The kernel is one of them even where it cannot be had: skipped, and the title says why.
 *
 *   for (const { title, skip, options } of targets()) {
 *     describe.skipIf(skip)(title, () => { … loadProgram("filter.ts", options) … });    // node:test: describe(title, { skip }, …)
 *   }
 */
import { ENGINE_NAMES } from "../lib/vm/index.ts";
import { kernelRefusal } from "./kernel-target.ts";
import type { LoadOptions } from "./load.ts";
import type { TargetName } from "./result.ts";

export interface TestTarget {
  readonly name: TargetName;
  /** The name, and why it is skipped. */
  readonly title: string;
  readonly skip: boolean;
  /** For `loadProgram` and `loadObject`. */
  readonly options: Pick<LoadOptions, "engine" | "against">;
}

/** Each engine of the simulated machine, then the kernel. */
export function targets(): readonly TestTarget[] {
  const reason = kernelRefusal();
  const title = reason === null ? "kernel" : `kernel (skipped: ${reason})`;
  return [
    ...ENGINE_NAMES.map((name) => ({ name, title: name, skip: false, options: { engine: name } })),
    { name: "kernel", title, skip: reason !== null, options: { against: "kernel" } },
  ];
}
