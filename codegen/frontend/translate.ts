/**
 * From a wasm function body to SSA.
 *
 * WebAssembly is a stack machine with structured control; its locals are variables. One pass over the bytes keeps the
 * operand stack as a list of values, opens a block where control can arrive, and turns locals into SSA on the fly
 * (local-variables.ts).
 *
 * Code after an unconditional branch is dead: it is read (to keep nesting right) and dropped.
 */
import type { Diagnostic } from "../../lib/diag/index.ts";
import { problem } from "../diagnostics.ts";
import type { Block, IrFunction, Phi, SourcePlace, Terminator, Type, Value } from "../ir/ir.ts";
import { emitCall } from "./intrinsics.ts";
import { LocalVariables } from "./local-variables.ts";
import { ATOMICS, BINARY, COMPARE, LOADS, STORES, UNARY } from "./opcodes.ts";
import { WasmReader, type WasmFunction, type WasmModule, type WasmType } from "./wasm.ts";

/** What a translated function needs to know about the module. */
export interface TranslateContext {
  readonly module: WasmModule;
  placeAt(wasmOffset: number): SourcePlace | null;
  /** Where kernel code finds a wasm global. */
  global(
    index: number,
  ):
    | { kind: "constant"; value: bigint }
    | { kind: "data"; map: string; offset: number; size: 1 | 2 | 4 | 8; signed: boolean }
    | null;
  /** Stores text as a zero-terminated string in read-only data; gives its place there. */
  literal(address: bigint): { map: string; offset: number; length: number } | null;
  parameterNames(name: string): readonly string[];
  report(diagnostic: Diagnostic): void;
}

/** Thrown to give up on one function after a diagnostic was reported. */
export class Unsupported extends Error {}

type Draft<T> = T extends Value ? Omit<T, "id" | "block" | "place"> : never;

interface Frame {
  kind: "block" | "loop" | "if" | "function";
  /** Where a branch to this label goes; null until something branches there (blocks and ifs). */
  target: Block | null;
  elseBlock: Block | null;
  /** Of a loop: where its first instruction is. asc gives the loop itself no place. */
  place: SourcePlace | null;
  params: number;
  results: WasmType[];
  /** Values that each predecessor of `target` brings, in the order of its `preds`. */
  arriving: Value[][];
  stackHeight: number;
  /** Opened in dead code: everything inside is dropped. */
  dead: boolean;
}

const PLACEHOLDER: Terminator = { op: "trap", place: null };

/**
 * asc passes the number of given arguments in this global to a trampoline `f@varargs`, which fills in the defaults. Each
 * number gets a copy of its own, so that it is a constant: `f@varargs:2`.
 */
const ARGUMENTS_LENGTH = "~argumentsLength";
const VARARGS = "@varargs";

/** The wasm function behind an IR function's name, and its number of given arguments where it is such a copy. */
export function splitName(name: string): { wasm: string; given: number | null } {
  const at = name.lastIndexOf(`${VARARGS}:`);
  if (at < 0) return { wasm: name, given: null };
  return { wasm: name.slice(0, at + VARARGS.length), given: Number(name.slice(at + VARARGS.length + 1)) };
}

/** Translates a defined function. Throws `Unsupported` after reporting why. */
export function translateFunction(fn: WasmFunction, context: TranslateContext, given: number | null): IrFunction {
  return new Translator(fn, context, given).run();
}

export class Translator {
  readonly fn: WasmFunction;
  readonly context: TranslateContext;
  private readonly reader: WasmReader;
  readonly ir: IrFunction;
  private readonly frames: Frame[] = [];
  private stack: Value[] = [];
  /** Null while reading dead code. */
  private current: Block | null;
  private place: SourcePlace | null = null;
  private readonly locals: LocalVariables;
  /** Arguments that this copy of a trampoline was given. */
  private readonly given: number | null;
  /** Arguments that the next trampoline is given. */
  private passing: number | null = null;

