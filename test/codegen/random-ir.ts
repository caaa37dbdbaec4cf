/**
 * Random IR programs for property tests: a program is a tree of statements over a few variables (what fast-check makes
 * and shrinks), and `buildModule` turns it into IR as the frontend would: no optimisation, a phi wherever two ways meet.
 *
 * There are integers of both widths, two stack objects, map lookups (pointers that may be null), packet access, global
 * data, bounded loops, early returns, and calls of two small functions.
 */
import fc from "fast-check";
import { FunctionBuilder, type Draft } from "../../codegen/ir/build.ts";
import type { BinaryOp, Block, CompareOp, IrModule, Phi, Type, UnaryOp, Value } from "../../codegen/ir/ir.ts";
import type { Stage } from "../../codegen/ir/pass.ts";

type Size = 1 | 2 | 4 | 8;

export type Expression =
  | { k: "variable"; index: number }
  | { k: "constant"; n: bigint }
  | { k: "binary"; operator: BinaryOp; a: Expression; b: Expression }
  | { k: "unary"; operator: UnaryOp; a: Expression }
  | { k: "compare"; operator: CompareOp; wide: boolean; a: Expression; b: Expression }
  | { k: "select"; condition: Expression; a: Expression; b: Expression }
  | { k: "convert"; operator: "extend_u" | "extend_s" | "wrap"; a: Expression }
  | { k: "field"; slot: number; offset: number; size: Size; signed: boolean }
  | { k: "indexed"; slot: number; index: Expression }
  | { k: "global"; offset: number; size: Size; signed: boolean };

export type Statement =
  | { k: "assign"; wide: boolean; index: number; value: Expression }
  | { k: "if"; condition: Expression; then: Statement[]; otherwise: Statement[] }
  | { k: "loop"; times: number; stop: Expression; body: Statement[] }
  | { k: "zero"; slot: number }
  | { k: "set"; slot: number; offset: number; size: Size; value: Expression }
  | { k: "setIndexed"; slot: number; index: Expression; value: Expression }
  | { k: "setGlobal"; offset: number; size: Size; value: Expression }
  | { k: "lookup"; slot: number }
  | { k: "forget" }
  | { k: "withFound"; value: Expression; otherwise: Statement[] }
  | { k: "packet"; offset: Expression; index: number }
  | { k: "movePacket" }
  /** A helper that writes to a stack object. */
  | { k: "fill"; slot: number; offset: number }
  | { k: "update"; key: number; value: number }
  | { k: "call"; callee: number; a: Expression; b: Expression; index: number }
  | { k: "atomic"; slot: number; value: Expression }
  | { k: "return"; value: Expression };

export interface Program {
  readonly main: Statement[];
  /** Bodies of f0 and f1; f1 may call f0. `noinline` for f1. */
  readonly callees: readonly [Statement[], Statement[]];
  readonly noinline: boolean;
}

// --- generators -----------------------------------------------------------------------------------------------------

// prettier-ignore
const BINARY: readonly BinaryOp[] = ["add", "sub", "mul", "div_u", "div_s", "rem_u", "rem_s", "and", "or", "xor", "shl", "shr_u", "shr_s", "rotl", "rotr"];
const COMPARE: readonly CompareOp[] = ["eq", "ne", "lt_u", "le_u", "gt_u", "ge_u", "lt_s", "le_s", "gt_s", "ge_s"];
const UNARY: readonly UnaryOp[] = ["clz", "ctz", "popcnt", "sext8", "sext16", "bswap16", "bswap32"];
const SLOT_SIZE = 16;
const VARIABLES = 3;

const small = fc.nat(VARIABLES - 1);
const slot = fc.nat(1);
const constant = fc
  .oneof(
    fc.constantFrom(
      0n,
      1n,
      -1n,
      2n,
      7n,
      8n,
      16n,
      31n,
      32n,
      0xffn,
      0xff00n,
      0xffffn,
      0x7fffffffn,
      -0x80000000n,
      0xffffffffn,
      1n << 63n,
    ),
    fc.bigInt({ min: -300n, max: 300n }),
    fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  )
  .map((n): Expression => ({ k: "constant", n }));
// prettier-ignore
const place = fc.constantFrom<readonly [number, Size]>([0, 8], [0, 4], [4, 4], [0, 2], [2, 2], [3, 1], [4, 1], [8, 8], [8, 4], [12, 4], [14, 2]).map(([offset, size]) => ({ offset, size }));

