/** Orders of a directed graph that is given by its entry and a successor function. */

/** The nodes that an edge leads to, in order. */
export type Successors<N> = (node: N) => readonly N[];

/**
 * Reverse postorder from the entry: a node comes before its successors, but for back edges. Unreachable nodes are left
 * out; without an entry the order is empty.
 */
export function reversePostorder<N>(entry: N | undefined, successors: Successors<N>): N[] {
  if (entry === undefined) return [];
  const seen = new Set([entry]);
  const postorder: N[] = [];
  // An explicit stack: graphs may be deeper than the engine's call stack. Successors are taken from the last on, so
  // that in the reversed order the first one comes first.
  const stack = [{ node: entry, waiting: [...successors(entry)] }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const next = top.waiting.pop();
    if (next === undefined) {
      postorder.push(top.node);
      stack.pop();
    } else if (!seen.has(next)) {
      seen.add(next);
      stack.push({ node: next, waiting: [...successors(next)] });
    }
  }
  return postorder.reverse();
}