  constructor(fn: WasmFunction, context: TranslateContext, given: number | null) {
    this.fn = fn;
    this.given = given;
    this.context = context;
    this.reader = new WasmReader(context.module.bytes, fn.start);
    this.ir = {
      name: given === null ? fn.name : `${fn.name}:${given}`,
      params: [],
      result: this.typeOf(fn.signature.results[0]),
      blocks: [],
      place: context.placeAt(fn.start),
      entry: null,
      nextId: 0,
      paramNames: [...context.parameterNames(fn.name)],
      noinline: false,
    };
    const types = [...fn.signature.params, ...fn.locals];
    this.locals = new LocalVariables(
      this.ir,
      (local) => this.typeOf(types[local]),
      () => this.place,
    );
    this.current = this.openBlock([]);
  }

  run(): IrFunction {
    const entry = this.live();
    this.locals.markSealed(entry);
    this.fn.signature.params.forEach((type, index) => {
      const value = this.add({ op: "param", type: this.typeOf(type), args: [], index });
      if (value.op === "param") this.ir.params.push(value);
      this.locals.write(index, entry, value);
    });
    this.pushFrame("function", this.fn.signature.results.slice(), 0);
    while (this.reader.at < this.fn.end) this.instruction();
    this.pruneUnreachable();
    this.locals.finish();
    return this.ir;
  }

  // --- building ---------------------------------------------------------------------------------------------------

  /** Appends a value to the current block. */
  add(draft: Draft<Value>): Value {
    const block = this.live();
    const value = { ...draft, id: this.ir.nextId++, block, place: this.place } as Exclude<Value, Phi>;
    block.values.push(value);
    return value;
  }

  constant(type: Type, value: bigint): Value {
    return this.add({ op: "const", type, args: [], value: BigInt.asIntN(type === "i64" ? 64 : 32, value) });
  }

  binary(operator: (typeof BINARY)[number]["operator"], a: Value, b: Value): Value {
    return this.add({ op: "binary", operator, type: a.type, args: [a, b] });
  }

  currentPlace(): SourcePlace | null {
    return this.place;
  }

  fail(code: Parameters<typeof problem>[0], message: string): never {
    this.context.report(problem(code, message, this.place));
    throw new Unsupported(message);
  }

  private live(): Block {
    if (this.current === null) throw new Error("value in dead code");
    return this.current;
  }

  private openBlock(preds: Block[]): Block {
    const block: Block = {
      id: this.ir.nextId++,
      phis: [],
      values: [],
      terminator: PLACEHOLDER,
      preds,
      rounds: new Map(),
    };
    this.ir.blocks.push(block);
    return block;
  }

  private typeOf(type: WasmType | undefined): Type {
    if (type === undefined) return "void";
    if (type === "i32" || type === "i64") return type;
    return this.fail("C005", `kernel code computes with floating point (${type})`);
  }

  private end(terminator: Terminator): void {
    const block = this.live();
    block.terminator = terminator;
    this.current = null;
  }

  /** Adds the edge from the current block; two edges between one pair of blocks get a block between. */
  private edgeTo(target: Block): Block {
    const from = this.live();
    if (!target.preds.includes(from)) {
      target.preds.push(from);
      return target;
    }
    const middle = this.openBlock([from]);
    this.locals.markSealed(middle);
    middle.terminator = { op: "jump", target, place: this.place };
    target.preds.push(middle);
    return middle;
  }

  // --- operand stack and control ----------------------------------------------------------------------------------

  pop(): Value {
    const value = this.stack.pop();
    if (value === undefined) throw new Error("operand stack underflow");
    return value;
  }

  push(value: Value): void {
    this.stack.push(value);
  }

  private pushFrame(kind: Frame["kind"], results: WasmType[], params: number): void {
    this.frames.push({
      kind,
      target: null,
      elseBlock: null,
      place: null,
      params,
      results,
      arriving: [],
      stackHeight: this.stack.length - params,
      dead: this.current === null,
    });
  }

