/**
 * Merges stores of constants to a stack object, where nothing reads or writes the bytes in between:
 *
 *     store64 slot, 0                               store32 slot, 1
 *     store32 slot, 5 +4   →  store64 slot, 5<<32   store32 slot, 2 +4  →  store64 slot, 2<<32|1
 *
 * as far as the result is an immediate: 32 bits, sign-extended by an 8-byte store. The earlier store stays, so a later
 * one moves up. A merged store is aligned to its size, as the verifier wants it on the stack.
 */
import { Memory, type Range } from "../ir/address.ts";
import { makeValue } from "../ir/edit.ts";
import type { Block, IrFunction, Phi, StackSlot, StoreValue, Value } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";

export const mergeStores: FunctionPass = { name: "merge-stores", run: (fn) => new Merging(fn).run() };

/** A store of a constant, and which bytes of its slot were read or written since. */
interface Pending {
  readonly store: StoreValue;
  readonly slot: StackSlot;
  offset: number;
  size: StoreValue["size"];
  value: bigint;
  touched: bigint;
}

class Merging {
  private readonly fn: IrFunction;
  private readonly memory: Memory;
  private pending: Pending[] = [];

  constructor(fn: IrFunction) {
    this.fn = fn;
    this.memory = new Memory(fn);
  }

  run(): boolean {
    let changed = false;
    for (const block of this.fn.blocks) changed = this.visit(block) || changed;
    return changed;
  }

  private visit(block: Block): boolean {
    this.pending = [];
    const gone = new Set<Value>();
    const merged = new Set<Pending>();
    for (const value of block.values) {
      const into = value.op === "store" ? this.mergeInto(value) : null;
      if (into === null) this.pass(value);
      else {
        gone.add(value);
        merged.add(into);
      }
    }
    if (gone.size === 0) return false;
    block.values = block.values.filter((v) => !gone.has(v));
    for (const p of merged) this.widen(block, p);
    return true;
  }

  /** The earlier store that takes this one in. */
  private mergeInto(store: StoreValue): Pending | null {
    const range = this.memory.rangeOf(store) as Range;
    const [, stored] = store.args;
    if (stored.op !== "const" || range.offset === null) return null;
    for (const p of this.pending) {
      if (p.slot !== range.root || (p.touched & bytes(range.offset, store.size)) !== 0n) continue;
      if (!combine(p, range.offset, store.size, stored.value)) continue;
      // To the others it is a write where `p` stands.
      this.touch(range, p);
      return p;
    }
    return null;
  }

  /** Notes what a value does to the slots. */
  private pass(value: Value): void {
    const range = this.memory.rangeOf(value);
    if (range !== null) this.touch(range);
    if (value.op === "call_helper" || value.op === "call") {
      const roots = new Set(value.args.map((a) => this.memory.addressOf(a).root));
      this.pending = this.pending.filter((p) => this.memory.isPrivate(p.slot) && !roots.has(p.slot));
    }
    if (value.op !== "store" || range === null || range.root.op !== "stack_slot" || range.offset === null) return;
    const [, stored] = value.args;
    if (stored.op !== "const" || range.offset < 0) return;
    this.pending.push({
      store: value,
      slot: range.root,
      offset: range.offset,
      size: value.size,
      value: bits(stored.value, value.size),
      touched: 0n,
    });
  }

  private touch(range: Range, but: Pending | null = null): void {
    if (range.root.op !== "stack_slot") {
      this.pending = this.pending.filter((p) => this.memory.isPrivate(p.slot));
      return;
    }
    for (const p of this.pending) {
      if (p.slot !== range.root || p === but) continue;
      p.touched |= range.offset === null || range.offset < 0 ? bytes(0, p.slot.size) : bytes(range.offset, range.size);
    }
  }

  private widen(block: Block, p: Pending): void {
    const { store } = p;
    const type = p.size === 8 ? "i64" : "i32";
    const value = makeValue(this.fn, block, store, {
      op: "const",
      type,
      args: [],
      value: BigInt.asIntN(8 * Math.max(p.size, 4), p.value),
    });
    block.values.splice(block.values.indexOf(store), 0, value as Exclude<Value, Phi>);
    store.offset += p.offset - (this.memory.rangeOf(store) as Range & { offset: number }).offset;
    store.size = p.size;
    store.args[1] = value;
  }
}

/** Takes `size` bytes at `offset` into the pending store, if they lie in it or beside it; false when they cannot. */
function combine(p: Pending, offset: number, size: StoreValue["size"], value: bigint): boolean {
  const inside = p.offset <= offset && offset + size <= p.offset + p.size;
  const beside = p.size === size && size < 8 && Math.abs(offset - p.offset) === size;
  if (!inside && !beside) return false;
  const start = Math.min(p.offset, offset);
  const width = inside ? p.size : 2 * size;
  if (beside && start % width !== 0) return false;
  const at = BigInt(8 * (offset - start));
  const kept = (p.value << BigInt(8 * (p.offset - start))) & ~(bits(-1n, size) << at);
  const combined = kept | (bits(value, size) << at);
  if (width === 8 && BigInt.asIntN(64, combined) !== BigInt.asIntN(32, combined)) return false;
  p.offset = start;
  p.size = width as StoreValue["size"];
  p.value = combined;
  return true;
}

/** The low bytes of a number, unsigned. */
function bits(value: bigint, size: number): bigint {
  return BigInt.asUintN(8 * size, value);
}

function bytes(offset: number, size: number): bigint {
  return ((1n << BigInt(size)) - 1n) << BigInt(Math.max(offset, 0));
}
