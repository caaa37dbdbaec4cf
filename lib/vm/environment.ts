/**
 * What a program can learn from outside its inputs: time, randomness, CPU. Everything is injected; the defaults
 * are deterministic, so that a test gives the same result each time. Sockets, routes, tasks and the like: world.ts.
 */
export interface Environment {
  /** CPUs that per-CPU maps have values for. Default 1. */
  readonly cpus: number;
  /** Nanoseconds since boot for ktime_get_ns and ktime_get_boot_ns. Default: starts at one second, one microsecond per call. */
  readonly now: () => bigint;
  /** When the machine was started, in nanoseconds since 1970, for the clock of wall time (TAI). Default: 1 January 2025. */
  readonly bootTime: bigint;
  /** get_prandom_u32: 0..2^32-1. Default: xorshift32 with a fixed seed. */
  readonly random: () => number;
  /** Executed instructions after which a run is ended by a fault. Default 10 million. */
  readonly instructionLimit: number;
}

const NEW_YEAR_2025 = 1_735_689_600_000_000_000n;
const SECOND = 1_000_000_000n;
const MICROSECOND = 1_000n;

/** `given` with defaults for the rest. */
export function environment(given: Partial<Environment>): Environment {
  return {
    cpus: 1,
    now: tickingClock(),
    bootTime: NEW_YEAR_2025,
    random: xorshift32(0x9e37_79b9),
    instructionLimit: 10_000_000,
    ...given,
  };
}

function tickingClock(): () => bigint {
  let time = SECOND;
  return () => {
    const now = time;
    time += MICROSECOND;
    return now;
  };
}

/** Marsaglia, "Xorshift RNGs", 2003; seed not 0. */
function xorshift32(seed: number): () => number {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
