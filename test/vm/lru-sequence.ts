/**
 * Operations on LRU maps from a seed, the same wherever they are carried out: against the kernel, pinned to one CPU, and
 * against what the kernel once answered.
 */
import { MAP_FLAGS } from "../../lib/kernel/index.ts";
import type { MapSpec } from "../../lib/object/index.ts";
import { map } from "../kernel/specs.ts";

export interface LruStep {
  readonly what: "set" | "setByProgram" | "look" | "lookByHost" | "delete" | "deleteByProgram" | "take";
  readonly key: number;
  readonly value: number;
  readonly flags: number;
}

export interface LruCase {
  readonly type: "lru_hash" | "lru_percpu_hash";
  /** BPF_F_NO_COMMON_LRU */
  readonly own: boolean;
  readonly maxEntries: number;
  readonly seed: number;
}

export function lruSpec({ type, own, maxEntries }: LruCase): MapSpec {
  return map("m", type, 4, 8, maxEntries, { flags: own ? MAP_FLAGS.no_common_lru : 0 });
}

// Mostly new entries and look-ups.
// prettier-ignore
const KINDS = [
  "set", "set", "set", "set", "setByProgram", "setByProgram", "look", "look", "look", "lookByHost", "delete", "deleteByProgram", "take",
] as const;

/** `count` steps on twice as many keys as the map has room for. */
export function* lruSteps({ maxEntries, seed }: LruCase, count: number): Generator<LruStep> {
  let x = seed;
  const below = (limit: number): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % limit;
  };
  for (let i = 0; i < count; i++) {
    yield {
      what: KINDS[below(KINDS.length)] ?? "set",
      key: below(maxEntries * 2),
      value: below(256),
      flags: [0, 0, 0, 0, 1, 2][below(6)] ?? 0,
    };
  }
}

/** Keys that are left after 300 steps on CPU 0 of two, as Linux 6.18 answered. */
// prettier-ignore
export const RECORDED: readonly (readonly [LruCase, keys: string])[] = [
  [{ type: "lru_hash", own: false, maxEntries: 1, seed: 8 }, ""],
  [{ type: "lru_hash", own: false, maxEntries: 4, seed: 29 }, "3 5"],
  [{ type: "lru_hash", own: false, maxEntries: 10, seed: 71 }, "0 1 2 6 9 11 14 18 19"],
  [{ type: "lru_hash", own: false, maxEntries: 40, seed: 281 }, "0 1 3 4 5 6 7 13 14 20 22 24 26 27 30 32 38 40 43 47 54 58 59 60 62 64 66 67 68 69 75 77 79"],
  [{ type: "lru_hash", own: true, maxEntries: 1, seed: 8 }, ""],
  [{ type: "lru_hash", own: true, maxEntries: 4, seed: 29 }, "3"],
  [{ type: "lru_hash", own: true, maxEntries: 10, seed: 71 }, "6 19"],
  [{ type: "lru_hash", own: true, maxEntries: 40, seed: 281 }, "6 7 13 14 20 24 27 32 42 43 54 58 59 65 66 68 69 77 79"],
  [{ type: "lru_percpu_hash", own: false, maxEntries: 1, seed: 8 }, "1"],
  [{ type: "lru_percpu_hash", own: false, maxEntries: 4, seed: 29 }, "3 5"],
  [{ type: "lru_percpu_hash", own: false, maxEntries: 10, seed: 71 }, "0 1 2 6 9 11 14 18 19"],
  [{ type: "lru_percpu_hash", own: false, maxEntries: 40, seed: 281 }, "1 2 4 5 6 7 13 14 15 20 21 22 23 24 27 32 38 40 43 47 49 54 56 58 59 60 63 64 67 68 69 77 79"],
  [{ type: "lru_percpu_hash", own: true, maxEntries: 1, seed: 8 }, "1"],
  [{ type: "lru_percpu_hash", own: true, maxEntries: 4, seed: 29 }, "3"],
  [{ type: "lru_percpu_hash", own: true, maxEntries: 10, seed: 71 }, "6 9 19"],
  [{ type: "lru_percpu_hash", own: true, maxEntries: 40, seed: 281 }, "2 7 13 14 20 21 27 42 54 58 59 63 65 68 69 77 79"],
];
