/**
 * Dominance (Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm", 2001): the immediate dominator of a node is
 * the nearest common ancestor of its predecessors, found by walking up in reverse postorder until nothing changes.
 */
import { reversePostorder, type Successors } from "./order.ts";

export class DominatorTree<N> {
  /** Reachable nodes in reverse postorder. */
  readonly order: readonly N[];
  private readonly position = new Map<N, number>();
  /** Position of the immediate dominator, by position; the entry is its own. */
  private readonly idom: number[];

  constructor(entry: N | undefined, successors: Successors<N>) {
    this.order = reversePostorder(entry, successors);
    this.order.forEach((node, i) => this.position.set(node, i));
    this.idom = this.order.map((_, i) => (i === 0 ? 0 : -1));
    const predecessors = this.predecessors(successors);
    for (let changed = true; changed;) changed = this.improve(predecessors);
  }

  /** Null for the entry and for nodes that are not reachable. */
  immediate(node: N): N | null {
    const at = this.position.get(node);
    return at === undefined || at === 0 ? null : (this.order[this.idom[at] as number] as N);
  }

  /** True when every path from the entry to `b` passes `a`; a node dominates itself. */
  dominates(a: N, b: N): boolean {
    const target = this.position.get(a);
    let at = this.position.get(b);
    if (target === undefined || at === undefined) return false;
    while (at > target) at = this.idom[at] as number;
    return at === target;
  }

  /** The nodes that each node dominates immediately, in reverse postorder. */
  children(): Map<N, N[]> {
    const children = new Map<N, N[]>(this.order.map((node) => [node, []]));
    for (const node of this.order) {
      const parent = this.immediate(node);
      if (parent !== null) children.get(parent)?.push(node);
    }
    return children;
  }

  private predecessors(successors: Successors<N>): number[][] {
    const found: number[][] = this.order.map(() => []);
    this.order.forEach((node, i) => {
      for (const next of successors(node)) found[this.position.get(next) as number]?.push(i);
    });
    return found;
  }

  private improve(predecessors: readonly number[][]): boolean {
    let changed = false;
    for (let i = 1; i < this.order.length; i++) {
      let best = -1;
      for (const p of predecessors[i] as number[]) {
        if (this.idom[p] === -1) continue;
        best = best === -1 ? p : this.meet(p, best);
      }
      if (best === this.idom[i]) continue;
      this.idom[i] = best;
      changed = true;
    }
    return changed;
  }

  private meet(a: number, b: number): number {
    let [x, y] = [a, b];
    while (x !== y) {
      while (x > y) x = this.idom[x] as number;
      while (y > x) y = this.idom[y] as number;
    }
    return x;
  }
}
