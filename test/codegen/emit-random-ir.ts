/**
 * Random IR functions, grown from a list of numbers that fast-check makes and shrinks: each decision takes the next one.
 * Everything terminates: loops count to a small constant. What is computed is folded into the result.
 */
import { FunctionBuilder } from "../../codegen/ir/build.ts";
import type { BinaryOp, CompareOp, IrFunction, Type, UnaryOp, Value } from "../../codegen/ir/ir.ts";

// prettier-ignore
const BINARY: readonly BinaryOp[] = ["add", "sub", "mul", "div_u", "div_s", "rem_u", "rem_s", "and", "or", "xor", "shl", "shr_u", "shr_s", "rotl", "rotr"];
const COMPARE: readonly CompareOp[] = ["eq", "ne", "lt_u", "le_u", "gt_u", "ge_u", "lt_s", "le_s", "gt_s", "ge_s"];
const UNARY: readonly UnaryOp[] = ["clz", "ctz", "popcnt", "sext8", "sext16", "bswap16", "bswap32"];
// prettier-ignore
const NUMBERS = [0n, 1n, -1n, 2n, 3n, 7n, 8n, 16n, 31n, 32n, 63n, 255n, 0xffffn, -0x8000n, 0x7fff_ffffn, -0x8000_0000n, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, 0x1234_5678_9abc_def0n, -0x8000_0000_0000_0000n, -0x8000_0001n];
const SLOT_SIZE = 32;

type Width = "i32" | "i64";

export const PARAMETERS: readonly Width[] = ["i32", "i64", "i32", "i64"];

export interface Shape {
  /** An XDP program, with packet accesses: its only parameter is the context. */
  readonly entry: boolean;
  /** Keeps to what the kernel takes and repeats: stack accesses are aligned, helpers' results are not used. */
  readonly forKernel?: boolean;
}

export function randomFunction(choices: readonly number[], shape: Shape): IrFunction {
  return new Generator(choices, shape).run();
}

class Generator {
  private readonly choices: readonly number[];
  private readonly forKernel: boolean;
  private at = 0;
  private readonly b: FunctionBuilder;
  private pool: Record<Width, Value[]> = { i32: [], i64: [] };
  private readonly slot: Value;
  private readonly ctx: Value | null;

  constructor(choices: readonly number[], { entry, forKernel = false }: Shape) {
    this.choices = choices;
    this.forKernel = forKernel;
    this.b = new FunctionBuilder("f", entry ? "i32" : "i64", entry ? { context: "xdp_md", refuse: 1 } : null);
    this.ctx = entry ? this.b.ctx("xdp_md") : null;
    if (!entry) for (const type of PARAMETERS) this.pool[type].push(this.b.param(type));
    this.slot = this.b.stackSlot(SLOT_SIZE);
    for (let i = 0; i < SLOT_SIZE; i += 8)
      this.b.store(8, this.slot, this.b.i64(0x0102_0304_0506_0708n * BigInt(i + 1)), i);
    if (entry) for (const type of ["i32", "i64"] as const) this.pool[type].push(this.constant(type));
  }

  run(): IrFunction {
    while (this.at < this.choices.length) this.statement(3);
    const all = [...this.pool.i32, ...this.pool.i64];
    const step = 1 + this.choose(3);
    let sum: Value = this.b.i64(1n);
    for (let i = 0; i < all.length; i += step) {
      const value = all[i] as Value;
      const wide = value.type === "i64" ? value : this.b.unary(this.choose(2) === 0 ? "extend_u" : "extend_s", value);
      sum = this.b.binary("add", this.b.binary("mul", sum, this.b.i64(31n)), wide);
    }
    this.b.return(this.ctx === null ? sum : this.b.unary("wrap", sum));
    return this.b.finish();
  }