const { i32, i64 } = fc.letrec<{ i32: Expression; i64: Expression }>((tie) => {
  const common = (self: fc.Arbitrary<Expression>, extra: readonly UnaryOp[]) => [
    small.map((index): Expression => ({ k: "variable", index })),
    constant,
    fc.record({
      k: fc.constant("binary" as const),
      operator: fc.constantFrom(...BINARY),
      a: self,
      b: fc.oneof(self, constant),
    }),
    fc.record({ k: fc.constant("unary" as const), operator: fc.constantFrom(...UNARY, ...extra), a: self }),
    fc.record({ k: fc.constant("select" as const), condition: tie("i32"), a: self, b: self }),
    fc.tuple(slot, place, fc.boolean()).map(([s, p, signed]): Expression => ({ k: "field", slot: s, ...p, signed })),
    fc.tuple(place, fc.boolean()).map(([p, signed]): Expression => ({ k: "global", ...p, signed })),
  ];
  const deep = { maxDepth: 3, depthSize: "max" as const };
  return {
    i32: fc.oneof(
      deep,
      ...common(tie("i32"), []),
      fc.record({
        k: fc.constant("compare" as const),
        operator: fc.constantFrom(...COMPARE),
        wide: fc.constant(false),
        a: tie("i32"),
        b: fc.oneof(tie("i32"), constant),
      }),
      fc.record({
        k: fc.constant("compare" as const),
        operator: fc.constantFrom(...COMPARE),
        wide: fc.constant(true),
        a: tie("i64"),
        b: fc.oneof(tie("i64"), constant),
      }),
      fc.record({ k: fc.constant("convert" as const), operator: fc.constant("wrap" as const), a: tie("i64") }),
      fc.record({ k: fc.constant("indexed" as const), slot, index: tie("i32") }),
    ),
    i64: fc.oneof(
      deep,
      ...common(tie("i64"), ["sext32", "bswap64"]),
      fc.record({
        k: fc.constant("convert" as const),
        operator: fc.constantFrom("extend_u" as const, "extend_s" as const),
        a: tie("i32"),
      }),
    ),
  };
}) as { i32: fc.Arbitrary<Expression>; i64: fc.Arbitrary<Expression> };

/** Conditions that say something about variables, besides any expression. */
const variable = small.map((index): Expression => ({ k: "variable", index }));
const test = fc.record({
  k: fc.constant("compare" as const),
  operator: fc.constantFrom(...COMPARE),
  wide: fc.boolean(),
  a: variable,
  b: constant,
});
const condition: fc.Arbitrary<Expression> = fc.oneof(
  i32,
  variable,
  test,
  fc.record({
    k: fc.constant("binary" as const),
    operator: fc.constantFrom("and" as const, "or" as const),
    a: fc.oneof(variable, test),
    b: fc.oneof(variable, test),
  }),
);

/** Of `calls` functions; `least` statements at the top. */
function statements(calls: number, least: number): fc.Arbitrary<Statement[]> {
  const k = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
  const { list, one } = fc.letrec<{ list: Statement[]; one: Statement }>((tie) => ({
    list: fc.array(tie("one"), { maxLength: 5, size: "max", depthIdentifier: "statements" }),
    one: fc.oneof(
      { maxDepth: 3, depthIdentifier: "statements", depthSize: "max" },
      { weight: 3, arbitrary: fc.record({ k: k("assign"), wide: fc.constant(false), index: small, value: i32 }) },
      { weight: 2, arbitrary: fc.record({ k: k("assign"), wide: fc.constant(true), index: small, value: i64 }) },
      {
        weight: 4,
        arbitrary: fc
          .tuple(slot, place, fc.oneof(i64, constant))
          .map(([s, p, value]): Statement => ({ k: "set", slot: s, ...p, value })),
      },
      { weight: 1, arbitrary: fc.record({ k: k("zero"), slot }) },
      { weight: 1, arbitrary: fc.record({ k: k("setIndexed"), slot, index: i32, value: i32 }) },
      { weight: 2, arbitrary: fc.tuple(place, i64).map(([p, value]): Statement => ({ k: "setGlobal", ...p, value })) },
      { weight: 2, arbitrary: fc.record({ k: k("lookup"), slot }) },
      { weight: 1, arbitrary: fc.record({ k: k("forget") }) },
      { weight: 1, arbitrary: fc.record({ k: k("update"), key: slot, value: slot }) },
      { weight: 1, arbitrary: fc.record({ k: k("packet"), offset: i32, index: small }) },
      { weight: 1, arbitrary: fc.record({ k: k("movePacket") }) },
      { weight: 1, arbitrary: fc.record({ k: k("fill"), slot, offset: fc.constantFrom(0, 8) }) },
      { weight: 1, arbitrary: fc.record({ k: k("atomic"), slot, value: i64 }) },
      {
        weight: calls,
        arbitrary: fc.record({ k: k("call"), callee: fc.nat(Math.max(calls - 1, 0)), a: i32, b: i64, index: small }),
      },
      { weight: 4, arbitrary: fc.record({ k: k("withFound"), value: i64, otherwise: tie("list") }) },
      { weight: 8, arbitrary: fc.record({ k: k("if"), condition, then: tie("list"), otherwise: tie("list") }) },
      { weight: 4, arbitrary: fc.record({ k: k("loop"), times: fc.nat(4), stop: i32, body: tie("list") }) },
      { weight: 1, arbitrary: fc.record({ k: k("return"), value: i32 }) },
    ),
  })) as { list: fc.Arbitrary<Statement[]>; one: fc.Arbitrary<Statement> };
  return least === 0 ? list : fc.array(one, { minLength: least, maxLength: 3 * least, size: "max" });
}

