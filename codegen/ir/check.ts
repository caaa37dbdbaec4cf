/**
 * The IR's invariants (listed in ir.ts) as a check between passes. A finding is a defect of the compiler, so it names
 * values and blocks, not source lines.
 */
import { Dominators } from "./dominators.ts";
import { successors, type Block, type IrFunction, type Phi, type Type, type Value } from "./ir.ts";
import { printValue } from "./print.ts";

/** What is wrong with the function; empty when it is well formed. */
export function checkFunction(fn: IrFunction): string[] {
  const checker = new Checker(fn);
  checker.run();
  return checker.problems;
}

class Checker {
  readonly problems: string[] = [];
  private readonly fn: IrFunction;
  private readonly dominators: Dominators;
  /** Index in its block of each value; phis are all at -1. */
  private readonly positions = new Map<Value, number>();

  constructor(fn: IrFunction) {
    this.fn = fn;
    this.dominators = new Dominators(fn);
  }

  run(): void {
    if (this.fn.blocks.length === 0) {
      this.problems.push("no blocks");
      return;
    }
    this.collect();
    this.checkGraph();
    for (const block of this.fn.blocks) this.checkBlock(block);
    this.checkParams();
  }

  private collect(): void {
    const ids = new Set<number>();
    for (const block of this.fn.blocks) {
      this.unique(ids, block.id);
      for (const phi of block.phis) {
        this.unique(ids, phi.id);
        this.positions.set(phi, -1);
      }
      block.values.forEach((value, i) => {
        this.unique(ids, value.id);
        if (this.positions.has(value)) this.at(value, "stands twice");
        this.positions.set(value, i);
      });
    }
  }

  private unique(ids: Set<number>, id: number): void {
    if (ids.has(id)) this.problems.push(`id ${id} is given twice`);
    if (id >= this.fn.nextId) this.problems.push(`id ${id} is not below nextId ${this.fn.nextId}`);
    ids.add(id);
  }

  private checkGraph(): void {
    const reached = new Set(this.dominators.order);
    const known = new Set(this.fn.blocks);
    if (this.fn.blocks[0]?.preds.length !== 0) this.problems.push("the entry block has predecessors");
    for (const block of this.fn.blocks) {
      if (!reached.has(block)) this.problems.push(`b${block.id} is not reachable`);
      const next = successors(block);
      if (new Set(next).size !== next.length) this.problems.push(`b${block.id} has two edges to one block`);
      for (const target of next) {
        if (!known.has(target)) this.problems.push(`b${block.id} goes to b${target.id}, which is not in the function`);
        if (!target.preds.includes(block))
          this.problems.push(`b${target.id} does not list its predecessor b${block.id}`);
      }
      if (new Set(block.preds).size !== block.preds.length)
        this.problems.push(`b${block.id} lists a predecessor twice`);
      for (const from of block.rounds.keys()) {
        if (!block.preds.includes(from))
          this.problems.push(`b${block.id} starts rounds from b${from.id}, which is no predecessor`);
      }
      for (const pred of block.preds) {
        if (!successors(pred).includes(block))
          this.problems.push(`b${block.id} lists b${pred.id}, which does not go there`);
      }
    }
  }

  private checkBlock(block: Block): void {
    for (const phi of block.phis) this.checkPhi(block, phi);
    block.values.forEach((value, i) => {
      if (value.block !== block) this.at(value, `stands in b${block.id} but says b${value.block.id}`);
      if ((value as Value).op === "phi") this.at(value, "a phi stands among the values");
      for (const arg of value.args) this.checkUse(`v${value.id}`, arg, block, i);
      this.checkTypes(value);
    });
    const t = block.terminator;
    const end = block.values.length;
    const where = `the terminator of b${block.id}`;
    if (t.op === "branch") this.checkUse(where, t.condition, block, end);
    if (t.op !== "return") return;
    if (t.value !== null) this.checkUse(where, t.value, block, end);
    const found: Type = t.value === null ? "void" : t.value.type;
    if (found !== this.fn.result) this.problems.push(`${where} returns ${found}, the function ${this.fn.result}`);
  }