  private blockType(): WasmType[] {
    const at = this.reader.at;
    const first = this.reader.byte();
    if (first === 0x40) return [];
    if (first >= 0x7c) return [(["f64", "f32", "i64", "i32"] as const)[first - 0x7c] ?? "other"];
    this.reader.at = at;
    throw new Error("block with parameters");
  }

  private frame(depth: number): Frame {
    const frame = this.frames[this.frames.length - 1 - depth];
    if (frame === undefined) throw new Error("branch out of the function");
    return frame;
  }

  /** Prepares a branch to a label: the block to jump to. Its operands stay on the stack. */
  private arrive(frame: Frame): Block {
    if (frame.kind === "loop") {
      const header = frame.target;
      if (header === null) throw new Error("loop without header");
      return this.edgeTo(header);
    }
    frame.target ??= this.openBlock([]);
    frame.arriving.push(frame.results.length === 0 ? [] : this.stack.slice(-frame.results.length));
    return this.edgeTo(frame.target);
  }

  private branch(depth: number): void {
    if (this.current === null) return;
    const frame = this.frame(depth);
    if (frame.kind === "function") return this.returnFrom();
    const target = this.arrive(frame);
    if (frame.place !== null) frame.target?.rounds.set(frame.target.preds.at(-1) as Block, frame.place);
    this.end({ op: "jump", target, place: this.place });
  }

  private branchIf(depth: number): void {
    if (this.current === null) return;
    const condition = this.pop();
    const frame = this.frame(depth);
    const from = this.live();
    const next = this.openBlock([from]);
    this.locals.markSealed(next);
    let target: Block;
    if (frame.kind === "function") {
      target = this.openBlock([from]);
      this.locals.markSealed(target);
    } else target = this.arrive(frame);
    from.terminator = { op: "branch", condition, then: target, else: next, place: this.place };
    if (frame.kind === "function") {
      const operands = [...this.stack];
      this.current = target;
      this.returnFrom();
      this.stack = operands;
    }
    this.current = next;
  }

  private branchTable(depths: number[], fallback: number): void {
    if (this.current === null) return;
    const index = this.pop();
    depths.forEach((depth, i) => {
      const hit = this.add({
        op: "compare",
        operator: "eq",
        type: "i32",
        args: [index, this.constant("i32", BigInt(i))],
      });
      this.push(hit);
      this.branchIf(depth);
    });
    this.branch(fallback);
  }

  private returnFrom(): void {
    if (this.current === null) return;
    const value = this.fn.signature.results.length === 0 ? null : this.pop();
    this.end({ op: "return", value, place: this.place });
  }

  private openLoop(): void {
    const results = this.blockType();
    this.pushFrame("loop", results, 0);
    if (this.current === null) return;
    const header = this.openBlock([]);
    this.edgeTo(header);
    this.end({ op: "jump", target: header, place: this.place });
    this.frame(0).target = header;
    this.current = header;
  }

  private openIf(): void {
    const results = this.blockType();
    const condition = this.current === null ? null : this.pop();
    this.pushFrame("if", results, 0);
    if (condition === null || this.current === null) return;
    const from = this.live();
    const then = this.openBlock([from]);
    const otherwise = this.openBlock([from]);
    this.locals.markSealed(then);
    this.locals.markSealed(otherwise);
    from.terminator = { op: "branch", condition, then, else: otherwise, place: this.place };
    this.frame(0).elseBlock = otherwise;
    this.current = then;
  }

  private openElse(): void {
    const frame = this.frame(0);
    if (frame.dead) return;
    this.leaveArm(frame);
    this.stack.length = frame.stackHeight;
    this.current = frame.elseBlock;
    frame.elseBlock = null;
  }

  /** Falls out of a block's end: like a branch to its label. */
  private leaveArm(frame: Frame): void {
    if (this.current === null) return;
    const target = this.arrive(frame);
    this.end({ op: "jump", target, place: this.place });
  }

