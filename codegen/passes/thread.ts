/**
 * Jump threading: where a block branches on something that the way into it decides, that way goes on directly.
 *
 *     a: ... jump m                        a: ... jump no
 *     c: ... jump m                 →      c: ... jump m
 *     m: p = phi [0 from a, q from c]      m: branch q yes no
 *        branch p yes no
 *
 * This is what inlining a function leaves that returns null on one path and whose caller tests the result.
 *
 * The block's values are copied onto the new way. Values of the block that are used further down then have two
 * definitions, joined by phis where the ways meet (ir/ssa.ts). Loop headers are left alone: going past one would make a
 * second entry into the loop.
 */
import { cloneValue } from "../ir/clone.ts";
import { Dominators } from "../ir/dominators.ts";
import { removePred, removeUnreachable, retarget, shareRound } from "../ir/edit.ts";
import { foldBinary, foldCompare, foldUnary } from "../ir/fold.ts";
import type { Block, IrFunction, Phi, Value } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";
import { VariableReader } from "../ir/ssa.ts";

/** Values of a block that may be copied for each way into it. */
const MAX_COPIED = 8;
/** Per run, so that code does not explode; the pass runs again while it changes something. */
const MAX_THREADED = 500;

export const thread: FunctionPass = { name: "thread", run: threadJumps };

function threadJumps(fn: IrFunction): boolean {
  let threaded = 0;
  for (const block of [...fn.blocks]) {
    if (threaded >= MAX_THREADED || !fn.blocks.includes(block)) continue;
    if (!isCandidate(block)) continue;
    const dominators = new Dominators(fn);
    if (block.preds.some((p) => dominators.dominates(block, p))) continue;
    const ways = decidedWays(block, dominators);
    if (ways.size === 0) continue;
    new Threading(fn, block).run(ways);
    threaded += ways.size;
  }
  return threaded > 0;
}

function isCandidate(block: Block): boolean {
  const t = block.terminator;
  if (t.op !== "branch" || t.condition.block !== block || block.phis.length === 0) return false;
  return block.values.length <= MAX_COPIED && block.values.every(mayCopy);
}

function mayCopy(value: Value): boolean {
  switch (value.op) {
    case "const":
    case "binary":
    case "compare":
    case "unary":
    case "select":
    case "load":
    case "global_address":
    case "map_address":
      return true;
    default:
      return false;
  }
}

/** The predecessors from which the branch is decided, with where it then goes. */
function decidedWays(block: Block, dominators: Dominators): Map<Block, Block> {
  const ways = new Map<Block, Block>();
  const t = block.terminator;
  if (t.op !== "branch") return ways;
  for (const pred of block.preds) {
    const outcome = new Evaluation(block, pred, dominators).of(t.condition);
    if (outcome === null) continue;
    ways.set(pred, outcome === "non-zero" || outcome !== 0n ? t.then : t.else);
  }
  return ways;
}

/** What values of a block are when it is entered from `pred`; null when that is not known. */
class Evaluation {
  private readonly block: Block;
  private readonly pred: Block;
  private readonly dominators: Dominators;

  constructor(block: Block, pred: Block, dominators: Dominators) {
    this.block = block;
    this.pred = pred;
    this.dominators = dominators;
  }

  of(value: Value): bigint | "non-zero" | null {
    if (value.op === "const") return value.value;
    if (value.block !== this.block) return this.isNonZero(value) ? "non-zero" : null;
    switch (value.op) {
      case "phi": {
        const input = value.inputs.get(this.pred) as Value;
        return input.op === "const" ? input.value : this.isNonZero(input) ? "non-zero" : null;
      }
      case "compare":
        return this.compare(value);
      case "binary": {
        const [a, b] = value.args.map((v) => this.of(v)) as [bigint | "non-zero" | null, bigint | "non-zero" | null];
        if (typeof a !== "bigint" || typeof b !== "bigint" || value.type === "ptr") return null;
        return foldBinary(value.operator, value.type, a, b);
      }
      case "unary": {
        const a = this.of(value.args[0]);
        return typeof a === "bigint" ? foldUnary(value.operator, value.args[0].type, value.type, a) : null;
      }
      case "select": {
        const condition = this.of(value.args[0]);
        if (condition === null) return null;
        return this.of(condition === 0n ? value.args[2] : value.args[1]);
      }
      default:
        return null;
    }
  }

  private compare(value: Value & { op: "compare" }): bigint | null {
    const [a, b] = value.args.map((v) => this.of(v)) as [bigint | "non-zero" | null, bigint | "non-zero" | null];
    if (typeof a === "bigint" && typeof b === "bigint") {
      return foldCompare(value.operator, value.args[0].type, a, b) ? 1n : 0n;
    }
    if (a !== "non-zero" || b !== 0n) return null;
    return value.operator === "ne" ? 1n : value.operator === "eq" ? 0n : null;
  }

