/**
 * Makes IrFunctions by hand: for tests and for passes that grow code. Values are appended to the current block; blocks
 * are made first and filled in any order; `finish` fills in the predecessors from the terminators.
 *
 *     const b = new FunctionBuilder("f", "i32");
 *     const x = b.param("i32");
 *     b.return(b.binary("add", x, b.i32(1)));
 *     const fn = b.finish();
 */
import type { CallableName, ContextKind } from "../../lib/kernel/index.ts";
import type { Size } from "../../lib/isa/index.ts";
import { successors } from "./ir.ts";
// prettier-ignore
import type {
  AtomicOp, BinaryOp, Block, CompareOp, EntryInfo, IrFunction, Origin, ParamValue, Phi, SourcePlace, Type, UnaryOp, Value,
} from "./ir.ts";

/** A value without what the builder fills in. */
export type Draft<T extends Value = Value> = T extends Value ? Omit<T, "id" | "block" | "place"> : never;

export class FunctionBuilder {
  readonly fn: IrFunction;
  /** Where values are appended. */
  current: Block;
  /** Given to the values and terminators that follow. */
  place: SourcePlace | null = null;

  constructor(name: string, result: Type, entry: EntryInfo | null = null) {
    this.fn = { name, params: [], result, blocks: [], place: null, entry, nextId: 0, paramNames: [], noinline: false };
    this.current = this.block();
  }

  /** A new block, ending in a trap until it gets a terminator. */
  block(): Block {
    const block: Block = {
      id: this.fn.nextId++,
      phis: [],
      values: [],
      terminator: { op: "trap", place: null },
      preds: [],
      rounds: new Map(),
    };
    this.fn.blocks.push(block);
    return block;
  }

  /** Values go to `block` from now on. */
  at(block: Block): this {
    this.current = block;
    return this;
  }

  /** Appends a value of any kind to the current block. */
  add<T extends Exclude<Value, Phi>>(draft: Draft<T>): T {
    const value = { ...draft, id: this.fn.nextId++, block: this.current, place: this.place } as unknown as T;
    this.current.values.push(value);
    return value;
  }

  param(type: Type, origin?: Origin): ParamValue {
    const value = this.add<ParamValue>({
      op: "param",
      type,
      args: [],
      index: this.fn.params.length,
      ...(origin && { origin }),
    });
    this.fn.params.push(value);
    this.fn.paramNames.push(`p${value.index}`);
    return value;
  }

  /** The context parameter of a program entry. */
  ctx(context: ContextKind): ParamValue {
    return this.param("ptr", { kind: "ctx", context, nullable: false });
  }

  i32(value: number): Value {
    return this.add({ op: "const", type: "i32", args: [], value: BigInt(value | 0) });
  }

  i64(value: bigint): Value {
    return this.add({ op: "const", type: "i64", args: [], value: BigInt.asIntN(64, value) });
  }

  nullPointer(): Value {
    return this.add({ op: "const", type: "ptr", args: [], value: 0n });
  }

  /** Of the first operand's type. */
  binary(operator: BinaryOp, a: Value, b: Value): Value {
    return this.add({ op: "binary", operator, type: a.type, args: [a, b], ...(a.origin && { origin: a.origin }) });
  }

  compare(operator: CompareOp, a: Value, b: Value): Value {
    return this.add({ op: "compare", operator, type: "i32", args: [a, b] });
  }

  unary(operator: UnaryOp, a: Value): Value {
    const type = operator === "wrap" ? "i32" : operator === "extend_u" || operator === "extend_s" ? "i64" : a.type;
    return this.add({ op: "unary", operator, type, args: [a] });
  }

  select(condition: Value, then: Value, otherwise: Value): Value {
    return this.add({
      op: "select",
      type: then.type,
      args: [condition, then, otherwise],
      ...(then.origin && { origin: then.origin }),
    });
  }

  load(type: "i32" | "i64", size: Size, base: Value, offset = 0, signed = false): Value {
    return this.add({ op: "load", type, size, signed, offset, args: [base] });
  }

  store(size: Size, base: Value, value: Value, offset = 0): Value {
    return this.add({ op: "store", type: "void", size, offset, args: [base, value] });
  }

  /** `wanted`: whether the old value is. */
  atomic(operator: AtomicOp, size: 4 | 8, base: Value, operands: Value[], offset = 0, wanted = true): Value {
    const type = !wanted ? "void" : size === 8 ? "i64" : "i32";
    return this.add({ op: "atomic", type, operator, size, offset, args: [base, ...operands] });
  }

  stackSlot(size: number): Value {
    return this.add({
      op: "stack_slot",
      type: "ptr",
      size,
      args: [],
      origin: { kind: "stack", size, nullable: false },
    });
  }

  mapAddress(map: string): Value {
    return this.add({ op: "map_address", type: "ptr", map, args: [], origin: { kind: "map", map, nullable: false } });
  }

  globalAddress(map: string, offset: number, size: number): Value {
    return this.add({
      op: "global_address",
      type: "ptr",
      map,
      offset,
      args: [],
      origin: { kind: "global", map, size, nullable: false },
    });
  }

  packetAt(ctx: Value, offset: Value, size: number): Value {
    return this.add({
      op: "packet_at",
      window: "packet",
      type: "ptr",
      size,
      args: [ctx, offset],
      origin: { kind: "packet", size, nullable: true },
    });
  }

  helper(helper: CallableName, args: Value[], type: Type, origin?: Origin): Value {
    return this.add({ op: "call_helper", helper, type, args, ...(origin && { origin }) });
  }

  call(callee: string, args: Value[], type: Type): Value {
    return this.add({ op: "call", callee, type, args });
  }

  /** A phi of the current block; more inputs may be set later in `inputs`. */
  phi(type: Type, inputs: readonly (readonly [Block, Value])[] = [], origin?: Origin): Phi {
    // prettier-ignore
    const phi: Phi = {
      op: "phi", type, args: [], inputs: new Map(inputs), id: this.fn.nextId++, block: this.current, place: this.place,
      ...(origin && { origin }),
    };
    this.current.phis.push(phi);
    return phi;
  }

  jump(target: Block): void {
    this.current.terminator = { op: "jump", target, place: this.place };
  }

  branch(condition: Value, then: Block, otherwise: Block): void {
    this.current.terminator = { op: "branch", condition, then, else: otherwise, place: this.place };
  }

  return(value: Value | null = null): void {
    this.current.terminator = { op: "return", value, place: this.place };
  }

  trap(): void {
    this.current.terminator = { op: "trap", place: this.place };
  }

  /** The function, with predecessors filled in. */
  finish(): IrFunction {
    for (const block of this.fn.blocks) block.preds = [];
    for (const block of this.fn.blocks) for (const next of successors(block)) next.preds.push(block);
    return this.fn;
  }
}
