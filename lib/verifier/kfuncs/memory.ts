/** Arguments that are plain memory, callbacks or whatever the register holds. */
import type { Env } from "../env.ts";
import { regOf, reject } from "../env.ts";
import { checkRegion, checkSizedRegion, describe } from "../memory/index.ts";
import type { Reg } from "../state/index.ts";
import { markPrecise } from "../prune/index.ts";
import type { CallFacts } from "./facts.ts";
import { checkObject, isObjectLike } from "./objects.ts";
import type { Pointer } from "./prototype.ts";

/** Read and written; null is no memory, which is fine, and nothing may be accessed through it. */
const REGION = { access: "both", zeroAllowed: true, nullable: true } as const;

/** Whether the argument is memory of a size that the next one gives. */
export function isSized(env: Env, param: Pointer, register: number): boolean {
  return param.size !== null && regOf(env, register + 1).kind === "scalar";
}

/** Checks an argument that only the register tells more of. True: the next argument is its size, and checked. */
export function usePlain(env: Env, facts: CallFacts, param: Pointer, reg: Reg, register: number): boolean {
  const argument = register - 1;
  if (isObjectLike(reg)) {
    if (!param.isStruct) reject(env, "kfunc_argument_type", { argument, what: "no structure is wanted" });
    checkObject(env, facts.prototype, reg, register, param.type);
    return false;
  }
  if (param.callback) {
    if (reg.kind !== "func")
      reject(env, "kfunc_argument_type", { argument, what: `a function is wanted, not ${describe(reg)}` });
    facts.subprogram = reg.size;
    return false;
  }
  if (isSized(env, param, register)) {
    if (param.bytes === null && param.typeName !== "") refuseType(env, param, argument);
    useSized(env, facts, param, reg, register);
    return true;
  }
  if (param.bytes === null) return refuseType(env, param, argument);
  checkRegion(env, register, param.bytes, REGION);
  return false;
}

/** Memory can only be passed where numbers, or structures of numbers, are wanted. */
export function refuseType(env: Env, { typeName }: Pointer, argument: number): never {
  return reject(env, "kfunc_argument_type", { argument, what: `it should be a pointer to ${typeName}` });
}

function useSized(env: Env, facts: CallFacts, param: Pointer, reg: Reg, register: number): void {
  const size = regOf(env, register + 1);
  const isNothing = reg.kind === "scalar" && reg.num.isConst && reg.num.value === 0n;
  if (!isNothing || !param.optional) checkSizedRegion(env, register, register + 1, REGION);
  if (param.size !== "known") return;
  if (!size.num.isConst) reject(env, "kfunc_constant", { register: register + 1 });
  // Where nothing was accessed, nobody has looked at the size exactly yet.
  markPrecise(env, register + 1);
  facts.constant = size.num.value;
}