  private closeFrame(): void {
    const frame = this.frame(0);
    if (frame.kind === "function") {
      this.returnFrom();
      this.frames.pop();
      return;
    }
    if (frame.dead) {
      this.frames.pop();
      return;
    }
    if (frame.kind === "loop") {
      if (frame.target !== null) this.locals.seal(frame.target);
      this.frames.pop();
      return;
    }
    this.leaveArm(frame);
    if (frame.elseBlock !== null) {
      this.stack.length = frame.stackHeight;
      this.current = frame.elseBlock;
      this.leaveArm(frame);
    }
    this.frames.pop();
    this.stack.length = frame.stackHeight;
    this.current = frame.target;
    if (frame.target === null) return;
    this.locals.seal(frame.target);
    frame.results.forEach((type, i) => this.push(this.join(frame, i, this.typeOf(type))));
  }

  /** The i-th result of a block: one value, or a phi of what the branches bring. */
  private join(frame: Frame, index: number, type: Type): Value {
    const block = this.live();
    const values = frame.arriving.map((each) => each[index] as Value);
    const first = values[0] as Value;
    if (values.every((v) => v === first)) return first;
    const phi = this.locals.newPhi(block, type);
    block.preds.forEach((pred, i) => phi.inputs.set(pred, values[i] as Value));
    return phi;
  }

  /** Drops blocks that nothing reaches, with their edges into phis. */
  private pruneUnreachable(): void {
    const reached = new Set<Block>();
    const work = [this.ir.blocks[0] as Block];
    for (let block = work.pop(); block !== undefined; block = work.pop()) {
      if (reached.has(block)) continue;
      reached.add(block);
      const t = block.terminator;
      if (t.op === "jump") work.push(t.target);
      if (t.op === "branch") work.push(t.then, t.else);
    }
    this.ir.blocks = this.ir.blocks.filter((b) => reached.has(b));
    for (const block of this.ir.blocks) {
      for (const pred of block.preds) if (!reached.has(pred)) block.rounds.delete(pred);
      block.preds = block.preds.filter((p) => reached.has(p));
      for (const phi of block.phis) {
        for (const pred of phi.inputs.keys()) if (!reached.has(pred)) phi.inputs.delete(pred);
      }
    }
  }

  // --- instructions -----------------------------------------------------------------------------------------------

  private instruction(): void {
    const at = this.reader.at;
    const op = this.reader.byte();
    // Control structure is followed in dead code too.
    switch (op) {
      case 0x02: // block
        return this.pushFrame("block", this.blockType(), 0);
      case 0x03:
        return this.openLoop();
      case 0x04:
        return this.openIf();
      case 0x05:
        return this.openElse();
      case 0x0b:
        return this.closeFrame();
      default:
    }
    if (this.current === null) return this.skip(op);
    const place = this.context.placeAt(at);
    if (place !== null) this.moveTo(place);
    this.operation(op);
  }

  /** What follows is of this place, which is also that of the loops around that have none yet. */
  private moveTo(place: SourcePlace): void {
    this.place = place;
    for (const frame of this.frames.toReversed()) {
      if (frame.kind !== "loop") continue;
      if (frame.place !== null) break;
      frame.place = place;
    }
  }

  private operation(op: number): void {
    switch (op) {
      case 0x00: // unreachable
        return this.end({ op: "trap", place: this.place });
      case 0x01:
        return;
      case 0x0c:
        return this.branch(this.reader.u32());
      case 0x0d:
        return this.branchIf(this.reader.u32());
      case 0x0e: {
        const depths = this.reader.list(() => this.reader.u32());
        return this.branchTable(depths, this.reader.u32());
      }
      case 0x0f:
        return this.returnFrom();
      case 0x10:
        return this.call(this.reader.u32());
      case 0x11:
        return this.fail("C012", "the function to call is not known when compiling");
      case 0x1a: // drop
        this.pop();
        return;
      case 0x1b:
        return this.select();
      case 0x20:
        return this.push(this.locals.read(this.reader.u32(), this.live()));
      case 0x21:
        return this.locals.write(this.reader.u32(), this.live(), this.pop());
      case 0x22: {
        const value = this.pop();
        this.locals.write(this.reader.u32(), this.live(), value);
        return this.push(value);
      }
      case 0x23:
        return this.globalGet(this.reader.u32());
      case 0x24:
        return this.globalSet(this.reader.u32());
      case 0x41:
        return this.push(this.constant("i32", BigInt(this.reader.s32())));
      case 0x42:
        return this.push(this.constant("i64", this.reader.s64()));
      case 0x43:
      case 0x44:
        return this.fail("C005", "kernel code computes with floating point");
      case 0x45: // i32.eqz
        return this.isZero("i32");
      case 0x50: // i64.eqz
        return this.isZero("i64");
      case 0xfc:
        return this.bulk(this.reader.u32());
      case 0xfe:
        return this.atomic(this.reader.u32());
      default:
        return this.plain(op);
    }
  }

