/** What a path has acquired and must give back: references and locks. */
import type { Env } from "../env.ts";
import { frameOf, newId, reject } from "../env.ts";
import type { Held, Reg, State } from "../state/index.ts";
import { FLAG, NONE, changeRegs } from "../state/index.ts";
import { unknown } from "./operands.ts";

/** Acquires at the current instruction; `id` for locks, whose place has one already. Returns the id. */
export function acquire(env: Env, kind: Held["kind"], of: object | null = null, id = newId(env)): number {
  const { state } = env;
  state.held = [...state.held, { kind, id, slot: env.slot, of }];
  if (isLock(kind)) {
    state.activeLocks++;
    state.activeLock = { id, of: of as object };
  } else if (kind === "irq") {
    state.activeIrq = id;
  }
  return id;
}

function isLock(kind: Held["kind"]): boolean {
  return kind === "lock" || kind === "res_lock" || kind === "res_lock_irq";
}

/** Gives back by id: every register that belongs to the reference loses its value. Rejects what is not held. */
export function releaseReference(env: Env, id: number): void {
  if (!releaseById(env.state, id)) reject(env, "argument_not_released");
  const gone = goneReg(env);
  changeRegs(env.state, (reg) => (reg.ref === id ? gone : reg));
}

/** Gives back a reference, not looking at registers; false when it is not held. */
export function releaseById(state: State, id: number): boolean {
  const at = state.held.findIndex((held) => held.kind === "reference" && held.id === id);
  if (at < 0) return false;
  state.held = state.held.toSpliced(at, 1);
  return true;
}

/** Gives back a lock; the one acquired before it is the active one again. False when that lock is not held. */
export function releaseLock(env: Env, kind: Held["kind"], id: number, of: object): boolean {
  const { state } = env;
  let before: Held | null = null;
  for (const [at, held] of state.held.entries()) {
    if (held.kind === kind && held.id === id && held.of === of) {
      state.held = state.held.toSpliced(at, 1);
      state.activeLocks--;
      state.activeLock = before === null ? null : { id: before.id, of: before.of as object };
      return true;
    }
    if (isLock(held.kind)) before = held;
  }
  return false;
}

/** What becomes of a pointer that is no longer valid: a number, or nothing where pointers may not be seen. */
export function goneReg(env: Env): Reg {
  return env.privileges.perfmon ? unknown(env) : NONE;
}

/** Pointers to nodes in lists and trees are only good while the lock is held. */
export function invalidateNonOwning(env: Env): void {
  const gone = goneReg(env);
  changeRegs(env.state, (reg) => ((reg.flags & FLAG.non_own_ref) === 0 ? reg : gone));
}

/** How a path leaves the program. */
export type Leaving = "end" | "throw" | "tail_call" | "packet_load";
const LEAVING: Readonly<Record<Leaving, string>> = {
  end: "the program ends",
  throw: "an exception is thrown",
  tail_call: "a tail call leaves it",
  packet_load: "a packet load of the old kind may end the program",
};

/** Nothing may be held where the program ends, be it in the middle of it. */
export function checkNothingHeld(env: Env, leaving: Leaving): void {
  const { state } = env;
  const what = LEAVING[leaving];
  if (state.activeLocks > 0) reject(env, "lock_held", { what });
  for (const held of state.held) {
    if (held.kind !== "reference") continue;
    // What is left open in a function by a call, or a load, that may end the program is seen where its callers end.
    if ((leaving === "tail_call" || leaving === "packet_load") && state.frames.length > 1) continue;
    if (leaving !== "throw" && env.request.type === "struct_ops" && held.id === (frameOf(env).regs[0] as Reg).ref)
      continue;
    reject(env, "reference_leak", { id: held.id, where: held.slot, what });
  }
  if (state.activeIrq > 0) reject(env, "irq_held", { what });
  if (state.rcu > 0) reject(env, "rcu_held", { what });
  if (state.preempt > 0) reject(env, "preempt_held", { what });
}
