/** Dynptr arguments of helpers. */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { accessMemory } from "../memory/index.ts";
import { dynptrAt, dynptrKind, dynptrSlot, holdsReference, markDynptrRead, putDynptr } from "../state/dynptr.ts";
import { NONE } from "../state/index.ts";
import type { DynptrKind, Reg } from "../state/index.ts";
import { acquire } from "../step/index.ts";
import type { Argument } from "./kinds.ts";

/** Checks a dynptr argument; makes it when it is one to be made. The dynptr given, or no value for one that is new. */
export function useDynptr(env: Env, argument: Argument, reg: Reg, register: number): Reg {
  if (argument.access === "uninit") {
    makeDynptr(env, argument.dynptr ?? "local", reg, register);
    return NONE;
  }
  if (reg.kind === "dynptr" && !argument.constant) reject(env, "dynptr_read_only", { register });
  const dynptr = dynptrAt(env.state, reg);
  if (dynptr === null) return reject(env, "dynptr_expected", { argument: register });
  if (argument.dynptr !== null && dynptrKind(dynptr) !== argument.dynptr)
    reject(env, "dynptr_type", { argument: register, wanted: argument.dynptr });
  markDynptrRead(env, reg);
  return dynptr;
}

/** Makes a dynptr where a stack pointer points to; what was there is gone. `shares`: the reference of one that is cloned. */
export function makeDynptr(env: Env, kind: DynptrKind, reg: Reg, register: number, shares = 0): void {
  if (dynptrSlot(reg) === null) reject(env, "dynptr_made_already", { argument: register });
  accessMemory(env, "write", register, 0, 8, -1);
  accessMemory(env, "write", register, 8, 8, -1);
  const ref = !holdsReference(kind) ? 0 : shares === 0 ? acquire(env, "reference") : shares;
  putDynptr(env, reg, kind, ref);
}
