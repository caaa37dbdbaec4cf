/**
 * Uses what a branch has found out. On the way to a block that only one side of a branch reaches, the condition is known:
 *
 *     branch x a b       in and below a: x is not 0 (a boolean is 1)     in and below b: x is 0
 *     branch x == 7 a b  in and below a: x is 7
 *
 * so a second null check of the same pointer goes away, `a && b` (which asc compiles to "b if a, else a") becomes a phi
 * of b and 0, and a `packet_at` inside of one that succeeded is that one. Holds along the dominator tree, and for the
 * inputs that a phi gets over an edge.
 */
import { callable } from "../../lib/kernel/index.ts";
import { Dominators } from "../ir/dominators.ts";
import { makeValue, mapArgs, mapTerminator, Replacements } from "../ir/edit.ts";
import { successors, type Block, type IrFunction, type PacketAt, type Phi, type Type, type Value } from "../ir/ir.ts";
import { possibleBits } from "../ir/known-bits.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const known: FunctionPass = { name: "known", run: (fn) => new Propagation(fn).run() };

type Fact = { readonly value: Value; readonly is: bigint | "non-zero" };

class Propagation {
  private readonly fn: IrFunction;
  private readonly dominators: Dominators;
  private readonly facts = new Map<Value, Fact["is"]>();
  /** Packet pointers known to be there, in the order found. */
  private readonly present: PacketAt[] = [];
  private readonly packetsStay: boolean;
  private readonly replaced = new Replacements();
  private readonly constants = new Map<string, Value>();
  private changed = false;

  constructor(fn: IrFunction) {
    this.fn = fn;
    this.dominators = new Dominators(fn);
    this.packetsStay = !fn.blocks.some((b) => b.values.some(mayMovePacket));
  }

  run(): boolean {
    const children = this.dominators.children();
    const stack: { waiting: Block[]; leave: () => void }[] = [];
    const enter = (block: Block): void => {
      const leave = this.learn(factsOnEntry(block));
      this.visit(block);
      stack.push({ waiting: [...(children.get(block) ?? [])], leave });
    };
    const entry = this.dominators.order[0];
    if (entry !== undefined) enter(entry);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.waiting.shift();
      if (next !== undefined) enter(next);
      else {
        top.leave();
        stack.pop();
      }
    }
    this.replaced.apply(this.fn);
    return this.changed || this.replaced.size > 0;
  }

  /** Adds facts; the result takes them back. */
  private learn(facts: readonly Fact[]): () => void {
    const before = facts.map((f) => [f.value, this.facts.get(f.value)] as const);
    const packets = this.present.length;
    for (const { value, is } of facts) {
      if (is !== "non-zero" || typeof this.facts.get(value) !== "bigint") this.facts.set(value, is);
      if (is === "non-zero" && value.op === "packet_at") this.present.push(value);
    }
    return () => {
      this.present.length = packets;
      for (const [value, old] of before.toReversed()) {
        if (old === undefined) this.facts.delete(value);
        else this.facts.set(value, old);
      }
    };
  }

  private visit(block: Block): void {
    for (const value of [...block.values]) {
      mapArgs(value, (v) => this.knownValue(v));
      const better =
        value.op === "packet_at" ? this.covering(value) : value.op === "compare" ? this.decided(value) : null;
      if (better !== null) this.replaced.set(value, better);
    }
    mapTerminator(block.terminator, (v) => this.knownValue(v));
    if (block.terminator.op === "branch") this.decideBranch(block.terminator);
    for (const next of successors(block)) {
      if (next.phis.length === 0) continue;
      const forget = this.learn(factsOnEdge(block, next));
      for (const phi of next.phis) this.phiInput(phi, block);
      forget();
    }
  }

  private phiInput(phi: Phi, from: Block): void {
    const input = phi.inputs.get(from) as Value;
    const value = this.knownValue(input);
    if (value !== input) phi.inputs.set(from, value);
  }

  /** The constant that a value is known to be here. */
  private knownValue(value: Value): Value {
    const is = this.facts.get(value);
    if (is === undefined || value.op === "const") return value;
    const exact = is !== "non-zero" ? is : value.type !== "ptr" && possibleBits(value) === 1n ? 1n : null;
    return exact === null ? value : this.constant(value.type, exact);
  }

  private decideBranch(t: Block["terminator"] & { op: "branch" }): void {
    if (this.facts.get(t.condition) === "non-zero") t.condition = this.constant("i32", 1n);
  }

  /** x == 0 and x != 0 where x is known not to be 0. */
  private decided(value: Value & { op: "compare" }): Value | null {
    const [a, b] = value.args;
    if (value.operator !== "eq" && value.operator !== "ne") return null;
    if (b.op !== "const" || b.value !== 0n || this.facts.get(a) !== "non-zero") return null;
    return this.constant("i32", value.operator === "ne" ? 1n : 0n);
  }

  private covering(value: PacketAt): PacketAt | null {
    if (!this.packetsStay) return null;
    const [ctx, offset] = value.args;
    const found = this.present.find(
      (p) => p.window === value.window && p.args[0] === ctx && sameOffset(p.args[1], offset) && p.size >= value.size,
    );
    return found === undefined || found === value ? null : found;
  }

  /** At the head of the function. */
  private constant(type: Type, n: bigint): Value {
    this.changed = true;
    const key = `${type} ${n}`;
    let value = this.constants.get(key);
    if (value === undefined) {
      const entry = this.fn.blocks[0] as Block;
      value = makeValue(this.fn, entry, { place: null }, { op: "const", type, args: [], value: n });
      entry.values.splice(this.fn.params.length, 0, value as Exclude<Value, Phi>);
      this.constants.set(key, value);
    }
    return value;
  }
}

function sameOffset(a: Value, b: Value): boolean {
  return a === b || (a.op === "const" && b.op === "const" && a.value === b.value);
}

function mayMovePacket(value: Value): boolean {
  if (value.op === "call") return true;
  return value.op === "call_helper" && callable(value.helper).movesPacket === true;
}

/** What holds in a block because of the only branch that leads there. */
function factsOnEntry(block: Block): Fact[] {
  const [only, ...others] = block.preds;
  return only === undefined || others.length > 0 ? [] : factsOnEdge(only, block);
}

function factsOnEdge(from: Block, to: Block): Fact[] {
  const t = from.terminator;
  return t.op === "branch" ? conclusions(t.condition, t.then === to) : [];
}

/** What follows from a condition being true or false. */
function conclusions(condition: Value, holds: boolean): Fact[] {
  if (condition.op === "const") return [];
  const facts: Fact[] = [{ value: condition, is: holds ? "non-zero" : 0n }];
  if (condition.op === "compare") facts.push(...equality(condition, holds));
  if (condition.op === "binary" && condition.operator === (holds ? "and" : "or")) {
    // Both sides: bits in common with something non-zero are bits of each; nothing or'ed to 0 has any.
    for (const side of condition.args) facts.push(...conclusions(side, holds));
  }
  return facts;
}

function equality(condition: Value & { op: "compare" }, holds: boolean): Fact[] {
  const [a, b] = condition.args;
  if (b.op !== "const" || a.op === "const") return [];
  if (condition.operator === (holds ? "eq" : "ne")) return [{ value: a, is: b.value }];
  if (condition.operator === (holds ? "ne" : "eq") && b.value === 0n) return [{ value: a, is: "non-zero" }];
  return [];
}
