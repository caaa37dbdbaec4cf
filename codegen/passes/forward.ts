/**
 * Forwards memory to loads: a load of bytes that were just stored or loaded takes the value from there.
 *
 *     store32 p, x +4
 *     y = load32u p +4        → x
 *
 * What is known about memory is followed along the control flow: at a join, what all ways agree on; at a loop header,
 * nothing. A store forgets what it may overlap, a helper or call forgets all but private stack slots that it did not get
 * (ir/address.ts). Loads are never moved, only removed.
 */
import { Memory, type Range } from "../ir/address.ts";
import { loadedFrom } from "../ir/convert.ts";
import { reversePostorder } from "../ir/dominators.ts";
import { makeValue, Replacements } from "../ir/edit.ts";
import type { Block, IrFunction, LoadValue, Phi, Value } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const forward: FunctionPass = { name: "forward", run: (fn) => new Forwarding(fn).run() };

/** `range` holds the low bytes of `value`; `load`: the value is what this load made of them. */
interface Content {
  readonly range: Range;
  readonly value: Value;
  readonly load: LoadValue | null;
}

class Forwarding {
  private readonly fn: IrFunction;
  private readonly memory: Memory;
  private readonly replaced = new Replacements();
  private readonly ends = new Map<Block, readonly Content[]>();

  constructor(fn: IrFunction) {
    this.fn = fn;
    this.memory = new Memory(fn);
  }

  run(): boolean {
    for (const block of reversePostorder(this.fn)) this.ends.set(block, this.visit(block));
    this.replaced.apply(this.fn);
    return this.replaced.size > 0;
  }

  private visit(block: Block): readonly Content[] {
    let known = this.atStart(block);
    const values: Block["values"] = [];
    for (const value of block.values) {
      const better = value.op === "load" ? this.lookUp(value, known, (v) => values.push(v)) : null;
      if (better !== null) this.replaced.set(value, better);
      else {
        values.push(value);
        known = this.after(value, known);
      }
    }
    block.values = values;
    return known;
  }

  private atStart(block: Block): Content[] {
    const [first, ...others] = block.preds.map((p) => this.ends.get(p));
    // A predecessor that was not visited yet closes a loop: nothing is known of it.
    return first?.filter((c) => others.every((other) => other?.some((o) => sameContent(c, o)))) ?? [];
  }

  private after(value: Value, known: Content[]): Content[] {
    switch (value.op) {
      case "load": {
        const range = this.memory.rangeOf(value) as Range;
        return range.offset === null ? known : [...known, { range, value, load: value }];
      }
      case "store": {
        const range = this.memory.rangeOf(value) as Range;
        const left = known.filter((c) => !this.memory.mayOverlap(c.range, range));
        return range.offset === null ? left : [...left, { range, value: value.args[1], load: null }];
      }
      case "atomic": {
        const range = this.memory.rangeOf(value) as Range;
        return known.filter((c) => !this.memory.mayOverlap(c.range, range));
      }
      case "call_helper":
      case "call": {
        const passed = new Set(value.args.map((a) => this.memory.addressOf(a).root));
        return known.filter((c) => this.memory.isPrivate(c.range.root) && !passed.has(c.range.root));
      }
      default:
        return known;
    }
  }

  private lookUp(load: LoadValue, known: readonly Content[], add: (value: Exclude<Value, Phi>) => void): Value | null {
    const range = this.memory.rangeOf(load) as Range;
    for (const content of known.toReversed()) {
      if (!sameRange(content.range, range)) continue;
      if (content.load !== null) {
        if (content.load.type === load.type && content.load.signed === load.signed) return content.value;
        continue;
      }
      return loadedFrom(load, content.value, (draft) => {
        const value = makeValue<Exclude<Value, Phi>>(this.fn, load.block, load, draft);
        add(value);
        return value;
      });
    }
    return null;
  }
}

function sameRange(a: Range, b: Range): boolean {
  return a.root === b.root && a.offset === b.offset && a.offset !== null && a.size === b.size;
}

function sameContent(a: Content, b: Content): boolean {
  return a.value === b.value && a.load === b.load && sameRange(a.range, b.range);
}
