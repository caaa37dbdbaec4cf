/**
 * Natural loops. An edge to a node that dominates its source closes a loop; the loop's body is what reaches that edge
 * without passing the header. Loops of one header are one loop. A cycle that can be entered in two places (an irreducible
 * one) has no header that dominates it, and is not listed.
 */
import type { DominatorTree } from "./dominators.ts";
import type { Successors } from "./order.ts";

export interface Loop<N> {
  /** The only node through which the loop is entered. */
  readonly header: N;
  /** Sources of the edges back to the header. */
  readonly latches: readonly N[];
  /** All nodes, header and latches included. */
  readonly body: ReadonlySet<N>;
  /** The smallest loop around this one. */
  readonly parent: Loop<N> | null;
  /** 1 for an outermost loop. */
  readonly depth: number;
}

/** All natural loops, headers in reverse postorder: a loop comes before the loops inside of it. */
export function findLoops<N>(tree: DominatorTree<N>, successors: Successors<N>): Loop<N>[] {
  const predecessors = new Map<N, N[]>(tree.order.map((node) => [node, []]));
  for (const node of tree.order) for (const next of successors(node)) predecessors.get(next)?.push(node);
  const loops: Loop<N>[] = [];
  for (const header of tree.order) {
    const latches = (predecessors.get(header) ?? []).filter((p) => tree.dominates(header, p));
    if (latches.length === 0) continue;
    const parent = loops.findLast((outer) => outer.body.has(header)) ?? null;
    loops.push({
      header,
      latches,
      body: bodyOf(header, latches, predecessors),
      parent,
      depth: (parent?.depth ?? 0) + 1,
    });
  }
  return loops;
}

function bodyOf<N>(header: N, latches: readonly N[], predecessors: ReadonlyMap<N, readonly N[]>): Set<N> {
  const body = new Set([header]);
  const work = [...latches];
  while (work.length > 0) {
    const node = work.pop() as N;
    if (body.has(node)) continue;
    body.add(node);
    work.push(...(predecessors.get(node) ?? []));
  }
  return body;
}
