/**
 * Wasm locals in SSA form, on the fly (Braun et al., "Simple and Efficient Construction of Static Single Assignment
 * Form", CC 2013): reading a local in a block that does not define it asks the predecessors; a block whose predecessors
 * are not all known yet (a loop header) gets a phi that is completed when it is sealed.
 */
import type { Block, IrFunction, Phi, SourcePlace, Type, Value } from "../ir/ir.ts";

export class LocalVariables {
  private readonly ir: IrFunction;
  private readonly typeOf: (local: number) => Type;
  private readonly place: () => SourcePlace | null;
  private readonly definitions = new Map<Block, Map<number, Value>>();
  private readonly incomplete = new Map<Block, Map<number, Phi>>();
  private readonly sealed = new Set<Block>();
  /** Trivial phis that were replaced, so that later reads see the replacement. */
  private readonly replaced = new Map<Value, Value>();

  constructor(ir: IrFunction, typeOf: (local: number) => Type, place: () => SourcePlace | null) {
    this.ir = ir;
    this.typeOf = typeOf;
    this.place = place;
  }

  write(local: number, block: Block, value: Value): void {
    let known = this.definitions.get(block);
    if (known === undefined) this.definitions.set(block, (known = new Map()));
    known.set(local, value);
  }

  read(local: number, block: Block): Value {
    const known = this.definitions.get(block)?.get(local);
    if (known !== undefined) return this.resolve(known);
    const value = this.readThrough(local, block);
    this.write(local, block, value);
    return value;
  }

  /** All predecessors are known and nothing was read in the block yet. */
  markSealed(block: Block): void {
    this.sealed.add(block);
  }

  /** All predecessors are known now: completes the phis that waited for them. */
  seal(block: Block): void {
    if (this.sealed.has(block)) return;
    this.sealed.add(block);
    for (const [local, phi] of this.incomplete.get(block) ?? []) this.complete(local, phi);
  }

  newPhi(block: Block, type: Type): Phi {
    const phi: Phi = { op: "phi", type, args: [], inputs: new Map(), id: this.ir.nextId++, block, place: this.place() };
    block.phis.push(phi);
    return phi;
  }

  /** Rewrites all operands that are replaced phis. */
  finish(): void {
    for (const block of this.ir.blocks) {
      for (const phi of block.phis) for (const [pred, v] of phi.inputs) phi.inputs.set(pred, this.resolve(v));
      for (const value of block.values) value.args.forEach((a, i) => (value.args[i] = this.resolve(a)));
      const t = block.terminator;
      if (t.op === "branch") t.condition = this.resolve(t.condition);
      if (t.op === "return" && t.value !== null) t.value = this.resolve(t.value);
    }
  }

  private readThrough(local: number, block: Block): Value {
    const type = this.typeOf(local);
    if (!this.sealed.has(block)) {
      const phi = this.newPhi(block, type);
      let waiting = this.incomplete.get(block);
      if (waiting === undefined) this.incomplete.set(block, (waiting = new Map()));
      waiting.set(local, phi);
      return phi;
    }
    const [only, ...others] = block.preds;
    if (only === undefined) return this.zero(type);
    if (others.length === 0) return this.read(local, only);
    const phi = this.newPhi(block, type);
    this.write(local, block, phi);
    return this.complete(local, phi);
  }

  /** Locals start as zero: a constant at the head of the entry block. */
  private zero(type: Type): Value {
    const block = this.ir.blocks[0] as Block;
    const common = { id: this.ir.nextId++, block, place: null };
    const value: Exclude<Value, Phi> = { op: "const", type, args: [], value: 0n, ...common };
    block.values.splice(this.ir.params.length, 0, value);
    return value;
  }

  private complete(local: number, phi: Phi): Value {
    for (const pred of phi.block.preds) phi.inputs.set(pred, this.read(local, pred));
    return this.simplify(phi);
  }

  /** A phi of one value (and itself) is that value. */
  private simplify(phi: Phi): Value {
    let same: Value | null = null;
    for (const input of phi.inputs.values()) {
      const value = this.resolve(input);
      if (value === phi || value === same) continue;
      if (same !== null) return phi;
      same = value;
    }
    if (same === null) return phi;
    this.replaced.set(phi, same);
    phi.block.phis = phi.block.phis.filter((p) => p !== phi);
    return same;
  }

  private resolve(value: Value): Value {
    let v = value;
    for (let next = this.replaced.get(v); next !== undefined; next = this.replaced.get(v)) v = next;
    return v;
  }
}
