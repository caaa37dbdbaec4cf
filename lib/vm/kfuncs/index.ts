/** All kernel functions by name. One that is missing here is a fault that names it when a program calls it. */
import type { KernelFunctionName } from "../../kernel/index.ts";
import type { HelperFunction } from "../engine.ts";
import type { Host } from "../host.ts";
import { DYNPTR_FUNCTIONS } from "./dynptr.ts";
import { ITERATOR_FUNCTIONS } from "./iterators.ts";
import { OBJECT_FUNCTIONS } from "./objects.ts";
import { SECTION_FUNCTIONS } from "./sections.ts";
import { STRING_FUNCTIONS } from "./strings.ts";
import type { KernelFunctions } from "./table.ts";

const IMPLEMENTATIONS: KernelFunctions = {
  ...DYNPTR_FUNCTIONS,
  ...ITERATOR_FUNCTIONS,
  ...OBJECT_FUNCTIONS,
  ...SECTION_FUNCTIONS,
  ...STRING_FUNCTIONS,
};

/** Names of the kernel functions that programs may call here. */
export const SIMULATED_KERNEL_FUNCTIONS = Object.keys(IMPLEMENTATIONS) as readonly KernelFunctionName[];

/** The kernel functions of a machine by name. */
export function kernelFunctionsOf(host: Host): ReadonlyMap<string, HelperFunction> {
  return new Map(
    Object.entries(IMPLEMENTATIONS).map(([name, implementation]) => {
      const bound: HelperFunction = (r1, r2, r3, r4, r5) => implementation(host, r1, r2, r3, r4, r5);
      return [name, bound];
    }),
  );
}
