/**
 * Locks in map values and objects: which one a register points to, and taking and giving it back. A lock is known by what it
 * is in (the map, or the object's types) and by the id of the pointer to its holder.
 */
import type { Env } from "../env.ts";
import { reject } from "../env.ts";
import { smallConstant } from "../scalar/index.ts";
import type { Held, Reg } from "../state/index.ts";
import { acquire, invalidateNonOwning, releaseLock } from "../step/index.ts";
import { recordOfReg } from "./fields.ts";

export type LockKind = "lock" | "res_lock" | "res_lock_irq";

/** Takes or gives back the lock that a register points to. */
export function changeLock(env: Env, reg: Reg, register: number, kind: LockKind, take: boolean): void {
  if (inTreeCallback(env)) reject(env, "lock_in_tree_callback");
  const of = lockedBy(env, reg, register, kind);
  if (take) takeLock(env, reg, kind, of);
  else giveLock(env, reg, kind, of);
}

/** What the lock is in; rejects registers that do not point to a lock of the kind. */
function lockedBy(env: Env, reg: Reg, register: number, kind: LockKind): object {
  const refuse = (what: string): never => reject(env, "lock_argument", { register, what });
  const variable = smallConstant(reg.num);
  if (variable === null) return refuse("its offset is no constant");
  if (reg.kind === "map_value" && reg.map?.map.btf === null) return refuse("the map was made without types");
  const wanted = kind === "lock" ? "spin_lock" : "res_spin_lock";
  const field = recordOfReg(env, reg).fields.find((one) => one.kind === wanted);
  if (field === undefined) return refuse("there is none");
  const offset = reg.off + variable;
  if (field.offset !== offset) return refuse(`it is at ${field.offset}, not ${offset}`);
  return (reg.kind === "map_value" ? reg.map : reg.btf) ?? refuse("there is none");
}

function takeLock(env: Env, reg: Reg, kind: LockKind, of: object): void {
  const { held } = env.state;
  if (kind === "lock") {
    if (held.some((one) => one.kind === "lock")) reject(env, "lock_nested");
  } else if (held.some((one) => isResilient(one) && one.id === reg.id && one.of === of)) {
    reject(env, "lock_nested");
  }
  acquire(env, kind, of, reg.id);
}

function isResilient({ kind }: Held): boolean {
  return kind === "res_lock" || kind === "res_lock_irq";
}

function giveLock(env: Env, reg: Reg, kind: LockKind, of: object): void {
  const { held, activeLocks, activeLock } = env.state;
  if (activeLocks === 0) reject(env, "unlock_without_lock");
  if (!held.some((one) => one.kind === kind && one.id === reg.id && one.of === of)) reject(env, "unlock_other");
  if (activeLock?.id !== reg.id || activeLock.of !== of)
    reject(env, "unlock_other", { what: "not the one taken last" });
  releaseLock(env, kind, reg.id, of);
  invalidateNonOwning(env);
}

/** Within the callback of a function that holds a tree's lock. */
export function inTreeCallback(env: Env): boolean {
  const { frames } = env.state;
  for (let i = frames.length - 1; i > 0; i--) {
    const frame = frames[i];
    if (frame === undefined || frame.callback === null) continue;
    const insn = env.program.insns[frame.callSite];
    if (insn?.kind !== "call" || insn.target.kind !== "kfunc") continue;
    const type = env.request.kernel?.types[insn.target.btfId];
    if (type?.kind === "func" && type.name.startsWith("bpf_rbtree_add")) return true;
  }
  return false;
}
