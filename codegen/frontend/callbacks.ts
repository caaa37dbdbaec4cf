/**
 * Functions that the kernel calls back. A function value is a reference into the module's memory, and once the library's
 * wrappers are inlined that is a constant where it is used: then its function is translated, and the address names it.
 *
 *     loop(8, (i, sum) => …, sum)       f = function_address at 1052688     →    f = function_address filter~anonymous|0
 *
 * `for_each_map_elem` passes the map and a pointer to the key. The TypeScript function wants neither, so the kernel calls a
 * function between: (map, key, value, context) => f(*key, value, context).
 */
import { problem } from "../diagnostics.ts";
import { FunctionBuilder } from "../ir/build.ts";
import type { CallbackShape, FunctionAddress, IrFunction } from "../ir/ir.ts";
import type { Diagnostic } from "../../lib/diag/index.ts";
import type { Frontend } from "./index.ts";

/** Finds the functions whose references have become constants; true when there are new ones, which the caller optimises. */
export function resolveCallbacks(frontend: Frontend): boolean {
  let found = false;
  for (const address of unresolved(frontend)) {
    const [reference] = address.args;
    if (reference?.op !== "const") continue;
    const fn = frontend.reach(Number(reference.value), address.place);
    if (fn === null) continue;
    const called = address.shape.kind === "each" ? unpack(frontend, fn, address.shape) : fn;
    address.callee = called.name;
    address.args = [];
    found = true;
  }
  return found;
}

/** What is wrong with callbacks: one that is still not known, or that comes back to itself. */
export function checkCallbacks(frontend: Frontend): Diagnostic[] {
  const unknown = unresolved(frontend).map((address) =>
    problem("C012", "the function that the kernel is to call back is not known when compiling", address.place),
  );
  return [...unknown, ...findCycles(frontend)];
}

/** Calls in a circle are found when functions are translated; here those that go through a callback. */
function findCycles({ module }: Frontend): Diagnostic[] {
  const done = new Set<IrFunction>();
  const chain = new Set<IrFunction>();
  const visit = (fn: IrFunction): Diagnostic[] => {
    if (done.has(fn)) return [];
    done.add(fn);
    chain.add(fn);
    const found = fn.blocks
      .flatMap((b) => b.values)
      .flatMap((value) => {
        if (value.op !== "call" && value.op !== "function_address") return [];
        const callee = module.functions.get(value.callee);
        if (callee === undefined) return [];
        return chain.has(callee) ? [problem("C006", "a callback leads back to itself", value.place)] : visit(callee);
      });
    chain.delete(fn);
    return found;
  };
  return [...module.functions.values()].flatMap(visit);
}

function unresolved({ module }: Frontend): FunctionAddress[] {
  const values = [...module.functions.values()].flatMap((fn) => fn.blocks.flatMap((b) => b.values));
  return values.filter((v): v is FunctionAddress => v.op === "function_address" && v.callee === "");
}

/** The function between the kernel and `fn`, made once. */
function unpack({ module }: Frontend, fn: IrFunction, { keySize }: CallbackShape & { kind: "each" }): IrFunction {
  const name = `${fn.name}@each`;
  const known = module.functions.get(name);
  if (known !== undefined) return known;
  const b = new FunctionBuilder(name, fn.result);
  b.place = fn.place;
  const [, key, value, context] = [b.param("i32"), b.param("i32"), b.param("i32"), b.param("i32")] as const;
  const passed = keySize === 0 ? key : b.load(keySize === 8 ? "i64" : "i32", keySize, key);
  b.return(b.call(fn.name, [passed, value, context], fn.result));
  const between = Object.assign(b.finish(), { place: fn.place, paramNames: ["map", "key", "value", "context"] });
  module.functions.set(name, between);
  return between;
}
