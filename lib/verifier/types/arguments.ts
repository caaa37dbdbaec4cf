/** The registers that a root of the walk starts with, and the check of those that a global function is called with. */
import { newId, regOf, reject, setReg, unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { FLAG, NONE, pointer, scalar } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { ZERO, sameScalar, smallConstant } from "../scalar/index.ts";
import { checkFixedOffset, checkRegion } from "../memory/index.ts";
import { prototypeOf } from "./prototype.ts";
import type { Argument } from "./prototype.ts";
import { sameOrEmbedded } from "./same.ts";

const { maybe_null, rcu, rdonly, trusted, untrusted } = FLAG;
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

/** A call of a global function: r1 to r5 fit its prototype. What it gives is any number, which the caller marks. */
export function checkGlobalCall(env: Env, subprogram: number): void {
  prototypeOf(env, subprogram).forEach((argument, index) => {
    checkArgument(env, subprogram, argument, index + 1);
  });
}

function checkArgument(env: Env, subprogram: number, argument: Argument, register: number): void {
  const reg = regOf(env, register);
  const refuse = (what: string): never =>
    reject(env, "global_argument", {
      function: env.program.subprograms[subprogram]?.name ?? "?",
      argument: register,
      what,
    });
  switch (argument.kind) {
    case "scalar":
      if (reg.kind !== "scalar") refuse("a number is expected");
      return;
    case "ctx":
      if (reg.kind !== "ctx") refuse("the context is expected");
      return checkFixedOffset(env, reg, register, false);
    case "untrusted_mem":
      return;
    case "arena":
      if (reg.kind !== "arena" && reg.kind !== "scalar") refuse("a pointer to an arena is expected");
      return;
    case "mem":
      return checkMemory(env, reg, register, argument, refuse);
    case "dynptr":
      return checkDynptr(env, reg, register, refuse);
    case "object":
      if (argument.trusted) checkObject(env, reg, register, argument, refuse);
  }
}

type Refuse = (what: string) => never;

function checkMemory(
  env: Env,
  reg: Reg,
  register: number,
  { size, nullable }: Extract<Argument, { kind: "mem" }>,
  refuse: Refuse,
): void {
  if (isNull(reg)) return;
  const perhaps = (reg.flags & maybe_null) !== 0;
  // Whether it is null is another question than what it points to.
  if (perhaps) setReg(env, register, { ...reg, flags: reg.flags & ~maybe_null });
  checkRegion(env, register, size, { access: "both", zeroAllowed: true });
  if (perhaps) setReg(env, register, reg);
  if (perhaps && !nullable) refuse("it may be null");
}

function isNull(reg: Reg): boolean {
  return reg.kind === "scalar" && sameScalar(reg.num, ZERO);
}

function checkDynptr(env: Env, reg: Reg, register: number, refuse: Refuse): void {
  if (reg.kind === "dynptr") return checkFixedOffset(env, reg, register, false);
  if (reg.kind !== "stack") refuse("a dynptr is expected");
  const variable = smallConstant(reg.num);
  const off = variable === null ? null : reg.off + variable;
  if (off === null || off % 8 !== 0 || off >= 0) return refuse("a dynptr at a constant, aligned place is expected");
  const slot = env.state.frames[reg.frame]?.slots[-off / 8 - 1];
  const extra = slot?.reg?.extra ?? null;
  if (extra?.kind !== "dynptr" || !extra.firstSlot) refuse("a dynptr that has been made is expected");
}

function checkObject(
  env: Env,
  reg: Reg,
  register: number,
  { type, nullable }: Extract<Argument, { kind: "object" }>,
  refuse: Refuse,
): void {
  if (nullable && isNull(reg)) return;
  if (reg.kind !== "object" || reg.btf === null) return refuse("a pointer to an object of the kernel is expected");
  const { flags } = reg;
  const without = flags & ~maybe_null;
  if (without !== 0 && without !== trusted && without !== rcu) refuse("a trusted pointer is expected");
  if ((flags & maybe_null) !== 0 && !nullable) refuse("it may be null");
  const { kernel } = env.request;
  if (kernel === null || !sameOrEmbedded(reg.btf, reg.type, reg.off, kernel, type)) refuse("it points to another type");
  checkFixedOffset(env, reg, register, true);
}
