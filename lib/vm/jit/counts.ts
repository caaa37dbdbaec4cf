/**
 * Counting instructions without counting in every block (Knuth, "The Art of Computer Programming" 1, 2.3.4.1; Ball and
 * Larus, "Optimally profiling and tracing programs", 1994). Each block gets a number, its potential: how many instructions
 * were executed on one way from the entry to it, along a spanning tree of the graph. Only edges outside of the tree change
 * the counter, by the difference: a loop costs one subtraction for each turn, and straight or tree-like code none.
 *
 *   executed at the start of block b = (limit - counter) + potential(b)
 */
import { reversePostorder } from "../../graph/index.ts";
import { countOf, edgesOf } from "./blocks.ts";
import type { Block, Edge, Fn } from "./blocks.ts";

export interface Counts {
  /** Executed before the block, relative to the counter; by block id. */
  readonly potential: readonly number[];
  /** What passing an edge takes off the counter. */
  increment(from: Block, edge: Edge): number;
}

export function countsOf(fn: Fn): Counts {
  const potential: (number | undefined)[] = fn.blocks.map(() => undefined);
  const at = (block: Block): number => potential[block.id] ?? 0;
  potential[0] = 0;
  // The last way in: in a loop, the longer of two arms tends to be the later one.
  for (const block of reversePostorder(fn.blocks[0], (b) => edgesOf(b).map(({ to }) => to))) {
    potential[block.id] ??= 0;
    const after = at(block) + countOf(block);
    for (const { to } of edgesOf(block)) potential[to.id] ??= after;
  }
  return {
    potential: potential.map((value) => value ?? 0),
    increment: (from, edge) => at(from) + countOf(from) - at(edge.to),
  };
}
