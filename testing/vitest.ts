/** Registers the matchers with vitest: `import "ebpf-ts/testing/vitest"` in a test file or in `setupFiles`. */
import { expect } from "vitest";
import { matchers } from "./matchers.ts";
import type { ProgramMatchers } from "./matchers.ts";

declare module "vitest" {
  // vitest declares `Matchers<T = any>`; a declaration that is merged with it must have the same parameters.
  // oxlint-disable-next-line typescript/no-explicit-any, typescript/no-empty-object-type, typescript/no-unused-vars
  interface Matchers<T = any> extends ProgramMatchers {}
}

expect.extend(matchers);

export { matchers };