  /** A pointer that is never null, or one that the way to `pred` has tested. */
  private isNonZero(value: Value): boolean {
    if (value.op === "stack_slot" || value.op === "global_address" || value.op === "map_address") return true;
    if (value.type === "ptr" && value.origin?.nullable === false) return true;
    for (let at: Block | null = this.pred, into = this.block; at !== null;) {
      const t: Block["terminator"] = at.terminator;
      const onlyWay = into === this.block || into.preds.length === 1;
      if (onlyWay && t.op === "branch" && t.condition === value && t.then === into) return true;
      into = at;
      at = at.preds.length === 1 ? (at.preds[0] as Block) : this.dominators.immediate(at);
    }
    return false;
  }
}

class Threading {
  private readonly fn: IrFunction;
  private readonly block: Block;

  constructor(fn: IrFunction, block: Block) {
    this.fn = fn;
    this.block = block;
  }

  run(ways: ReadonlyMap<Block, Block>): void {
    const escaping = this.usedOutside();
    const copies = [...ways].map(([pred, target]) => ({ ...this.copyFor(pred, target), pred }));
    for (const { pred, copy } of copies) {
      retarget(pred, this.block, copy);
      removePred(this.block, pred);
    }
    removeUnreachable(this.fn);
    for (const value of escaping) {
      const ends = new Map<Block, Value>(copies.map(({ copy, values }) => [copy, values.get(value) as Value]));
      if (this.fn.blocks.includes(this.block)) ends.set(this.block, value);
      this.rejoin(value, ends);
    }
  }

  /** A block between `pred` and `target` that does what this block does when entered from there. */
  private copyFor(pred: Block, target: Block): { copy: Block; values: Map<Value, Value> } {
    const place = this.block.terminator.place;
    const copy: Block = {
      id: this.fn.nextId++,
      phis: [],
      values: [],
      terminator: { op: "jump", target, place },
      preds: [pred],
      rounds: new Map(),
    };
    this.fn.blocks.push(copy);
    const values = new Map<Value, Value>();
    for (const phi of this.block.phis) values.set(phi, phi.inputs.get(pred) as Value);
    for (const value of this.block.values) {
      const cloned = cloneValue(value, { fn: this.fn, block: copy }, (v) => values.get(v) ?? v);
      copy.values.push(cloned);
      values.set(value, cloned);
    }
    target.preds.push(copy);
    shareRound(target, this.block, copy);
    for (const phi of target.phis) {
      const input = phi.inputs.get(this.block) as Value;
      phi.inputs.set(copy, values.get(input) ?? input);
    }
    return { copy, values };
  }

  /** Values of the block that other blocks use (a phi's input is used at the end of its predecessor). */
  private usedOutside(): Set<Value> {
    const used = new Set<Value>();
    const note = (v: Value, at: Block): void => {
      if (v.block === this.block && at !== this.block) used.add(v);
    };
    this.eachUse((v, at) => {
      note(v, at);
      return v;
    });
    return used;
  }

  private rejoin(value: Value, ends: ReadonlyMap<Block, Value>): void {
    const initial = (): never => {
      throw new Error("a use that neither the block nor a copy of it dominates");
    };
    const reader = new VariableReader(this.fn, { like: value, ends, initial });
    const here = this.block;
    // Collected first: reading adds phis.
    const rewrites: (() => void)[] = [];
    this.eachUse((v, at, isInput) => {
      if (v === value && at !== here && !ends.has(at))
        rewrites.push(() => void (isInput ? reader.atEnd(at) : reader.atStart(at)));
      return v;
    });
    for (const rewrite of rewrites) rewrite();
    this.eachUse((v, at, isInput) => {
      if (v !== value || at === here || ends.has(at)) return v;
      return isInput ? reader.atEnd(at) : reader.atStart(at);
    });
  }

  /** All operands with the block where they must be available. */
  private eachUse(visit: (operand: Value, at: Block, isInput: boolean) => Value): void {
    for (const block of this.fn.blocks) {
      for (const phi of block.phis as Phi[])
        for (const [from, v] of phi.inputs) phi.inputs.set(from, visit(v, from, true));
      for (const value of block.values)
        (value.args as Value[]).forEach((v, i) => ((value.args as Value[])[i] = visit(v, block, false)));
      const t = block.terminator;
      if (t.op === "branch") t.condition = visit(t.condition, block, false);
      if (t.op === "return" && t.value !== null) t.value = visit(t.value, block, false);
    }
  }
}