  private plain(op: number): void {
    const load = LOADS.get(op);
    if (load !== undefined) {
      const offset = this.memoryOffset();
      const base = this.pop();
      return this.push(
        this.add({ op: "load", size: load.size, signed: load.signed, offset, type: load.type, args: [base] }),
      );
    }
    const store = STORES.get(op);
    if (store !== undefined) {
      const offset = this.memoryOffset();
      const value = this.pop();
      const base = this.pop();
      this.add({ op: "store", size: store, offset, type: "void", args: [base, value] });
      return;
    }
    const binary = BINARY.find((r) => r.i32 === op || r.i64 === op);
    if (binary !== undefined) {
      const b = this.pop();
      return this.push(this.binary(binary.operator, this.pop(), b));
    }
    const compare = COMPARE.find((r) => r.i32 === op || r.i64 === op);
    if (compare !== undefined) {
      const b = this.pop();
      const a = this.pop();
      return this.push(this.add({ op: "compare", operator: compare.operator, type: "i32", args: [a, b] }));
    }
    const unary = UNARY.get(op);
    if (unary !== undefined) {
      return this.push(this.add({ op: "unary", operator: unary.operator, type: unary.type, args: [this.pop()] }));
    }
    if (isFloatOpcode(op)) this.fail("C005", "kernel code computes with floating point");
    this.fail("C018", `WebAssembly instruction 0x${op.toString(16)} has no counterpart`);
  }

  private isZero(type: "i32" | "i64"): void {
    const a = this.pop();
    this.push(this.add({ op: "compare", operator: "eq", type: "i32", args: [a, this.constant(type, 0n)] }));
  }

  private select(): void {
    const condition = this.pop();
    const otherwise = this.pop();
    const then = this.pop();
    this.push(this.add({ op: "select", type: then.type, args: [condition, then, otherwise] }));
  }

  private memoryOffset(): number {
    this.reader.u32(); // alignment hint
    return this.reader.u32();
  }

  private globalGet(index: number): void {
    const type = this.typeOf(this.context.module.globals[index]?.type);
    if (this.context.module.globals[index]?.name === ARGUMENTS_LENGTH)
      return this.push(this.constant(type, BigInt(this.given ?? 0)));
    const where = this.context.global(index);
    if (where === null) this.fail("C018", "kernel code reads a variable of the runtime library");
    if (where.kind === "constant") return this.push(this.constant(type, where.value));
    const base = this.add({ op: "global_address", type: "i32", args: [], map: where.map, offset: where.offset });
    this.push(this.add({ op: "load", size: where.size, signed: where.signed, offset: 0, type, args: [base] }));
  }

  private globalSet(index: number): void {
    const value = this.pop();
    if (this.context.module.globals[index]?.name === ARGUMENTS_LENGTH) {
      this.passing = value.op === "const" ? Number(value.value) : null;
      return;
    }
    const where = this.context.global(index);
    if (where?.kind !== "data")
      this.fail("C018", "kernel code assigns a constant or a variable of the runtime library");
    const base = this.add({ op: "global_address", type: "i32", args: [], map: where.map, offset: where.offset });
    this.add({ op: "store", size: where.size, offset: 0, type: "void", args: [base, value] });
  }

