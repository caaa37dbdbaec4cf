/** Order, dominance and loops of a function's blocks: lib/graph on the control-flow graph. */
import { DominatorTree, findLoops, reversePostorder as orderOf, type Loop } from "../../lib/graph/index.ts";
import { successors, type Block, type IrFunction } from "./ir.ts";

/** Reverse postorder from the entry: a block comes before its successors, but for back edges. Unreachable blocks are left out. */
export function reversePostorder(fn: IrFunction): Block[] {
  return orderOf(fn.blocks[0], successors);
}

export class Dominators extends DominatorTree<Block> {
  constructor(fn: IrFunction) {
    super(fn.blocks[0], successors);
  }

  /** Natural loops, outer before inner. */
  loops(): Loop<Block>[] {
    return findLoops(this, successors);
  }
}