  private choose(n: number): number {
    return (this.choices[this.at++] ?? 0) % n;
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.choose(list.length)] as T;
  }

  private width(): Width {
    return this.choose(2) === 0 ? "i32" : "i64";
  }

  private constant(type: Width): Value {
    const n = this.pick(NUMBERS);
    return type === "i32" ? this.b.i32(Number(BigInt.asIntN(32, n))) : this.b.i64(n);
  }

  private operand(type: Width): Value {
    return this.choose(4) === 0 ? this.constant(type) : this.pick(this.pool[type]);
  }

  private push(value: Value): void {
    if (value.type === "i32" || value.type === "i64") this.pool[value.type].push(value);
  }

  private statement(depth: number): void {
    const kind = this.choose(20);
    const type = this.width();
    if (kind < 6) this.push(this.b.binary(this.pick(BINARY), this.operand(type), this.operand(type)));
    else if (kind === 6) this.push(this.comparison());
    else if (kind === 7) this.push(this.b.unary(this.pick(UNARY), this.operand(type)));
    else if (kind === 8) this.push(this.b.select(this.condition(), this.operand(type), this.operand(type)));
    else if (kind === 9) this.convert();
    else if (kind === 10) this.store(type);
    else if (kind === 11) this.load(type);
    else if (kind <= 13 && this.forKernel) this.b.helper("ktime_get_ns", [], "void");
    else if (kind === 12) this.push(this.b.helper("get_prandom_u32", [], type));
    else if (kind === 13) this.push(this.b.helper("redirect", [this.operand(type), this.operand("i64")], type));
    else if (kind === 14) this.exchange(type);
    else if (kind === 15) this.pointer(type);
    else if (kind === 16 && this.ctx !== null) this.packet(this.ctx, depth);
    else if (depth > 0 && kind < 18) this.branch(depth);
    else if (depth > 0) this.loop(depth);
  }

  private statements(depth: number): void {
    for (let n = this.choose(4); n >= 0; n--) this.statement(depth);
  }

  private comparison(): Value {
    const type = this.width();
    return this.b.compare(this.pick(COMPARE), this.operand(type), this.operand(type));
  }

  private condition(): Value {
    const kind = this.choose(4);
    if (kind === 0) return this.pick(this.pool.i32);
    if (kind === 1)
      return this.b.compare("eq", this.b.binary("and", this.operand("i32"), this.constant("i32")), this.b.i32(0));
    return this.comparison();
  }

  private convert(): void {
    const kind = this.choose(5);
    if (kind === 0) this.push(this.b.unary("wrap", this.operand("i64")));
    else if (kind === 1) this.push(this.b.unary("extend_s", this.operand("i32")));
    else if (kind === 2) this.push(this.b.unary("extend_u", this.operand("i32")));
    else this.push(this.b.unary(kind === 3 ? "bswap64" : "sext32", this.operand("i64")));
  }

  private size(type: Width): 1 | 2 | 4 | 8 {
    return this.pick(type === "i32" ? ([1, 2, 4] as const) : ([1, 2, 4, 8] as const));
  }

  private slotOffset(size: number): number {
    const offset = this.choose(SLOT_SIZE - 7);
    return this.forKernel ? offset - (offset % size) : offset;
  }

  private store(type: Width): void {
    const size = this.size(type);
    this.b.store(size, this.slot, this.operand(type), this.slotOffset(size));
  }

  private load(type: Width): void {
    const size = this.size(type);
    this.push(this.b.load(type, size, this.slot, this.slotOffset(size), this.choose(2) === 0));
  }

  private exchange(type: Width): void {
    const size = type === "i32" ? 4 : 8;
    const operator = this.pick(["add", "and", "or", "xor", "xchg", "cmpxchg"] as const);
    const operands = operator === "cmpxchg" ? [this.operand(type), this.operand(type)] : [this.operand(type)];
    const wanted = this.choose(2) === 0;
    const value = this.b.atomic(operator, size, this.slot, operands, 8 * this.choose(SLOT_SIZE / 8), wanted);
    if (wanted) this.push(value);
  }

  /** A variable, bounded offset from the stack object. */
  private pointer(type: Width): void {
    const offset = this.b.binary("and", this.operand("i32"), this.b.i32(this.forKernel ? 12 : 15));
    const pointer = this.b.binary("add", this.b.binary("add", this.slot, offset), this.b.i32(this.slotOffset(4) % 8));
    const more = this.forKernel ? 4 : 1;
    if (this.choose(2) === 0) this.push(this.b.load(type, 4, pointer, more));
    else this.b.store(4, pointer, this.operand(type), more);
  }

  /** Uses the pointer where it is there; sometimes also elsewhere, so that the check cannot be fused. */
  private packet(ctx: Value, depth: number): void {
    const far = this.choose(3);
    const offset =
      far === 0
        ? this.b.i32(this.choose(40))
        : far === 1
          ? this.b.binary("and", this.operand("i32"), this.b.i32(31))
          : this.operand("i32");
    const pointer = this.b.packetAt(
      ctx,
      far === 1 && this.choose(2) === 0 ? this.b.binary("add", offset, this.b.i32(6)) : offset,
      1 + this.choose(20),
    );
    if (this.choose(4) === 0) this.push(this.b.compare("eq", pointer, this.b.nullPointer()));
    const style = this.choose(3);
    const condition = style === 0 ? pointer : this.b.compare(style === 1 ? "eq" : "ne", pointer, this.b.nullPointer());
    const read = (): void => this.push(this.b.load("i32", 1, pointer, 0));
    this.diamond(condition, depth, style === 1 ? () => undefined : read, style === 1 ? read : () => undefined);
  }

  private branch(depth: number): void {
    this.diamond(
      this.condition(),
      depth,
      () => undefined,
      () => undefined,
    );
  }

  private diamond(condition: Value, depth: number, inThen: () => void, inElse: () => void): void {
    const { b } = this;
    const then = b.block();
    const otherwise = b.block();
    const join = b.block();
    const before = this.pool;
    b.branch(condition, then, otherwise);
    const arm = (block: typeof then, first: () => void): Record<Width, Value[]> => {
      this.pool = { i32: [...before.i32], i64: [...before.i64] };
      b.at(block);
      first();
      this.statements(depth - 1);
      b.jump(join);
      return this.pool;
    };
    const left = arm(then, inThen);
    const leftEnd = b.current;
    const right = arm(otherwise, inElse);
    const rightEnd = b.current;
    b.at(join);
    this.pool = before;
    for (const type of ["i32", "i64"] as const) {
      for (let n = this.choose(3); n > 0; n--) {
        this.push(
          b.phi(type, [
            [leftEnd, last(left[type], this.choose(3))],
            [rightEnd, last(right[type], this.choose(3))],
          ]),
        );
      }
    }
  }

  /** A counted loop that carries values, some of them crosswise. Tested at the head or at the end. */
  private loop(depth: number): void {
    const { b } = this;
    const header = b.block();
    const body = b.block();
    const out = b.block();
    const type = this.width();
    const entry = b.current;
    const starts = [0, 1, 2].map(() => this.operand(type));
    const zero = b.i32(0);
    b.jump(header);
    b.at(header);
    const counter = b.phi("i32", [[entry, zero]]);
    const carried = starts.map((start) => b.phi(type as Type, [[entry, start]]));
    const atEnd = this.choose(2) === 0;
    for (const phi of carried) this.push(phi);
    const limit = b.i32(1 + this.choose(4));
    if (atEnd) b.jump(body);
    else b.branch(b.compare("lt_u", counter, limit), body, out);
    const before = this.pool;
    this.pool = { i32: [...before.i32], i64: [...before.i64] };
    b.at(body);
    this.statements(depth - 1);
    const next = b.binary("add", counter, b.i32(1));
    const rotate = this.choose(3);
    counter.inputs.set(b.current, next);
    carried.forEach((phi, i) =>
      phi.inputs.set(b.current, i === 0 ? last(this.pool[type], this.choose(4)) : (carried[(i + rotate) % 3] as Value)),
    );
    if (atEnd) b.branch(b.compare("lt_u", next, limit), header, out);
    else b.jump(header);
    b.at(out);
    this.pool = before;
  }
}

function last(values: readonly Value[], back: number): Value {
  return values[Math.max(0, values.length - 1 - back)] as Value;
}