  private call(index: number): void {
    const callee = this.context.module.functions[index];
    if (callee === undefined) throw new Error(`call of function ${index}`);
    const args = callee.signature.params.map(() => this.pop()).toReversed();
    const name = callee.name.endsWith(VARARGS) ? `${callee.name}:${this.passing ?? 0}` : callee.name;
    const result = emitCall(this, callee, name, args);
    if (result !== null) this.push(result);
  }

  /** memory.copy and memory.fill of a constant length become loads and stores. */
  private bulk(op: number): void {
    if (op === 10) this.reader.at += 2;
    else if (op === 11) this.reader.at += 1;
    else if (op < 8) this.fail("C005", "kernel code converts floating point");
    else this.fail("C018", `WebAssembly bulk operation ${op} has no counterpart`);
    const length = this.pop();
    const source = this.pop();
    const target = this.pop();
    if (length.op !== "const" || length.value < 0n || length.value > MAX_BULK) {
      this.fail("C018", `memory is copied or filled in a length that is not a constant up to ${MAX_BULK}`);
    }
    for (let at = 0; at < Number(length.value);) {
      const size = ([8, 4, 2, 1] as const).find((s) => at + s <= Number(length.value)) ?? 1;
      const type = size === 8 ? "i64" : "i32";
      const value =
        op === 10
          ? this.add({ op: "load", size, signed: false, offset: at, type, args: [source] })
          : this.repeatByte(source, type);
      this.add({ op: "store", size, offset: at, type: "void", args: [target, value] });
      at += size;
    }
  }

  private repeatByte(byte: Value, type: "i32" | "i64"): Value {
    if (byte.op !== "const") this.fail("C018", "memory is filled with a value that is not a constant");
    return this.constant(type, (byte.value & 0xffn) * 0x0101010101010101n);
  }

  private atomic(op: number): void {
    if (op === 3) return void this.reader.byte(); // atomic.fence: atomics of the kernel order fully
    const row = ATOMICS.get(op);
    if (row === undefined) this.fail("C018", "an atomic operation of less than 4 bytes, or an atomic load or store");
    const offset = this.memoryOffset();
    const operands = row.operator === "cmpxchg" ? [this.pop(), this.pop()].toReversed() : [this.pop()];
    const base = this.pop();
    let [operand] = operands as [Value];
    if (row.negate) operand = this.binary("sub", this.constant(row.type, 0n), operand);
    const args = row.operator === "cmpxchg" ? [base, ...operands] : [base, operand];
    this.push(this.add({ op: "atomic", operator: row.operator, size: row.size, offset, type: row.type, args }));
  }

  /** Steps over an instruction in dead code. */
  private skip(op: number): void {
    const r = this.reader;
    if (op === 0x0c || op === 0x0d || op === 0x10 || (op >= 0x20 && op <= 0x24)) r.u32();
    else if (op === 0x0e) {
      r.list(() => r.u32());
      r.u32();
    } else if (op === 0x11) {
      r.u32();
      r.u32();
    } else if (op >= 0x28 && op <= 0x3e) this.memoryOffset();
    else if (op === 0x3f || op === 0x40) r.byte();
    else if (op === 0x41 || op === 0x42) r.s64();
    else if (op === 0x43) r.at += 4;
    else if (op === 0x44) r.at += 8;
    else if (op === 0xfc) {
      const sub = r.u32();
      if (sub === 10) r.at += 2;
      else if (sub === 11) r.at += 1;
    } else if (op === 0xfe) {
      if (r.u32() === 3) r.byte();
      else this.memoryOffset();
    }
  }
}

const MAX_BULK = 512n;

/** f32/f64 loads, stores, comparisons, arithmetic and conversions (Core Specification §5.4). */
function isFloatOpcode(op: number): boolean {
  return (
    op === 0x2a ||
    op === 0x2b ||
    op === 0x38 ||
    op === 0x39 ||
    (op >= 0x5b && op <= 0x66) ||
    (op >= 0x8b && op <= 0xa6) ||
    (op >= 0xa8 && op <= 0xab) ||
    (op >= 0xae && op <= 0xbf)
  );
}