export const anyProgram: fc.Arbitrary<Program> = fc.record({
  main: statements(2, 4),
  callees: fc.tuple(statements(0, 0), statements(1, 0)),
  noinline: fc.boolean(),
});

// --- to IR ----------------------------------------------------------------------------------------------------------

/** Functions "f0", "f1" and "main", the latter an entry; not optimised at all. */
export function buildModule(program: Program, stage: Stage): IrModule {
  const f0 = new Emitter("f0", stage, false).run(program.callees[0]);
  const f1 = new Emitter("f1", stage, false).run(program.callees[1]);
  f1.noinline = program.noinline;
  const main = new Emitter("main", stage, true).run(program.main);
  return { functions: new Map([f0, f1, main].map((fn) => [fn.name, fn])) };
}

/** Variables, then the found pointer. */
interface State {
  i32: Value[];
  i64: Value[];
  found: Value;
}

class Emitter {
  private readonly b: FunctionBuilder;
  private readonly stage: Stage;
  private readonly ctx: Value | null;
  private slots: Value[] = [];
  /** Null in dead code. */
  private state: State | null;

  constructor(name: string, stage: Stage, entry: boolean) {
    this.stage = stage;
    this.b = new FunctionBuilder(name, "i32", entry ? { context: "xdp_md", refuse: 0 } : null);
    const zero = { i32: () => this.b.i32(0), i64: () => this.b.i64(0n) };
    if (entry) {
      this.ctx = this.b.param(
        this.pointer,
        stage === "pointers" ? { kind: "ctx", context: "xdp_md", nullable: false } : undefined,
      );
      this.state = { i32: [0, 1, 2].map(zero.i32), i64: [0, 1, 2].map(zero.i64), found: this.null() };
    } else {
      this.ctx = null;
      const [a, b] = [this.b.param("i32"), this.b.param("i64")];
      this.state = { i32: [a, zero.i32(), a], i64: [b, zero.i64(), zero.i64()], found: this.null() };
    }
    this.slots = [this.allocate(), this.allocate()];
  }

  run(body: readonly Statement[]): ReturnType<FunctionBuilder["finish"]> {
    this.all(body);
    if (this.state !== null) this.b.return(this.state.i32[0] as Value);
    return this.b.finish();
  }

  private get pointer(): Type {
    return this.stage === "pointers" ? "ptr" : "i32";
  }

  private null(): Value {
    return this.stage === "pointers" ? this.b.nullPointer() : this.b.i32(0);
  }

  /** A value of the builder, as an i32 where pointers are not known yet. */
  private address<T extends Exclude<Value, Phi>>(draft: Draft<T>): Value {
    const { origin, ...rest } = draft as Draft & { origin?: Value["origin"] };
    return this.b.add({ ...rest, type: this.pointer, ...(this.stage === "pointers" && origin && { origin }) } as Draft<
      Exclude<Value, Phi>
    >);
  }

  private allocate(): Value {
    const at = this.address({
      op: "stack_slot",
      type: "ptr",
      size: SLOT_SIZE,
      args: [],
      origin: { kind: "stack", size: SLOT_SIZE, nullable: false },
    });
    this.zero(at);
    return at;
  }

  private zero(at: Value): void {
    for (let offset = 0; offset < SLOT_SIZE; offset += 8) this.b.store(8, at, this.b.i64(0n), offset);
  }

  private all(body: readonly Statement[]): void {
    for (const statement of body) if (this.state !== null) this.statement(statement, this.state);
  }

