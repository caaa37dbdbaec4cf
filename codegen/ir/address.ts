/**
 * What memory an address may point to: a root (where the pointer was born) and a constant offset, when it is one.
 *
 * Objects of different kinds never overlap, two stack slots do not either. A slot whose address is used for nothing but
 * accesses, comparisons and helper arguments is private: no other pointer can reach it.
 */
import { reversePostorder } from "./dominators.ts";
import type { Block, IrFunction, Value } from "./ir.ts";

export interface Address {
  readonly root: Value;
  /** Bytes from the root; null when not constant. */
  readonly offset: number | null;
}

/** A run of bytes from an address. */
export interface Range extends Address {
  readonly size: number;
}

/** The addresses of a function. Valid while no operand of a sum changes. */
export class Memory {
  private readonly fn: IrFunction;
  private readonly sums = new Map<Value, Address>();
  private readonly shared = new Set<Value>();

  constructor(fn: IrFunction) {
    this.fn = fn;
    const order = reversePostorder(fn);
    // Definitions come before uses, so each sum finds its operands' addresses.
    for (const block of order) for (const value of block.values) this.addressOf(value);
    for (const block of order) this.findShared(block);
  }

  /** Follows sums to the root. */
  addressOf(value: Value, plus = 0): Address {
    let known = this.sums.get(value);
    if (known === undefined) {
      known = this.stepDown(value) ?? { root: value, offset: 0 };
      if (value.op === "binary") this.sums.set(value, known);
    }
    return known.offset === null || plus === 0 ? known : { root: known.root, offset: known.offset + plus };
  }

  /** The bytes that a load, store or atomic touches; null for other values. */
  rangeOf(value: Value): Range | null {
    switch (value.op) {
      case "load":
      case "store":
      case "atomic":
        return { ...this.addressOf(value.args[0] as Value, value.offset), size: value.size };
      default:
        return null;
    }
  }

  /** True when only pointers that come from the slot by addition reach it. */
  isPrivate(slot: Value): boolean {
    return slot.op === "stack_slot" && !this.shared.has(slot);
  }

  /** False only when the two never overlap. */
  mayOverlap(a: Range, b: Range): boolean {
    if (a.root === b.root) return a.offset === null || b.offset === null || overlap(a.offset, a.size, b.offset, b.size);
    if (a.root.op === "stack_slot" && b.root.op === "stack_slot") return false;
    if (this.isPrivate(a.root) || this.isPrivate(b.root)) return false;
    const [x, y] = [this.regionOf(a.root), this.regionOf(b.root)];
    if (x === null || y === null) return true;
    if (x !== y) return false;
    if (a.root.op !== "global_address" || b.root.op !== "global_address") return true;
    if (a.offset === null || b.offset === null) return true;
    return overlap(a.root.offset + a.offset, a.size, b.root.offset + b.offset, b.size);
  }

  private stepDown(value: Value): Address | null {
    if (value.op !== "binary" || (value.operator !== "add" && value.operator !== "sub")) return null;
    const [a, b] = value.args;
    const first = this.addressOf(a);
    if (b.op === "const" && a.op !== "const") {
      const by = Number(BigInt.asIntN(32, b.value));
      return this.addressOf(a, value.operator === "add" ? by : -by);
    }
    if (value.type === "ptr" || isObject(first.root)) return { root: first.root, offset: null };
    const second = this.addressOf(b);
    return value.operator === "add" && isObject(second.root) ? { root: second.root, offset: null } : null;
  }

  /** The kind of memory, so that different kinds are disjoint; null when unknown. */
  private regionOf(root: Value): string | null {
    switch (root.op) {
      case "stack_slot":
        return "stack";
      case "global_address":
        return `global ${root.map}`;
      case "packet_at":
        return "packet";
      case "call_helper":
        return root.helper === "map_lookup_elem" ? "map_value" : null;
      case "param":
        return this.fn.entry === null ? null : "ctx";
      default:
        return root.origin === undefined || root.origin.kind === "global" ? null : root.origin.kind;
    }
  }

  private findShared(block: Block): void {
    for (const phi of block.phis) for (const v of phi.inputs.values()) this.share(v);
    for (const value of block.values) {
      switch (value.op) {
        case "load":
        case "compare":
        case "packet_at":
        case "context_pointer":
        case "call_helper":
          break;
        case "store":
        case "atomic":
          (value.args as Value[]).slice(1).forEach((v) => this.share(v));
          break;
        case "binary":
          this.shareUnlessFollowed(value);
          break;
        default:
          (value.args as Value[]).forEach((v) => this.share(v));
      }
    }
    const t = block.terminator;
    if (t.op === "return" && t.value !== null) this.share(t.value);
  }

  /** A sum leads to one root; pointers among its other operands get out of sight. */
  private shareUnlessFollowed(sum: Value): void {
    const { root } = this.addressOf(sum);
    for (const operand of sum.args as Value[]) if (this.addressOf(operand).root !== root) this.share(operand);
  }

  private share(value: Value): void {
    const { root } = this.addressOf(value);
    if (root.op === "stack_slot") this.shared.add(root);
  }
}

/** Where pointers are born. */
function isObject(value: Value): boolean {
  switch (value.op) {
    case "stack_slot":
    case "global_address":
    case "packet_at":
    case "context_pointer":
      return true;
    case "call_helper":
      return value.type !== "i64";
    default:
      return value.origin !== undefined;
  }
}

function overlap(a: number, sizeA: number, b: number, sizeB: number): boolean {
  return a < b + sizeB && b < a + sizeA;
}
