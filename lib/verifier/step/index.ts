/** One instruction: what must hold, then what is known next. OWNER: core. */
import type { Env } from "../env.ts";
import type { Reg } from "../state/reg.ts";
import type { State } from "../state/state.ts";

/** Walks the whole program from subprogram `root` on; returns when every path has been explored, throws what stops it. */
export declare function walk(env: Env, root: number): void;

// ---- for calls/ and kfuncs/
/** r1 to r5 lose their values; r0 too. */
export declare function clearCallerSaved(env: Env): void;
/** A register must have a value. */
export declare function needValue(env: Env, register: number): Reg;
/** A scalar's bounds are set anew and everything linked to it (same id) follows. */
export declare function acquire(
  env: Env,
  kind: "reference" | "lock" | "res_lock" | "res_lock_irq" | "irq",
  of?: object,
): number;
/** Gives back by id: every register that belongs to the reference loses its value. Rejects what is not held. */
export declare function releaseReference(env: Env, id: number): void;
/** A map lookup's result (id) is known to be null or not: all registers with that id follow. */
export declare function resolveNull(state: State, id: number, isNull: boolean): void;
/**
 * Walks a callback given in `funcRegister` (a `func` register) as the kernel does: a frame for it is entered from the current
 * call; `setup` gives r1 to r5 of the callee from the caller's registers. async: a new root state is pushed instead.
 */
export declare function enterCallback(
  env: Env,
  subprogram: number,
  options: {
    readonly setup: (caller: readonly Reg[]) => readonly Reg[];
    readonly returns: readonly [number, number];
    readonly async?: boolean;
    readonly mayLoop?: boolean;
  },
): void;
