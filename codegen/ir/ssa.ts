/**
 * The value that a variable has at a point of the program, when it is assigned in several blocks (Braun et al., "Simple
 * and Efficient Construction of Static Single Assignment Form", CC 2013). A block with one predecessor asks that; one with
 * several gets a phi, which is remembered before its inputs are asked for, so that loops end. Needless phis are left to
 * the pass `phis`.
 */
import { makeValue } from "./edit.ts";
import type { Block, IrFunction, Phi, Value } from "./ir.ts";

export interface Variable {
  /** What phis of the variable look like: type, origin and place. */
  readonly like: Pick<Value, "type" | "place" | "origin">;
  /** The variable's value at the end of the blocks that assign it. */
  readonly ends: ReadonlyMap<Block, Value>;
  /** Its value at the function's start. */
  initial(): Value;
}

export class VariableReader {
  private readonly starts = new Map<Block, Value>();
  private readonly fn: IrFunction;
  private readonly variable: Variable;

  constructor(fn: IrFunction, variable: Variable) {
    this.fn = fn;
    this.variable = variable;
  }

  atEnd(block: Block): Value {
    return this.variable.ends.get(block) ?? this.atStart(block);
  }

  atStart(block: Block): Value {
    const known = this.starts.get(block);
    if (known !== undefined) return known;
    const [only, ...others] = block.preds;
    if (only === undefined) return this.remember(block, this.variable.initial());
    if (others.length === 0) return this.remember(block, this.atEnd(only));
    const phi = this.newPhi(block);
    this.remember(block, phi);
    for (const pred of block.preds) phi.inputs.set(pred, this.atEnd(pred));
    return phi;
  }

  private remember(block: Block, value: Value): Value {
    this.starts.set(block, value);
    return value;
  }

  private newPhi(block: Block): Phi {
    const { type, origin } = this.variable.like;
    // prettier-ignore
    const phi = makeValue<Phi>(this.fn, block, this.variable.like, {
      op: "phi", type, args: [], inputs: new Map(), ...(origin && { origin }),
    });
    block.phis.push(phi);
    return phi;
  }
}
