/** Copies of values for passes that duplicate code. */
import type { IrFunction, Block, Phi, Value } from "./ir.ts";

/** A copy with its own id in another block (of another function, when inlining); the operands are mapped. */
export function cloneValue(
  value: Exclude<Value, Phi>,
  into: { fn: IrFunction; block: Block },
  map: (operand: Value) => Value,
): Exclude<Value, Phi> {
  const args = (value.args as Value[]).map(map);
  return { ...value, id: into.fn.nextId++, block: into.block, args } as unknown as Exclude<Value, Phi>;
}

/** A copy of a phi without inputs. */
export function clonePhi(phi: Phi, into: { fn: IrFunction; block: Block }): Phi {
  return { ...phi, id: into.fn.nextId++, block: into.block, args: [], inputs: new Map() };
}
