/**
 * Maglev tables: consistent hashing in which each backend fills entries in an order of its own, a permutation that depends on
 * nothing but its address, until the table is full; so a backend that goes leaves the others' entries nearly as they are, and
 * every node that knows the same backends makes the same table. Weights as in katran's second version: in each round a
 * backend earns its weight, and takes an entry for each time that it has earned the largest one.
 *
 * Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4.
 */
import type { Weighted } from "./alias.ts";

export interface MaglevBackend extends Weighted {
  /** What its permutation is made of, the same on every node: address and port. */
  readonly seed: string;
}

/** Lengths of tables: primes just below powers of two, the last one the length of the map's pattern. */
export const MAGLEV_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381] as const;

/** Entries that the lightest backend should get at least: its share is then right to one in a hundred. */
const ENTRIES = 100;

/** The length for these backends, not below `least`: another length is another table, in which nearly all clients move. */
export function maglevSize(backends: readonly Weighted[], least = 0): number {
  const lightest = Math.min(...backends.map(({ weight }) => weight));
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  const wanted = Math.max((ENTRIES * total) / lightest, least);
  return MAGLEV_SIZES.find((size) => size >= wanted) ?? MAGLEV_SIZES[MAGLEV_SIZES.length - 1] ?? 0;
}

/** Backend numbers; `size` must be a prime. The order of `backends` decides who takes an entry that two want. */
export function maglevTable(backends: readonly MaglevBackend[], size: number): number[] {
  const table = Array.from({ length: size }, () => 0);
  if (backends.length === 0) return table;
  const heaviest = Math.max(...backends.map(({ weight }) => weight));
  const turns = backends.map(({ number, weight, seed }) => ({
    number,
    weight,
    earned: 0,
    at: hash(seed, 0x9747b28c) % size,
    step: (hash(seed, 0x5bd1e995) % (size - 1)) + 1,
  }));
  for (let filled = 0; ;) {
    for (const turn of turns) {
      turn.earned += turn.weight;
      if (turn.earned < heaviest) continue;
      turn.earned -= heaviest;
      while (table[turn.at] !== 0) turn.at = (turn.at + turn.step) % size;
      table[turn.at] = turn.number;
      if (++filled === size) return table;
    }
  }
}

/** FNV-1a with MurmurHash3's finaliser; 32 bits. */
function hash(text: string, seed: number): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
