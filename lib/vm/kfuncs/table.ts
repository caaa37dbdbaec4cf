/** What a table of kernel functions looks like: as helpers, by name. */
import type { KernelFunctionName } from "../../kernel/index.ts";
import type { Implementation } from "../helpers/helper.ts";

export type KernelFunctions = Readonly<Partial<Record<KernelFunctionName, Implementation>>>;

/** What a function that returns an int leaves in r0: 32 bits, the upper ones zero, where a helper's errno has 64. */
export function int(value: number): bigint {
  return BigInt(value >>> 0);
}
