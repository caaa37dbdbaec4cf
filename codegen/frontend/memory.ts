/**
 * Build-time memory in kernel code. Objects that top-level code made (tables, configuration) are addresses into the wasm
 * module's memory; this pass finds the constants that are such addresses and turns them into global data.
 *
 * Runs on optimised scalar IR, where accesses through a constant object have become `load(const)` or
 * `load(add(const, index))`. A constant is taken for an address only where it is the base of an access; asc is told to
 * place memory at 1 MiB, so that ordinary numbers rarely fall into an object even then.
 *
 * An object that no kernel code writes is read-only data, and a load at a constant address of it folds to its value
 * (the length of a table, say) unless it is configuration, which may be set before loading.
 */
import { callable, type ArgKind } from "../../lib/kernel/index.ts";
import type { CallHelper, Const, GlobalAddress, IrFunction, IrModule, Value } from "../ir/ir.ts";
import type { GlobalData } from "./data.ts";
import type { Evaluation, MemoryObject } from "./evaluate.ts";

const MEMORY: ReadonlySet<ArgKind> = new Set<ArgKind>(["key", "value", "mem", "wmem", "long_out", "init", "wvalue"]);
const WRITABLE: ReadonlySet<ArgKind | undefined> = new Set<ArgKind | undefined>(["wmem", "long_out", "wvalue"]);

/** Places the objects that kernel code uses; true when the IR changed. */
export function placeMemory(module: IrModule, evaluation: Evaluation, data: GlobalData): boolean {
  return new MemoryPlacer(evaluation, data).run(module);
}

class MemoryPlacer {
  private readonly evaluation: Evaluation;
  private readonly data: GlobalData;
  private readonly written = new Set<MemoryObject>();
  private readonly places = new Map<MemoryObject, { map: string; offset: number }>();

  constructor(evaluation: Evaluation, data: GlobalData) {
    this.evaluation = evaluation;
    this.data = data;
  }

  run(module: IrModule): boolean {
    const functions = [...module.functions.values()];
    for (const fn of functions) this.markWritten(fn);
    let changed = false;
    for (const fn of functions) changed = this.rewrite(fn) || changed;
    return changed;
  }

  private objectAt(address: number): MemoryObject | null {
    return this.evaluation.objects.find((o) => address >= o.start && address < o.end) ?? null;
  }

  /**
   * The constant that an address starts from: itself, or the constant operand of a sum. `offset` is the access's own: the
   * library reads an object's length at 16 bytes from an address just before the object.
   */
  private rootOf(base: Value, offset: number): Const | null {
    if (base.op === "const") return this.objectAt(Number(base.value) + offset) === null ? null : base;
    if (base.op !== "binary" || base.operator !== "add") return null;
    return this.rootOf(base.args[0], offset) ?? this.rootOf(base.args[1], offset);
  }

  private markWritten(fn: IrFunction): void {
    for (const block of fn.blocks) {
      for (const value of block.values) {
        if (value.op === "store" || value.op === "atomic") this.markRoot(value.args[0], value.offset);
        // A function may write through what it is given; of the helpers, those with a writable argument.
        if (value.op === "call") for (const arg of value.args) this.markRoot(arg, 0);
        if (value.op === "call_helper") {
          value.args.forEach((arg, i) => WRITABLE.has(callable(value.helper).args[i]) && this.markRoot(arg, 0));
        }
      }
    }
  }

  private markRoot(base: Value | undefined, offset: number): void {
    const root = base === undefined ? null : this.rootOf(base, offset);
    const object = root === null ? null : this.objectAt(Number(root.value) + offset);
    if (object !== null) this.written.add(object);
  }

