// Loops that the kernel runs: the body is a function that it calls back, verified once instead of once per round.
import { bpf_loop, loop_callback } from "./bpf";

/** What the body of a loop returns. */
export enum Loop { Continue = 0, Break = 1 }

/**
 * Calls `body` with 0 to `times` - 1, until it breaks; how often it was called, or a negative errno (-E2BIG above 8388608).
 * The body captures nothing: `context` is an object that both sides see.
 */
export function loop<C>(times: u32, context: C, body: (index: u32, context: C) => Loop): i32 {
  return bpf_loop(times, loop_callback(changetype<usize>(body)), changetype<usize>(context), 0);
}
