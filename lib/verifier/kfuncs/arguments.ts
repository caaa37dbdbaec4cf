/** What must hold of each argument: by its role in the prototype, then by what the register holds. */
import type { Env } from "../env.ts";
import { regOf, reject } from "../env.ts";
import { changeLock, checkMapField, checkString, makeDynptr } from "../calls/index.ts";
import { describe } from "../memory/index.ts";
import { markPrecise } from "../prune/index.ts";
import { dynptrAt, dynptrKind, markDynptrRead } from "../state/dynptr.ts";
import { FLAG } from "../state/index.ts";
import type { DynptrKind, Reg } from "../state/index.ts";
import { mayBeNull } from "../step/index.ts";
import { FIELD_STRUCTS, hasField, kernelType } from "../types/index.ts";
import type { CallFacts } from "./facts.ts";
import { KF } from "./flags.ts";
import { recordOfReg, useNode, useRoot } from "./graph.ts";
import { useIrqFlag } from "./irq.ts";
import { useIterator } from "./iterator.ts";
import { usePlain } from "./memory.ts";
import { checkObject, checkOffset, checkTrust, isObjectLike } from "./objects.ts";
import type { Parameter, Pointer } from "./prototype.ts";

export function isNull(reg: Reg): boolean {
  return reg.kind === "scalar" && reg.num.isConst && reg.num.value === 0n;
}

/** More arguments than registers. */
const MAX_ARGUMENTS = 5;

export function checkArguments(env: Env, facts: CallFacts): void {
  const { name, params, flags } = facts.prototype;
  if (params.length > MAX_ARGUMENTS) reject(env, "kfunc_prototype", { name });
  for (let i = 0; i < params.length; i++) {
    const param = params[i] as Parameter;
    const register = i + 1;
    if (param.kind === "pointer") {
      // The size of memory has been looked at with the memory.
      if (checkPointer(env, facts, param, register)) i++;
    } else if (param.kind === "other") reject(env, "kfunc_prototype", { name });
    else if (param.kind !== "ignored" && param.kind !== "program") checkNumber(env, facts, param, register);
  }
  if ((flags & KF.release) !== 0 && facts.release === 0) reject(env, "kfunc_release", { name });
}

function checkNumber(env: Env, facts: CallFacts, { kind }: Parameter, register: number): void {
  const reg = regOf(env, register);
  if (reg.kind !== "scalar") reject(env, "kfunc_number", { register });
  if (kind === "number") return;
  if (!reg.num.isConst) reject(env, "kfunc_constant", { register });
  markPrecise(env, register);
  if (kind === "constant") facts.constant = reg.num.value;
  else {
    facts.resultBytes = Number(reg.num.value);
    facts.resultReadOnly = kind === "read_size";
  }
}

/** True: the next argument belongs to this one. */
function checkPointer(env: Env, facts: CallFacts, param: Pointer, register: number): boolean {
  const reg = regOf(env, register);
  const { flags } = facts.prototype;
  const argument = register - 1;
  const isReleased = (flags & KF.release) !== 0;
  const wantsProven = (flags & (KF.trusted | KF.rcu | KF.release)) !== 0;
  if (wantsProven && !param.nullable && (isNull(reg) || mayBeNull(reg)))
    reject(env, "kfunc_null_argument", { argument });
  if (reg.ref !== 0) {
    facts.ref = reg.ref;
    if (isReleased) facts.release = register;
  }
  if (param.role !== "context" && param.nullable && isNull(reg)) return false;
  if (param.role === "map") noteMap(env, facts, reg, register);
  const isObject = param.role === "plain" && isObjectLike(reg);
  if (param.role === "map" || param.role === "owned" || isObject) checkTrust(env, facts.prototype, reg, register);
  checkOffset(env, reg, register, isReleased && reg.ref !== 0);
  if (param.role === "plain") return usePlain(env, facts, param, reg, register);
  checkRole(env, facts, param, reg, register);
  return false;
}