  private rewrite(fn: IrFunction): boolean {
    let changed = false;
    for (const block of fn.blocks) {
      for (let i = 0; i < block.values.length; i++) {
        const value = block.values[i];
        if (value?.op === "call_helper") changed = this.rewriteArguments(fn, value) || changed;
        if (value?.op !== "load" && value?.op !== "store" && value?.op !== "atomic") continue;
        const root = this.rootOf(value.args[0] as Value, value.offset);
        if (root === null) continue;
        changed = true;
        const folded = value.op === "load" && value.args[0] === root ? this.fold(root, value) : null;
        if (folded !== null) {
          block.values[i] = {
            op: "const",
            id: value.id,
            type: value.type,
            block,
            place: value.place,
            args: [],
            value: folded,
          };
          replaceUses(fn, value, block.values[i] as Value);
          continue;
        }
        this.toGlobalAddress(fn, root, value.offset);
      }
    }
    return changed;
  }

  /** A constant object as a helper's key, value or buffer. */
  private rewriteArguments(fn: IrFunction, call: CallHelper): boolean {
    let changed = false;
    const kinds: readonly ArgKind[] = callable(call.helper).args;
    call.args.forEach((arg, i) => {
      const kind = kinds[i];
      const object =
        kind !== undefined && MEMORY.has(kind) && arg.op === "const" ? this.objectAt(Number(arg.value)) : null;
      if (object === null || arg.op !== "const") return;
      call.args[i] = this.addressOf(fn, arg, object);
      changed = true;
    });
    return changed;
  }

  private fold(root: Const, load: Value & { op: "load" }): bigint | null {
    const at = Number(root.value) + load.offset;
    const object = this.objectAt(at);
    // From before the object only its header is read, which nothing writes.
    const header = object !== null && Number(root.value) < object.start;
    if (object === null || object.config !== null || (this.written.has(object) && !header)) return null;
    if (at < object.start || at + load.size > object.end) return null;
    let value = 0n;
    for (let i = load.size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.evaluation.memory[at + i] ?? 0);
    if (load.signed) value = BigInt.asIntN(8 * load.size, value);
    return BigInt.asIntN(load.type === "i64" ? 64 : 32, value);
  }

  private toGlobalAddress(fn: IrFunction, root: Const, offset: number): void {
    const object = this.objectAt(Number(root.value) + offset);
    // Only addresses: the same number may also be an ordinary constant.
    if (object !== null) replaceAddressUses(fn, root, this.addressOf(fn, root, object));
  }

  private addressOf(fn: IrFunction, root: Const, object: MemoryObject): Value {
    const { map, offset } = this.place(object);
    // prettier-ignore
    const address: GlobalAddress = {
      op: "global_address", id: fn.nextId++, type: "i32", block: root.block, place: root.place, args: [],
      map, offset: offset + Number(root.value) - object.start,
    };
    const at = root.block.values.indexOf(root);
    root.block.values.splice(at + 1, 0, address);
    return address;
  }

  private place(object: MemoryObject): { map: string; offset: number } {
    const known = this.places.get(object);
    if (known !== undefined) return known;
    const map = this.written.has(object) && object.config === null ? ".data" : ".rodata";
    const used = object.config === null ? object.end : object.start + object.config.type.size;
    const bytes = this.evaluation.memory.slice(object.start, used);
    const name = object.config?.name ?? "table";
    const offset = this.data.add(map, name, bytes, object.config?.type ?? null, 8);
    const place = { map, offset };
    this.places.set(object, place);
    return place;
  }
}

function replaceUses(fn: IrFunction, from: Value, to: Value): void {
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const [pred, v] of phi.inputs) if (v === from) phi.inputs.set(pred, to);
    for (const value of block.values) value.args.forEach((a, i) => a === from && (value.args[i] = to));
    const t = block.terminator;
    if (t.op === "branch" && t.condition === from) t.condition = to;
    if (t.op === "return" && t.value === from) t.value = to;
  }
}

/** In sums and as the base of accesses. */
function replaceAddressUses(fn: IrFunction, from: Value, to: Value): void {
  for (const block of fn.blocks) {
    for (const value of block.values) {
      const address = value.op === "binary" && value.operator === "add";
      if (address) value.args.forEach((a, i) => a === from && (value.args[i] = to));
      const access = value.op === "load" || value.op === "store" || value.op === "atomic";
      if (access && value.args[0] === from) value.args[0] = to;
    }
  }
}