  private checkPhi(block: Block, phi: Phi): void {
    if (phi.block !== block) this.at(phi, `stands in b${block.id} but says b${phi.block.id}`);
    for (const pred of block.preds) if (!phi.inputs.has(pred)) this.at(phi, `has no input from b${pred.id}`);
    for (const [from, value] of phi.inputs) {
      if (!block.preds.includes(from)) this.at(phi, `has an input from b${from.id}, which is no predecessor`);
      this.checkUse(`v${phi.id}`, value, from, from.values.length);
      if (value.type !== phi.type) this.at(phi, `gets v${value.id} of type ${value.type}`);
    }
  }

  /** The definition of `value` must dominate position `at` of `block`. */
  private checkUse(user: string, value: Value, block: Block, at: number): void {
    const position = this.positions.get(value);
    if (position === undefined) {
      this.problems.push(`${user} uses v${value.id}, which is in no block`);
      return;
    }
    if (value.type === "void") this.problems.push(`${user} uses v${value.id}, which has no result`);
    const defined = value.block === block ? position < at : this.dominators.dominates(value.block, block);
    if (!defined) this.problems.push(`${user} uses v${value.id} before its definition`);
  }

  private checkTypes(value: Value): void {
    const wrong = this.typeProblem(value);
    if (wrong !== null) this.at(value, wrong);
  }

  private typeProblem(value: Value): string | null {
    const types = value.args.map((a) => a.type);
    const [first, second, third] = types;
    switch (value.op) {
      case "const":
        return value.type !== "ptr" && BigInt.asIntN(value.type === "i64" ? 64 : 32, value.value) !== value.value
          ? "is out of range of its type"
          : null;
      case "binary":
        if (value.type === "ptr")
          return value.operator === "add" && first === "ptr" && second === "i32" ? null : "is not ptr + i32";
        return first === value.type && second === value.type ? null : "has operands of another type";
      case "compare":
        if (value.type !== "i32") return "is not i32";
        return first === second ? null : "compares different types";
      case "unary":
        return unaryTypes(value.operator, first, value.type);
      case "select":
        if (second !== value.type || third !== value.type) return "selects from another type";
        return first === "i32" || first === "ptr" ? null : "has a condition that is neither i32 nor ptr";
      case "load":
        return value.type === "i32" && value.size === 8 ? "loads 8 bytes into an i32" : null;
      case "stack_slot":
        return value.size % 8 === 0 && value.size > 0 ? null : "has a size that is not a multiple of 8";
      case "atomic":
        return value.args.length === (value.operator === "cmpxchg" ? 3 : 2) ? null : "has the wrong number of operands";
      case "packet_at":
        return second === "i32" ? null : "has an offset that is not i32";
      case "param":
      case "phi":
      case "context_pointer":
      case "store":
      case "global_address":
      case "map_address":
      case "function_address":
      case "call_helper":
      case "call":
        return null;
    }
  }

  private checkParams(): void {
    this.fn.params.forEach((param, i) => {
      if (this.fn.blocks[0]?.values[i] !== param) this.at(param, "does not stand first in the entry block, in order");
      if (param.index !== i) this.at(param, `is parameter ${i}`);
    });
  }

  private at(value: Value, what: string): void {
    this.problems.push(`${printValue(value)}: ${what}`);
  }
}

function unaryTypes(operator: string, from: Type | undefined, to: Type): string | null {
  if (operator === "extend_u" || operator === "extend_s")
    return from === "i32" && to === "i64" ? null : "is not i32 to i64";
  if (operator === "wrap") return from === "i64" && to === "i32" ? null : "is not i64 to i32";
  if (operator === "bswap64" || operator === "sext32") return from === "i64" && to === "i64" ? null : "is not i64";
  return from === to ? null : "changes the type";
}