  private statement(s: Statement, state: State): void {
    const { b } = this;
    switch (s.k) {
      case "assign":
        this.assign(s.wide ? "i64" : "i32", s.index, this.value(s.wide ? "i64" : "i32", s.value, state));
        return;
      case "if":
        return this.branch(
          this.value("i32", s.condition, state),
          () => this.all(s.then),
          () => this.all(s.otherwise),
        );
      case "loop":
        return this.loop(s.times, s.stop, s.body);
      case "zero":
        return this.zero(this.slots[s.slot] as Value);
      case "set":
        b.store(
          s.size,
          this.slots[s.slot] as Value,
          this.value(s.size === 8 ? "i64" : s.offset === 2 ? "i64" : "i32", s.value, state),
          s.offset,
        );
        return;
      case "setIndexed":
        b.store(1, this.indexed(s.slot, s.index, state), this.value("i32", s.value, state));
        return;
      case "setGlobal":
        b.store(s.size, this.global(), this.value("i64", s.value, state), s.offset);
        return;
      case "lookup": {
        const key = this.slots[s.slot] as Value;
        const found = this.address({
          op: "call_helper",
          helper: "map_lookup_elem",
          type: "ptr",
          args: [this.map(), key],
          origin: { kind: "map_value", map: "m", size: 8, nullable: true },
        });
        this.state = { ...state, found };
        return;
      }
      case "forget":
        this.state = { ...state, found: this.null() };
        return;
      case "withFound": {
        const there = b.compare("ne", state.found, this.null());
        return this.branch(
          there,
          () => {
            const old = b.load("i64", 8, state.found);
            b.store(8, state.found, b.binary("add", old, this.value("i64", s.value, state)));
            this.assign("i64", 1, old);
          },
          () => this.all(s.otherwise),
        );
      }
      case "packet":
        return this.packet(this.value("i32", s.offset, state), s.index);
      case "movePacket":
        if (this.ctx !== null) b.helper("xdp_adjust_head", [this.ctx, b.i32(0)], "i64");
        return;
      case "fill": {
        if (this.ctx === null) return;
        const to = b.binary("add", this.slots[s.slot] as Value, b.i32(s.offset));
        b.helper("skb_load_bytes", [this.ctx, b.i32(s.offset), to, b.i32(8)], "i64");
        return;
      }
      case "update":
        b.helper(
          "map_update_elem",
          [this.map(), ...[s.key, s.value].map((i) => this.slots[i] as Value), b.i64(0n)],
          "i64",
        );
        return;
      case "call":
        this.assign(
          "i32",
          s.index,
          b.call(`f${s.callee}`, [this.value("i32", s.a, state), this.value("i64", s.b, state)], "i32"),
        );
        return;
      case "atomic":
        this.assign("i64", 2, b.atomic("add", 8, this.slots[s.slot] as Value, [this.value("i64", s.value, state)], 8));
        return;
      case "return":
        b.return(this.value("i32", s.value, state));
        this.state = null;
    }
  }

  private assign(type: "i32" | "i64", index: number, value: Value): void {
    if (this.state === null) return;
    this.state = { ...this.state, [type]: this.state[type].with(index, value) };
  }

  private map(): Value {
    return this.address({
      op: "map_address",
      type: "ptr",
      map: "m",
      args: [],
      origin: { kind: "map", map: "m", nullable: false },
    });
  }

  private global(): Value {
    return this.address({
      op: "global_address",
      type: "ptr",
      map: ".data",
      offset: 0,
      args: [],
      origin: { kind: "global", map: ".data", size: 64, nullable: false },
    });
  }

  private indexed(slot: number, index: Expression, state: State): Value {
    const offset = this.b.binary("and", this.value("i32", index, state), this.b.i32(7));
    return this.b.binary("add", this.slots[slot] as Value, offset);
  }

  private packet(offset: Value, index: number): void {
    const { b } = this;
    if (this.ctx === null) return;
    const at = this.address({
      op: "packet_at",
      window: "packet",
      type: "ptr",
      size: 4,
      args: [this.ctx, b.binary("and", offset, b.i32(31))],
      origin: { kind: "packet", size: 4, nullable: true },
    });
    this.branch(
      b.compare("eq", b.compare("eq", at, this.null()), b.i32(0)),
      () => this.assign("i32", index, b.load("i32", 4, at)),
      () => undefined,
    );
  }

  private branch(condition: Value, then: () => void, otherwise: () => void): void {
    const { b } = this;
    const before = this.state as State;
    const [yes, no] = [b.block(), b.block()];
    b.branch(condition, yes, no);
    const ends: { block: Block; state: State }[] = [];
    for (const [block, body] of [
      [yes, then],
      [no, otherwise],
    ] as const) {
      b.at(block);
      this.state = before;
      body();
      if (this.state !== null) ends.push({ block: b.current, state: this.state });
    }
    this.join(ends);
  }

