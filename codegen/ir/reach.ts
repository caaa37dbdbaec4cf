/** Which functions are reached by calls (and by callbacks that helpers get). */
import type { IrFunction, IrModule } from "./ir.ts";

/** The functions that `roots` reach, themselves included. */
export function reachedFrom({ functions }: IrModule, roots: readonly IrFunction[]): Set<IrFunction> {
  const reached = new Set(roots);
  // A set is walked in the order of insertion, what is added on the way included.
  for (const fn of reached) {
    for (const value of fn.blocks.flatMap((b) => b.values)) {
      if (value.op !== "call" && value.op !== "function_address") continue;
      const callee = functions.get(value.callee);
      if (callee !== undefined) reached.add(callee);
    }
  }
  return reached;
}

/** Drops functions that no program reaches; true when there were any. A module without programs keeps all. */
export function removeUnreached(module: IrModule): boolean {
  const { functions } = module;
  const programs = [...functions.values()].filter((fn) => fn.entry !== null);
  if (programs.length === 0) return false;
  const reached = reachedFrom(module, programs);
  const before = functions.size;
  for (const [name, fn] of functions) if (!reached.has(fn)) functions.delete(name);
  return functions.size < before;
}
