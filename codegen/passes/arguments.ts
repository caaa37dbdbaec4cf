/**
 * A parameter that every call gives the same constant is that constant.
 *
 *     call f(x, 0)                      function f(x, y):  … y …
 *     call f(z, 0)            →                            … 0 …
 *
 * Calls that stay calls hide their arguments from the function. Where all pass null, nothing would be known of what the
 * pointer points to, and code behind its null check could not be typed.
 */
import { makeValue, mapOperands } from "../ir/edit.ts";
import type { Block, CallFunction, Const, IrFunction, IrModule, ParamValue, Value } from "../ir/ir.ts";
import type { ModulePass } from "../ir/pass.ts";

export const constantArguments: ModulePass = { name: "arguments", runModule: replaceConstantParameters };

function replaceConstantParameters(module: IrModule): boolean {
  const { calls, exposed } = findCalls(module);
  let changed = false;
  for (const [name, fn] of module.functions) {
    // The kernel calls programs and callbacks, with what it has.
    if (fn.entry !== null || exposed.has(name)) continue;
    fn.params.forEach((param, index) => {
      const constant = commonConstant((calls.get(name) ?? []).map((call) => call.args[index]));
      if (constant !== null) changed = replaceParameter(fn, param, constant) || changed;
    });
  }
  return changed;
}

function findCalls(module: IrModule): { calls: Map<string, CallFunction[]>; exposed: Set<string> } {
  const calls = new Map<string, CallFunction[]>();
  const exposed = new Set<string>();
  for (const value of [...module.functions.values()].flatMap((fn) => fn.blocks.flatMap((b) => b.values))) {
    if (value.op === "function_address") exposed.add(value.callee);
    if (value.op === "call") calls.set(value.callee, [...(calls.get(value.callee) ?? []), value]);
  }
  return { calls, exposed };
}

function commonConstant(args: readonly (Value | undefined)[]): Const | null {
  const [first, ...others] = args;
  if (first?.op !== "const") return null;
  const same = others.every((arg) => arg?.op === "const" && arg.value === first.value && arg.type === first.type);
  return same ? first : null;
}

/** True when the parameter was used. */
function replaceParameter(fn: IrFunction, param: ParamValue, { type, value }: Const): boolean {
  const entry = fn.blocks[0] as Block;
  const constant = makeValue<Const>(fn, entry, param, { op: "const", type, args: [], value });
  let used = false;
  mapOperands(fn, (operand) => {
    used ||= operand === param;
    return operand === param ? constant : operand;
  });
  if (used) entry.values.splice(fn.params.length, 0, constant);
  return used;
}
