/** The registers that a root of the walk starts with. */
import { newId, reject, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, NONE, pointer, scalar } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { prototypeOf } from "./prototype.ts";
import type { Argument } from "./prototype.ts";

const { maybe_null, rdonly, trusted, untrusted } = FLAG;
const CONTEXT: Reg = pointer("ctx");
const FRAME_POINTER: Reg = pointer("stack");

/**
 * r0 to r10 of the first frame when a subprogram is walked as a root: the context for the main program, what the prototype
 * says for a global function.
 */
export function argumentsOf(env: Env, subprogram: number): Reg[] {
  const regs: Reg[] = Array.from({ length: 11 }, () => NONE);
  regs[10] = FRAME_POINTER;
  if (env.request.type === "ext") unsupported("extension of another program");
  if (subprogram === 0) {
    regs[1] = CONTEXT;
    return regs;
  }
  const prototype = prototypeOf(env, subprogram);
  if (env.program.subprograms[subprogram]?.exceptionCallback === true) {
    if (prototype.length !== 1 || prototype[0]?.kind !== "scalar") {
      reject(env, "global_prototype", { what: "a handler of exceptions takes one number" });
    }
  }
  prototype.forEach((argument, index) => {
    regs[index + 1] = startOf(env, argument);
  });
  return regs;
}

/** What a global function knows of an argument. */
function startOf(env: Env, argument: Argument): Reg {
  switch (argument.kind) {
    case "scalar":
    case "arena":
      return scalar();
    case "ctx":
      return CONTEXT;
    case "dynptr":
      return pointer("dynptr", 0, { id: newId(env), extra: { kind: "dynptr", of: "local", firstSlot: true } });
    case "mem":
      return pointer("mem", argument.nullable ? maybe_null : 0, { size: argument.size, id: newId(env) });
    case "untrusted_mem":
      return pointer("mem", rdonly | untrusted, { id: newId(env) });
    case "object": {
      const flags = (argument.trusted ? trusted : untrusted) | (argument.nullable ? maybe_null : 0);
      return pointer("object", flags, { btf: env.request.kernel, type: argument.type, id: newId(env) });
    }
  }
}