function checkRole(env: Env, facts: CallFacts, param: Pointer, reg: Reg, register: number): void {
  const { name } = facts.prototype;
  const argument = register - 1;
  const wrong = (what: string): never => reject(env, "kfunc_argument_type", { argument, what });
  const isValue = reg.kind === "map_value" && reg.flags === 0;
  switch (param.role) {
    case "context":
      if (reg.kind !== "ctx") wrong(`the context is wanted, not ${describe(reg)}`);
      return;
    case "owned":
      useOwned(env, facts, reg, argument);
      return;
    case "refcounted":
      useRefcounted(env, facts, reg, argument);
      return;
    case "dynptr":
      useDynptr(env, facts, param, reg, register);
      return;
    case "iterator":
      if (name === "bpf_iter_css_task_new" && !mayWalkTasks(env)) reject(env, "iterator_scope", { kind: name });
      useIterator(env, facts, param, reg, register);
      return;
    case "list_head":
    case "rb_root":
      useRoot(env, facts, param.role, reg, register);
      return;
    case "list_node":
    case "rb_node":
      useNode(env, facts, param.role, reg, register);
      return;
    case "string":
      if (!isValue) wrong("a constant string is wanted");
      checkString(env, reg, register);
      return;
    case "map":
      checkObject(env, facts.prototype, reg, register, kernelType(env, "bpf_map") ?? 0);
      return;
    case "workqueue":
    case "task_work":
      if (!isValue) wrong("a field of a map's value is wanted");
      checkMapField(env, reg, register, param.role);
      facts.map = reg.map;
      facts.mapUid = reg.mapUid;
      return;
    case "irq_flag":
      useIrqFlag(env, name, reg, register);
      return;
    case "res_lock":
      if (!isValue && !(reg.kind === "object" && reg.flags === FLAG.alloc))
        wrong("a lock of a map's value or object is wanted");
      changeLock(env, reg, register, /_irq/.test(name) ? "res_lock_irq" : "res_lock", /_spin_lock/.test(name));
      return;
    case "plain":
  }
}

/** The map beside a workqueue or task work has to be the one that it lies in. */
function noteMap(env: Env, facts: CallFacts, reg: Reg, register: number): void {
  const { map, mapUid } = reg;
  if (map === null) return reject(env, "not_a_map", { register });
  const field = (["workqueue", "task_work"] as const).find((kind) => hasField(map.record, kind));
  const isOther = facts.map !== null && (facts.map !== map || facts.mapUid !== mapUid);
  if (field !== undefined && isOther)
    reject(env, "special_argument", {
      field: FIELD_STRUCTS[field],
      what: "it lies in another map than the one beside it",
    });
  facts.map = map;
  facts.mapUid = mapUid;
}

/** An object of the program's that is given back: plain or per-CPU, as the function has it. */
function useOwned(env: Env, facts: CallFacts, reg: Reg, argument: number): void {
  const { name } = facts.prototype;
  const isPerCpu = reg.flags === (FLAG.alloc | FLAG.percpu);
  if (reg.kind !== "object" || (reg.flags !== FLAG.alloc && !isPerCpu)) reject(env, "object_drop", { argument });
  if (name !== (isPerCpu ? "bpf_percpu_obj_drop_impl" : "bpf_obj_drop_impl")) reject(env, "object_drop", { argument });
  if (reg.ref === 0) reject(env, "object_drop", { argument });
  if (reg.btf !== null) facts.object = { btf: reg.btf, type: reg.type };
}

function useRefcounted(env: Env, facts: CallFacts, reg: Reg, argument: number): void {
  if (reg.kind !== "object" || (reg.flags & FLAG.alloc) === 0)
    reject(env, "kfunc_release", { argument, name: facts.prototype.name });
  facts.owning = (reg.flags & FLAG.non_own_ref) === 0;
  if (!hasField(recordOfReg(env, reg), "refcount")) reject(env, "object_refcount", { argument });
  if (reg.btf !== null) facts.object = { btf: reg.btf, type: reg.type };
}

/** Kinds of the dynptrs that functions make. */
const MADE: Readonly<Record<string, DynptrKind>> = {
  bpf_dynptr_from_skb: "skb",
  bpf_dynptr_from_xdp: "xdp",
  bpf_dynptr_from_skb_meta: "skb_meta",
};

function useDynptr(env: Env, facts: CallFacts, param: Pointer, reg: Reg, register: number): void {
  const argument = register - 1;
  if (reg.kind !== "stack" && reg.kind !== "dynptr") reject(env, "dynptr_expected", { argument });
  if (param.uninit) {
    const { name } = facts.prototype;
    const parent = facts.dynptr;
    const kind = name === "bpf_dynptr_clone" && parent !== null ? dynptrKind(parent) : MADE[name];
    if (kind === undefined || kind === null) return reject(env, "kfunc_prototype", { name });
    makeDynptr(env, kind, reg, register, parent?.ref ?? 0);
    return;
  }
  const dynptr = dynptrAt(env.state, reg);
  if (dynptr === null) return reject(env, "dynptr_expected", { argument });
  markDynptrRead(env, reg);
  facts.dynptr = dynptr;
}

/** Walking the tasks of a control group takes a lock of the kernel: not everywhere. */
function mayWalkTasks(env: Env): boolean {
  const { type, attach } = env.request;
  return type === "lsm" || (type === "tracing" && attach === "trace_iter") || env.state.sleepable;
}
