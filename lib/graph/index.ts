/** Directed graphs: order, dominance, loops. Nodes are any values; the graph is an entry and a successor function. */
export { DominatorTree } from "./dominators.ts";
export { findLoops, type Loop } from "./loops.ts";
export { reversePostorder, type Successors } from "./order.ts";
