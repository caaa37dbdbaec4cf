/**
 * Scalar replacement of aggregates: fields of a stack object become SSA values when the object's address goes nowhere.
 *
 *     slot = stack_slot 8
 *     store64 slot, 0               (zeroed when made)
 *     store32 slot, x +4            field at 4: x
 *     y = load32u slot +4           → x
 *
 * A field is a run of bytes that all loads and all stores of variables access at the same offset and size, so that no
 * access straddles two of them. Stores of constants may be wider: each field takes its part. They stay, for fields that
 * cannot be replaced; the pass `dse` removes what nobody reads.
 */
import { Memory, type Range } from "../ir/address.ts";
import { loadedFrom } from "../ir/convert.ts";
import { makeValue, Replacements, type Emit } from "../ir/edit.ts";
import { toSigned } from "../ir/fold.ts";
import type { Block, Const, IrFunction, LoadValue, Phi, StackSlot, StoreValue, Value } from "../ir/ir.ts";
import type { FunctionPass } from "../ir/pass.ts";
import { VariableReader } from "../ir/ssa.ts";

export const sroa: FunctionPass = { name: "sroa", run: replaceAggregates };

function replaceAggregates(fn: IrFunction): boolean {
  let changed = false;
  for (const [slot, accesses] of findSlots(fn)) {
    for (const field of fieldsOf(slot, accesses)) {
      new FieldReplacement(fn, field).run();
      changed = true;
    }
  }
  return changed;
}

type Access = { readonly value: LoadValue | StoreValue; readonly offset: number };

interface Field {
  readonly offset: number;
  readonly size: LoadValue["size"];
  readonly type: "i32" | "i64";
  /** Loads and stores that touch the field. */
  readonly accesses: readonly Access[];
}

/** Slots that only loads and stores at constant offsets inside of them use, with these. */
function findSlots(fn: IrFunction): Map<StackSlot, Access[]> {
  const memory = new Memory(fn);
  const slots = new Map<StackSlot, Access[]>();
  const bad = new Set<Value>();
  for (const value of fn.blocks.flatMap((b) => b.values)) {
    if (value.op === "stack_slot" && memory.isPrivate(value) && !slots.has(value)) slots.set(value, []);
    const range = memory.rangeOf(value);
    if (range !== null && memory.isPrivate(range.root)) addAccess(slots, bad, value, range);
    if (value.op === "call_helper" || value.op === "packet_at")
      for (const arg of value.args) bad.add(memory.addressOf(arg).root);
  }
  for (const slot of slots.keys()) if (bad.has(slot)) slots.delete(slot);
  return slots;
}

function addAccess(slots: Map<StackSlot, Access[]>, bad: Set<Value>, value: Value, range: Range): void {
  const { root, offset, size } = range;
  if (root.op !== "stack_slot") return;
  const inside = offset !== null && offset >= 0 && offset + size <= root.size;
  if (!inside || (value.op !== "load" && value.op !== "store")) {
    bad.add(root);
    return;
  }
  const known = slots.get(root);
  if (known === undefined) slots.set(root, [{ value, offset }]);
  else known.push({ value, offset });
}

/** The fields that can be replaced and are read. */
function fieldsOf(slot: StackSlot, accesses: readonly Access[]): Field[] {
  const fields: Field[] = [];
  const tried = new Set<number>();
  for (const { value, offset } of accesses) {
    if (value.op !== "load" || tried.has(offset)) continue;
    tried.add(offset);
    const touching = accesses.filter((a) => a.offset < offset + value.size && offset < a.offset + a.value.size);
    const whole = touching.every(
      (a) => (a.offset === offset && a.value.size === value.size) || coversByConstant(a, offset, value.size),
    );
    const pointers = touching.filter((a) => a.value.op === "store" && a.value.args[1].type === "ptr");
    if (!whole || pointers.length > 0) continue;
    fields.push({ offset, size: value.size, type: value.size === 8 ? "i64" : "i32", accesses: touching });
  }
  return fields;
}

function coversByConstant(a: Access, offset: number, size: number): boolean {
  if (a.value.op !== "store" || a.value.args[1].op !== "const") return false;
  return a.offset <= offset && a.offset + a.value.size >= offset + size;
}

class FieldReplacement {
  private readonly fn: IrFunction;
  private readonly field: Field;
  private readonly accesses: ReadonlyMap<Value, Access>;
  private readonly replaced = new Replacements();
  /** What each store assigns, as a value of the field's type. */
  private readonly assigned = new Map<Value, Value>();
  private readonly reader: VariableReader;
  /** The field's value at the function's start, once something reads it. */
  private initial: Const | null = null;

  constructor(fn: IrFunction, field: Field) {
    this.fn = fn;
    this.field = field;
    this.accesses = new Map(field.accesses.map((a) => [a.value, a]));
    const like = { type: field.type, place: (field.accesses[0] as Access).value.place };
    this.reader = new VariableReader(fn, { like, ends: this.assignments(), initial: () => this.zero() });
  }

  run(): void {
    for (const block of new Set(this.field.accesses.map((a) => a.value.block))) this.rewrite(block);
    if (this.initial !== null) this.fn.blocks[0]?.values.splice(this.fn.params.length, 0, this.initial);
    this.replaced.apply(this.fn);
  }

  /** Puts the assigned values in front of the stores; gives the last of each block. */
  private assignments(): Map<Block, Value> {
    const ends = new Map<Block, Value>();
    for (const block of new Set(this.field.accesses.map((a) => a.value.block))) {
      const values: Block["values"] = [];
      for (const value of block.values) {
        const access = this.accesses.get(value);
        if (access !== undefined && value.op === "store") {
          const assigned = this.assign(value, access.offset, values);
          this.assigned.set(value, assigned);
          ends.set(block, assigned);
        }
        values.push(value);
      }
      block.values = values;
    }
    return ends;
  }

  /** The bytes of the field in what a store writes. */
  private assign(store: StoreValue, offset: number, values: Block["values"]): Value {
    const stored = store.args[1];
    const { type, size } = this.field;
    const add = this.emitter(store, values);
    if (stored.op === "const") {
      const part = stored.value >> BigInt(8 * (this.field.offset - offset));
      return add({ op: "const", type, args: [], value: toSigned(type, BigInt.asUintN(8 * size, part)) });
    }
    if (stored.type === type) return stored;
    return add({ op: "unary", operator: type === "i32" ? "wrap" : "extend_u", type, args: [stored] });
  }

  private emitter(at: Value, values: Block["values"]): Emit {
    return (draft) => {
      const value = makeValue<Exclude<Value, Phi>>(this.fn, at.block, at, draft);
      values.push(value);
      return value;
    };
  }

  /** Objects are zeroed when they are made; what is read before has any value, so zero is as good. */
  private zero(): Value {
    const entry = this.fn.blocks[0] as Block;
    this.initial ??= makeValue<Const>(
      this.fn,
      entry,
      { place: null },
      { op: "const", type: this.field.type, args: [], value: 0n },
    );
    return this.initial;
  }

  private rewrite(block: Block): void {
    let current: Value | null = null;
    const values: Block["values"] = [];
    for (const value of block.values) {
      const access = this.accesses.get(value);
      if (access === undefined) values.push(value);
      else if (value.op === "load") {
        current ??= this.reader.atStart(block);
        this.replaced.set(value, loadedFrom(value, current, this.emitter(value, values)));
      } else {
        current = this.assigned.get(value) as Value;
        // A wider store serves other bytes too.
        if (access.offset !== this.field.offset || access.value.size !== this.field.size) values.push(value);
      }
    }
    block.values = values;
  }
}