  private join(ends: readonly { block: Block; state: State }[]): void {
    const { b } = this;
    if (ends.length === 0) {
      this.state = null;
      return;
    }
    const after = b.block();
    for (const end of ends) b.at(end.block).jump(after);
    b.at(after);
    const phi = (pick: (s: State) => Value): Value => {
      const inputs = ends.map((e) => [e.block, pick(e.state)] as const);
      const first = (inputs[0] as (typeof inputs)[number])[1];
      if (inputs.every(([, v]) => v === first)) return first;
      return b.phi(
        first.type,
        inputs,
        first.type === "ptr" ? { kind: "map_value", map: "m", size: 8, nullable: true } : undefined,
      );
    };
    this.state = {
      i32: [0, 1, 2].map((i) => phi((s) => s.i32[i] as Value)),
      i64: [0, 1, 2].map((i) => phi((s) => s.i64[i] as Value)),
      found: phi((s) => s.found),
    };
  }

  /** for (i = 0; i < times && !stop; i++) body */
  private loop(times: number, stop: Expression, body: readonly Statement[]): void {
    const { b } = this;
    const before = this.state as State;
    const [from, header, check, inside, after] = [b.current, b.block(), b.block(), b.block(), b.block()];
    const start = b.i32(0);
    b.jump(header);
    b.at(header);
    const phi = (v: Value): Phi =>
      b.phi(
        v.type,
        [[from, v]],
        v.type === "ptr" ? { kind: "map_value", map: "m", size: 8, nullable: true } : undefined,
      );
    const count = phi(start);
    const state: State = { i32: before.i32.map(phi), i64: before.i64.map(phi), found: phi(before.found) };
    b.branch(b.compare("lt_u", count, b.i32(times)), check, after);
    b.at(check);
    b.branch(this.value("i32", stop, state), after, inside);
    b.at(inside);
    this.state = state;
    this.all(body);
    if (this.state !== null) {
      const end: State = this.state;
      const back = b.current;
      const next = b.binary("add", count, b.i32(1));
      b.jump(header);
      count.inputs.set(back, next);
      for (const type of ["i32", "i64"] as const)
        state[type].forEach((p, i) => (p as Phi).inputs.set(back, end[type][i] as Value));
      (state.found as Phi).inputs.set(back, end.found);
    }
    b.at(after);
    this.state = state;
  }

  private value(type: "i32" | "i64", e: Expression, state: State): Value {
    const { b } = this;
    switch (e.k) {
      case "variable":
        return state[type][e.index] as Value;
      case "constant":
        return type === "i64" ? b.i64(e.n) : b.i32(Number(BigInt.asIntN(32, e.n)));
      case "binary":
        return b.binary(e.operator, this.value(type, e.a, state), this.value(type, e.b, state));
      case "unary":
        return b.unary(
          type === "i32" && (e.operator === "bswap64" || e.operator === "sext32") ? "bswap32" : e.operator,
          this.value(type, e.a, state),
        );
      case "compare": {
        const found = b.compare(
          e.operator,
          this.value(e.wide ? "i64" : "i32", e.a, state),
          this.value(e.wide ? "i64" : "i32", e.b, state),
        );
        return type === "i32" ? found : b.unary("extend_u", found);
      }
      case "select":
        return b.select(
          this.value("i32", e.condition, state),
          this.value(type, e.a, state),
          this.value(type, e.b, state),
        );
      case "convert": {
        if (type === "i32") return b.unary("wrap", this.value("i64", e.a, state));
        return b.unary(e.operator === "wrap" ? "extend_u" : e.operator, this.value("i32", e.a, state));
      }
      case "field":
        return this.load(type, this.slots[e.slot] as Value, e);
      case "indexed": {
        const found = b.load("i32", 1, this.indexed(e.slot, e.index, state));
        return type === "i32" ? found : b.unary("extend_s", found);
      }
      case "global":
        return this.load(type, this.global(), e);
    }
  }

  private load(type: "i32" | "i64", base: Value, at: { offset: number; size: Size; signed: boolean }): Value {
    if (at.size === 8 && type === "i32") return this.b.unary("wrap", this.b.load("i64", 8, base, at.offset));
    const whole = (type === "i32" ? 4 : 8) === at.size;
    return this.b.load(type, at.size, base, at.offset, at.signed && !whole);
  }
}
