/**
 * Stores that the processor might read past: without CAP_PERFMON the kernel puts a barrier behind a store that changes what a
 * slot means, and a path that only speculation takes ends there.
 */
import type { Env } from "../../env.ts";

const NOTE = "barriers behind stores";

/** The kernel puts a barrier behind the current instruction. */
export function barrierBehind(env: Env): void {
  const slots = (env.notes.get(NOTE) as Set<number> | undefined) ?? new Set<number>();
  slots.add(env.slot);
  env.notes.set(NOTE, slots);
}

/** Speculation cannot get past the instruction. */
export function hasBarrierBehind(env: Env, slot: number): boolean {
  return (env.notes.get(NOTE) as Set<number> | undefined)?.has(slot) ?? false;
}
