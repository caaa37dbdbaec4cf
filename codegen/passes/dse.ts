/**
 * Dead store elimination on the stack: a store whose bytes are all overwritten before anything reads them goes away.
 * Objects are zeroed when they are made and then filled field by field, so many first stores are dead.
 *
 * Backwards over the control-flow graph: for each slot the set of bytes (a bit mask) that nobody reads any more before
 * writing them. At the function's end that is all of them; at a branch, what all ways agree on. A helper that gets a
 * slot's address reads a key, a value or a buffer there, or, when the size is not known, all of it; so does any call, or access through an unknown pointer, when the address of the slot
 * has got out of sight (ir/address.ts).
 */
import { callable, type ArgKind } from "../../lib/kernel/index.ts";
import { Memory, type Range } from "../ir/address.ts";
import { reversePostorder } from "../ir/dominators.ts";
import {
  successors,
  type Block,
  type CallHelper,
  type IrFunction,
  type StackSlot,
  type StoreValue,
  type Value,
} from "../ir/ir.ts";
import type { FunctionPass, PassContext } from "../ir/pass.ts";

export const dse: FunctionPass = { name: "dse", run: (fn, context) => new DeadStores(fn, context).run() };

/** For each slot the bytes that are dead, bit i for byte i. */
type Dead = Map<Value, bigint>;

class DeadStores {
  private readonly fn: IrFunction;
  private readonly memory: Memory;
  private readonly slots: StackSlot[];
  private readonly starts = new Map<Block, Dead>();
  private readonly context: PassContext;

  constructor(fn: IrFunction, context: PassContext) {
    this.fn = fn;
    this.context = context;
    this.memory = new Memory(fn);
    this.slots = fn.blocks.flatMap((b) => b.values.filter((v) => v.op === "stack_slot"));
  }

  run(): boolean {
    if (this.slots.length === 0) return false;
    this.solve();
    let changed = false;
    for (const block of this.fn.blocks) {
      const dead = new Set<Value>();
      this.walk(block, (store) => dead.add(store));
      if (dead.size === 0) continue;
      block.values = block.values.filter((v) => !dead.has(v));
      changed = true;
    }
    return changed;
  }

  private solve(): void {
    const order = reversePostorder(this.fn).toReversed();
    for (let changed = true; changed;) {
      changed = false;
      for (const block of order) {
        const start = this.walk(block, () => undefined);
        const known = this.starts.get(block);
        if (known !== undefined && this.slots.every((s) => known.get(s) === start.get(s))) continue;
        this.starts.set(block, start);
        changed = true;
      }
    }
  }

  /** Goes from the block's end to its start; tells of each store that is dead. */
  private walk(block: Block, found: (store: StoreValue) => void): Dead {
    const dead = this.atEnd(block);
    for (const value of block.values.toReversed()) this.step(value, dead, found);
    return dead;
  }

  private atEnd(block: Block): Dead {
    // Blocks not visited yet count as reading nothing; the iteration corrects that.
    const after = successors(block).flatMap((next) => this.starts.get(next) ?? []);
    return new Map(
      this.slots.map((slot) => [slot, after.reduce((all, d) => all & (d.get(slot) ?? 0n), bytes(0, slot.size))]),
    );
  }

  private step(value: Value, dead: Dead, found: (store: StoreValue) => void): void {
    switch (value.op) {
      case "store":
        return this.store(value, dead, found);
      case "load":
      case "atomic":
        return this.read(this.memory.rangeOf(value) as Range, dead);
      case "call_helper":
        value.args.forEach((arg, i) => this.readArgument(value, arg, i, dead));
        return this.readShared(dead);
      case "call":
        for (const arg of value.args) this.readAll(this.memory.addressOf(arg).root, dead);
        return this.readShared(dead);
      default:
    }
  }

  private store(store: StoreValue, dead: Dead, found: (store: StoreValue) => void): void {
    const { root, offset, size } = this.memory.rangeOf(store) as Range;
    if (root.op !== "stack_slot" || offset === null || offset < 0 || offset + size > root.size) return;
    const written = bytes(offset, size);
    const before = dead.get(root) ?? 0n;
    if ((before & written) === written) found(store);
    dead.set(root, before | written);
  }

  private read({ root, offset, size }: Range, dead: Dead): void {
    if (root.op === "stack_slot") {
      const read = offset === null || offset < 0 ? null : bytes(offset, size);
      dead.set(root, read === null ? 0n : (dead.get(root) ?? 0n) & ~read);
      return;
    }
    this.readShared(dead);
  }

  private readArgument(call: CallHelper, arg: Value, index: number, dead: Dead): void {
    const size = this.bytesRead(call, index);
    const address = this.memory.addressOf(arg);
    if (size === null || size === 0) this.readAll(address.root, dead);
    else if (address.root.op === "stack_slot") this.read({ ...address, size }, dead);
  }

  /** How many bytes the helper reads through an argument; null when that is not known. */
  private bytesRead(call: CallHelper, index: number): number | null {
    const kinds: readonly ArgKind[] = callable(call.helper).args;
    const kind = kinds[index];
    if (kind === "key" || kind === "value") {
      const map = call.args[kinds.indexOf("map")];
      return map?.op === "map_address" ? (this.context.mapSizes?.(map.map)?.[kind] ?? null) : null;
    }
    const size = call.args[index + 1];
    return kind === "mem" && size?.op === "const" ? Number(size.value) : null;
  }

  /** Slots that may be reached from anywhere. */
  private readShared(dead: Dead): void {
    for (const slot of this.slots) if (!this.memory.isPrivate(slot)) dead.set(slot, 0n);
  }

  private readAll(root: Value, dead: Dead): void {
    if (root.op === "stack_slot") dead.set(root, 0n);
  }
}

function bytes(offset: number, size: number): bigint {
  return ((1n << BigInt(size)) - 1n) << BigInt(offset);
}
