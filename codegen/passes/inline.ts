/**
 * Inlines calls, callees first, and drops functions that no program reaches any more.
 *
 * asc calls a function for every accessor, and a call hides pointers from the analysis of their origin, so nearly
 * everything is inlined: all but functions marked `noinline`, recursive ones (reported by the frontend), and callees of
 * some size once the caller has grown big.
 *
 *     a: x = call f(y)        a: jump f1      f1: ... jump b      b: x = phi [r from f1]
 *        use x          →                                            use x
 */
import { clonePhi, cloneValue } from "../ir/clone.ts";
import { makeValue, removeUnreachable, renamePred, Replacements } from "../ir/edit.ts";
// prettier-ignore
import { successors, type Block, type CallFunction, type IrFunction, type IrModule, type Phi, type SourcePlace, type Terminator, type Value } from "../ir/ir.ts";
import type { ModulePass } from "../ir/pass.ts";
import { seenFrom } from "../ir/place.ts";
import { removeUnreached } from "../ir/reach.ts";

/** Values up to which a callee is always inlined, and up to which a function may grow by bigger ones. */
const SMALL = 40;
const BIG = 4000;

export const inline: ModulePass = { name: "inline", runModule: (module) => new Inliner(module).run() };

class Inliner {
  private readonly module: IrModule;
  private readonly done = new Set<IrFunction>();
  /** The chain of calls being followed: a call back into it is recursion. */
  private readonly active = new Set<IrFunction>();
  private changed = false;

  constructor(module: IrModule) {
    this.module = module;
  }

  run(): boolean {
    for (const fn of this.module.functions.values()) this.visit(fn);
    return removeUnreached(this.module) || this.changed;
  }

  private visit(fn: IrFunction): void {
    if (this.done.has(fn)) return;
    this.done.add(fn);
    this.active.add(fn);
    let size = sizeOf(fn);
    // Inlined blocks are not looked at again: their callees were done before them.
    for (const block of [...fn.blocks]) {
      let current = block;
      for (let i = 0; i < current.values.length; i++) {
        const call = current.values[i];
        if (call?.op !== "call") continue;
        const callee = this.module.functions.get(call.callee);
        if (callee === undefined) continue;
        this.visit(callee);
        const grown = size + sizeOf(callee);
        if (callee.noinline || this.active.has(callee) || (sizeOf(callee) > SMALL && grown > BIG)) continue;
        current = expand(fn, current, i, call, callee);
        size = grown;
        this.changed = true;
        i = -1;
      }
    }
    removeUnreachable(fn);
    this.active.delete(fn);
  }
}

function sizeOf(fn: IrFunction): number {
  return fn.blocks.reduce((n, b) => n + b.phis.length + b.values.length, 0);
}

/** Puts the callee's body in place of the call; gives the block with what stood after it. */
function expand(fn: IrFunction, block: Block, at: number, call: CallFunction, callee: IrFunction): Block {
  const after = splitAfter(fn, block, at);
  block.values.pop();
  const body = cloneBody(fn, callee, call.args);
  for (const copy of body.values()) showAtCall(copy, call.place);
  const entry = body.get(callee.blocks[0] as Block) as Block;
  block.terminator = { op: "jump", target: entry, place: call.place };
  entry.preds.push(block);
  const results = joinReturns(callee, body, after);
  replaceResult(fn, call, after, results);
  return after;
}

function showAtCall(block: Block, call: SourcePlace | null): void {
  for (const value of [...block.phis, ...block.values]) value.place = seenFrom(value.place, call);
  block.terminator.place = seenFrom(block.terminator.place, call);
  for (const [from, loop] of block.rounds) block.rounds.set(from, seenFrom(loop, call) ?? loop);
}

/** Moves what stands after a value into a new block, which takes over the successors. */
function splitAfter(fn: IrFunction, block: Block, at: number): Block {
  const after: Block = {
    id: fn.nextId++,
    phis: [],
    values: block.values.splice(at + 1),
    terminator: block.terminator,
    preds: [],
    rounds: new Map(),
  };
  for (const value of after.values) value.block = after;
  for (const next of successors(after)) renamePred(next, block, after);
  fn.blocks.splice(fn.blocks.indexOf(block) + 1, 0, after);
  return after;
}

