/**
 * Making a graph reducible. A cycle that can be entered at several blocks has no structure in WebAssembly; it gets a block
 * of its own, the dispatcher, through which all edges to those entries go: the edge sets a local, the dispatcher branches
 * on it. Cycles inside of it are looked at again without the dispatcher. A reducible graph is left as it is.
 */
import { edgesOf } from "./blocks.ts";
import type { Block, Edge, Fn } from "./blocks.ts";

/** Adds dispatchers until every cycle has one entry. */
export function makeReducible(fn: Fn): void {
  const work: Set<Block>[] = [new Set(fn.blocks)];
  for (let region = work.pop(); region !== undefined; region = work.pop()) {
    for (const cycle of cyclesOf(region)) {
      const header = headerOf(fn, cycle);
      const inner = new Set(cycle);
      inner.delete(header);
      work.push(inner);
    }
  }
}

/** The block through which the cycle is entered. */
function headerOf(fn: Fn, cycle: ReadonlySet<Block>): Block {
  const entries = new Set<Block>();
  const [first] = fn.blocks;
  if (first !== undefined && cycle.has(first)) entries.add(first);
  for (const block of fn.blocks) {
    if (cycle.has(block)) continue;
    for (const { to } of edgesOf(block)) if (cycle.has(to)) entries.add(to);
  }
  const [only] = entries;
  if (entries.size === 1 && only !== undefined) return only;
  return addDispatcher(fn, [...entries]);
}

function addDispatcher(fn: Fn, entries: readonly Block[]): Block {
  const redirected = fn.blocks.flatMap((block) => edgesOf(block).filter(({ to }) => entries.includes(to)));
  const edges: Edge[] = entries.map((to) => ({ to, backFrom: null, label: null }));
  const dispatcher: Block = { id: fn.blocks.length, insns: [], end: { kind: "dispatch", edges } };
  for (const edge of redirected) {
    edge.label = entries.indexOf(edge.to);
    edge.to = dispatcher;
  }
  fn.blocks.push(dispatcher);
  return dispatcher;
}

/** The strongly connected parts of a graph that have a cycle (Tarjan, "Depth-first search and linear graph algorithms", 1972). */
function cyclesOf(region: ReadonlySet<Block>): Set<Block>[] {
  const cycles: Set<Block>[] = [];
  const index = new Map<Block, number>();
  const low = new Map<Block, number>();
  const open: Block[] = [];
  const isOpen = new Set<Block>();
  for (const root of region) {
    if (index.has(root)) continue;
    const stack = [{ block: root, waiting: successors(root, region) }];
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.waiting.pop();
      if (next === undefined) {
        stack.pop();
        const parent = stack.at(-1)?.block;
        if (parent !== undefined) low.set(parent, Math.min(lowOf(parent), lowOf(top.block)));
        if (lowOf(top.block) === index.get(top.block)) closeComponent(top.block);
      } else if (!index.has(next)) {
        enter(next);
        stack.push({ block: next, waiting: successors(next, region) });
      } else if (isOpen.has(next)) {
        low.set(top.block, Math.min(lowOf(top.block), index.get(next) ?? 0));
      }
    }
  }
  return cycles;

  function enter(block: Block): void {
    index.set(block, index.size);
    low.set(block, index.size - 1);
    open.push(block);
    isOpen.add(block);
  }
  function lowOf(block: Block): number {
    return low.get(block) ?? 0;
  }
  function closeComponent(root: Block): void {
    const members = open.splice(open.indexOf(root));
    for (const member of members) isOpen.delete(member);
    if (members.length > 1 || successors(root, region).includes(root)) cycles.push(new Set(members));
  }
}

function successors(block: Block, region: ReadonlySet<Block>): Block[] {
  return edgesOf(block)
    .map(({ to }) => to)
    .filter((to) => region.has(to));
}