/** Copies the callee's blocks into `fn`; the arguments stand for its parameters. */
function cloneBody(fn: IrFunction, callee: IrFunction, args: readonly Value[]): Map<Block, Block> {
  const blocks = new Map<Block, Block>();
  const values = new Map<Value, Value>(callee.params.map((p, i) => [p, args[i] as Value]));
  const mapped = (v: Value): Value => values.get(v) ?? v;
  const target = (b: Block): Block => blocks.get(b) as Block;
  for (const old of callee.blocks) {
    const block: Block = {
      id: fn.nextId++,
      phis: [],
      values: [],
      terminator: { op: "trap", place: null },
      preds: [],
      rounds: new Map(),
    };
    blocks.set(old, block);
    fn.blocks.push(block);
  }
  for (const [old, block] of blocks) {
    block.preds = old.preds.map(target);
    for (const [from, loop] of old.rounds) block.rounds.set(target(from), loop);
    for (const phi of old.phis) {
      const copy = clonePhi(phi, { fn, block });
      block.phis.push(copy);
      values.set(phi, copy);
    }
    for (const value of old.values) {
      if (value.op === "param") continue;
      // Operands may be copied later (blocks stand in any order), so they are mapped at the end.
      const copy = cloneValue(value, { fn, block }, (v) => v);
      block.values.push(copy);
      values.set(value, copy);
    }
  }
  for (const [old, block] of blocks) {
    block.phis.forEach((copy, i) => {
      for (const [from, v] of (old.phis[i] as Phi).inputs) copy.inputs.set(target(from), mapped(v));
    });
    for (const value of block.values)
      (value.args as Value[]).forEach((a, i) => ((value.args as Value[])[i] = mapped(a)));
    block.terminator = copyTerminator(old.terminator, mapped, target);
  }
  return blocks;
}

function copyTerminator(t: Terminator, value: (v: Value) => Value, block: (b: Block) => Block): Terminator {
  switch (t.op) {
    case "jump":
      return { ...t, target: block(t.target) };
    case "branch":
      return { ...t, condition: value(t.condition), then: block(t.then), else: block(t.else) };
    case "return":
      return { ...t, value: t.value === null ? null : value(t.value) };
    case "trap":
      return { ...t };
  }
}

/** Lets the copied returns go to `after`; gives what each brings. */
function joinReturns(callee: IrFunction, body: ReadonlyMap<Block, Block>, after: Block): Map<Block, Value> {
  const results = new Map<Block, Value>();
  for (const old of callee.blocks) {
    const block = body.get(old) as Block;
    const t = block.terminator;
    if (t.op !== "return") continue;
    block.terminator = { op: "jump", target: after, place: t.place };
    after.preds.push(block);
    if (t.value !== null) results.set(block, t.value);
  }
  return results;
}

function replaceResult(fn: IrFunction, call: CallFunction, after: Block, results: ReadonlyMap<Block, Value>): void {
  const [first, ...others] = new Set(results.values());
  if (first === undefined) {
    // A callee that never returns: what follows is unreachable, but must be well formed until it is removed.
    if (call.type !== "void") replaceUses(fn, call, placeholder(fn, call, after));
    return;
  }
  if (others.length === 0) return replaceUses(fn, call, first);
  // prettier-ignore
  const phi = makeValue<Phi>(fn, after, call, {
    op: "phi", type: call.type, args: [], inputs: new Map(results), ...(call.origin && { origin: call.origin }),
  });
  after.phis.push(phi);
  replaceUses(fn, call, phi);
}

function placeholder(fn: IrFunction, call: CallFunction, after: Block): Value {
  const zero = makeValue(fn, after, call, { op: "const", type: call.type, args: [], value: 0n });
  after.values.unshift(zero as Exclude<Value, Phi>);
  return zero;
}

function replaceUses(fn: IrFunction, from: Value, to: Value): void {
  const replaced = new Replacements();
  replaced.set(from, to);
  replaced.apply(fn);
}
