/**
 * Runs IR directly: the oracle for the optimiser. Written from the comments of codegen/ir/ir.ts alone; it shares no code
 * with constant folding or lowering.
 *
 * Memory is one space of bytes with an object at each of a few places (stack frames, global data, the packet, map
 * values). What a program does to the outside is its effects, in order: stores to memory that is not its stack, and calls
 * of helpers with what they read. Stack slots start as garbage, so that a store which is missed shows.
 */
import type { Block, IrFunction, IrModule, Type, Value } from "../../codegen/ir/ir.ts";

export interface Input {
  readonly args: readonly bigint[];
  readonly packet: Uint8Array;
  /** Decides which lookups find something and what it holds. */
  readonly salt: number;
}

export interface Outcome {
  /** null: returned without a value. */
  readonly result: bigint | "trap" | null;
  readonly effects: readonly string[];
}

const STACK = 0x100000;
const CONTEXT = 0x8000;
const PACKET = 0x20000;
const GLOBALS = 0x30000;
const MAP_VALUES = 0x40000;
/** Bytes of each key, map value and record here. */
export const WORD = 8;
const MAX_STEPS = 200_000;

class Trap extends Error {}

/** Runs a function of the module. Throws when it does not end. */
export function evaluate(module: IrModule, name: string, input: Input): Outcome {
  const machine = new Machine(module, input);
  try {
    const result = machine.call(name, input.args);
    return { result, effects: machine.effects };
  } catch (error) {
    if (error instanceof Trap) return { result: "trap", effects: machine.effects };
    throw error;
  }
}

/** Where global data of a map is. */
function globalAddress(map: string): number {
  return GLOBALS + 0x1000 * [".rodata", ".data", ".bss"].indexOf(map);
}

class Machine {
  readonly effects: string[] = [];
  private readonly bytes = new Map<number, number>();
  private readonly module: IrModule;
  private readonly input: Input;
  private top = STACK;
  private steps = 0;
  private clock = 0n;

  constructor(module: IrModule, input: Input) {
    this.module = module;
    this.input = input;
    input.packet.forEach((b, i) => this.bytes.set(PACKET + i, b));
  }

  call(name: string, args: readonly bigint[]): bigint | null {
    const fn = this.module.functions.get(name);
    if (fn === undefined) throw new Error(`no function ${name}`);
    const frame = this.top;
    const result = new Frame(this, fn, args).run();
    this.top = frame;
    return result;
  }

  step(): void {
    if (++this.steps > MAX_STEPS) throw new Error("does not end");
  }

  allocate(size: number): bigint {
    const at = this.top;
    this.top += size;
    for (let i = 0; i < size; i++) this.bytes.set(at + i, (0xa5 + 31 * i + at) & 0xff);
    return BigInt(at);
  }

  read(address: bigint, size: number): bigint {
    if (address === 0n) throw new Error("null is read");
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.byte(Number(address) + i));
    return value;
  }

  write(address: bigint, size: number, value: bigint): void {
    if (address === 0n) throw new Error("null is written");
    const low = BigInt.asUintN(8 * size, value);
    if (Number(address) < STACK) this.effects.push(`[${address.toString(16)}]${size} = ${low}`);
    for (let i = 0; i < size; i++) this.bytes.set(Number(address) + i, Number((low >> BigInt(8 * i)) & 0xffn));
  }

  private byte(at: number): number {
    return this.bytes.get(at) ?? (at * 7 + this.input.salt) & 0xff;
  }

  packet(offset: bigint, size: number): bigint {
    const at = Number(BigInt.asUintN(32, offset));
    return at + size <= this.input.packet.length ? BigInt(PACKET + at) : 0n;
  }

  helper(name: string, args: readonly bigint[]): bigint {
    const words = (i: number): bigint => this.read(args[i] as bigint, WORD);
    switch (name) {
      case "map_lookup_elem": {
        const key = words(1);
        this.effects.push(`lookup ${args[0]} ${key}`);
        return (key + BigInt(this.input.salt)) % 3n === 0n
          ? 0n
          : BigInt(MAP_VALUES + WORD * Number((key ^ (args[0] as bigint)) & 15n));
      }
      case "map_update_elem":
        this.effects.push(`update ${args[0]} ${words(1)} ${words(2)} ${args[3]}`);
        return words(1) & 1n;
      case "ktime_get_ns":
        this.effects.push("time");
        return (this.clock += 1000n);
      case "skb_load_bytes":
        this.effects.push(`load ${args[1]} ${args[3]}`);
        this.write(args[2] as bigint, WORD, (this.clock += 77n) * 0x0123456789abcdefn);
        return 0n;
      case "xdp_adjust_head":
        this.effects.push(`move ${args[1]}`);
        return 0n;
      default:
        throw new Error(`helper ${name} is not played`);
    }
  }
}

class Frame {
  private readonly values = new Map<Value, bigint>();
  private readonly slots = new Map<Value, bigint>();
  private readonly machine: Machine;
  private readonly fn: IrFunction;
  private readonly args: readonly bigint[];

  constructor(machine: Machine, fn: IrFunction, args: readonly bigint[]) {
    this.machine = machine;
    this.fn = fn;
    this.args = args;
  }

  run(): bigint | null {
    let block = this.fn.blocks[0] as Block;
    let from: Block | null = null;
    for (;;) {
      this.machine.step();
      this.enter(block, from);
      for (const value of block.values) this.values.set(value, normal(value.type, this.evaluate(value)));
      const t = block.terminator;
      from = block;
      switch (t.op) {
        case "jump":
          block = t.target;
          break;
        case "branch":
          block = this.get(t.condition) === 0n ? t.else : t.then;
          break;
        case "return":
          return t.value === null ? null : this.get(t.value);
        case "trap":
          throw new Trap();
      }
    }
  }

  private enter(block: Block, from: Block | null): void {
    if (from === null) return;
    const inputs = block.phis.map((phi) => this.get(phi.inputs.get(from) as Value));
    block.phis.forEach((phi, i) => this.values.set(phi, inputs[i] as bigint));
  }

  /** Signed. */
  private get(value: Value): bigint {
    const found = this.values.get(value);
    if (found === undefined) throw new Error(`v${value.id} is used before it is defined`);
    return found;
  }

  private evaluate(value: Block["values"][number]): bigint {
    const args = value.args.map((a) => this.get(a));
    const [a = 0n, b = 0n, c = 0n] = args;
    switch (value.op) {
      case "const":
        return value.value;
      case "param":
        return this.fn.entry !== null ? BigInt(CONTEXT) : (this.args[value.index] as bigint);
      case "binary":
        if (value.type === "ptr") return a + (value.args[1].op === "const" ? b : BigInt.asUintN(32, b));
        return binary(value.operator, width(value.type), a, b);
      case "compare":
        return compare(value.operator, width(value.args[0].type), a, b) ? 1n : 0n;
      case "unary":
        return unary(value.operator, width(value.args[0].type), a);
      case "select":
        return a !== 0n ? b : c;
      case "load": {
        const read = this.machine.read(address(a) + BigInt(value.offset), value.size);
        return value.signed ? BigInt.asIntN(8 * value.size, read) : read;
      }
      case "store":
        this.machine.write(address(a) + BigInt(value.offset), value.size, b);
        return 0n;
      case "atomic":
        return this.atomic(value, address(a) + BigInt(value.offset), b, c);
      case "stack_slot": {
        let at = this.slots.get(value);
        if (at === undefined) this.slots.set(value, (at = this.machine.allocate(value.size)));
        return at;
      }
      case "global_address":
        return BigInt(globalAddress(value.map) + value.offset);
      case "map_address":
        return BigInt(value.map.length);
      case "packet_at":
        return this.machine.packet(b, value.size);
      case "function_address":
        return BigInt(value.callee.length);
      case "context_pointer":
        return this.machine.helper(value.op, [BigInt(value.offset)]);
      case "call_helper":
        return this.machine.helper(
          value.helper,
          args.map((x, i) => unsigned(value.args[i] as Value, x)),
        );
      case "call":
        return this.machine.call(value.callee, args) ?? 0n;
    }
  }

  private atomic(value: Value & { op: "atomic" }, at: bigint, b: bigint, c: bigint): bigint {
    const old = BigInt.asIntN(8 * value.size, this.machine.read(at, value.size));
    const next = {
      add: old + b,
      and: old & b,
      or: old | b,
      xor: old ^ b,
      xchg: b,
      cmpxchg: BigInt.asIntN(8 * value.size, b) === old ? c : old,
    };
    this.machine.write(at, value.size, next[value.operator]);
    return old;
  }
}

const width = (type: Type): number => (type === "i32" ? 32 : 64);
const normal = (type: Type, n: bigint): bigint => BigInt.asIntN(width(type), n);
const unsigned = (value: Value, n: bigint): bigint => (value.type === "i32" ? BigInt.asUintN(32, n) : n);
const address = (n: bigint): bigint => BigInt.asUintN(32, n);

function binary(op: string, w: number, a: bigint, b: bigint): bigint {
  const ua = BigInt.asUintN(w, a);
  const ub = BigInt.asUintN(w, b);
  const by = ub % BigInt(w);
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div_u":
      return ub === 0n ? 0n : ua / ub;
    case "div_s":
      return b === 0n ? 0n : a / b;
    case "rem_u":
      return ub === 0n ? a : ua % ub;
    case "rem_s":
      return b === 0n ? a : a % b;
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a * 2n ** by;
    case "shr_u":
      return ua / 2n ** by;
    case "shr_s":
      return a >> by;
    case "rotl":
      return ua * 2n ** by + ua / 2n ** (BigInt(w) - by);
    case "rotr":
      return ua / 2n ** by + ua * 2n ** (BigInt(w) - by);
    default:
      throw new Error(op);
  }
}

function compare(op: string, w: number, a: bigint, b: bigint): boolean {
  const [x, y] = op.endsWith("_u") ? [BigInt.asUintN(w, a), BigInt.asUintN(w, b)] : [a, b];
  const name = op.slice(0, 2);
  if (name === "eq") return x === y;
  if (name === "ne") return x !== y;
  if (name === "lt") return x < y;
  if (name === "le") return x <= y;
  return name === "gt" ? x > y : x >= y;
}

function unary(op: string, w: number, a: bigint): bigint {
  const bits = [...BigInt.asUintN(w, a).toString(2).padStart(w, "0")];
  switch (op) {
    case "clz":
      return BigInt(bits.indexOf("1") < 0 ? w : bits.indexOf("1"));
    case "ctz":
      return BigInt(bits.toReversed().indexOf("1") < 0 ? w : bits.toReversed().indexOf("1"));
    case "popcnt":
      return BigInt(bits.filter((d) => d === "1").length);
    case "extend_u":
      return BigInt.asUintN(32, a);
    case "extend_s":
      return BigInt.asIntN(32, a);
    case "wrap":
      return a;
    case "sext8":
    case "sext16":
    case "sext32":
      return BigInt.asIntN(Number(op.slice(4)), a);
    case "bswap16":
    case "bswap32":
    case "bswap64": {
      const digits = BigInt.asUintN(Number(op.slice(5)), a)
        .toString(16)
        .padStart(Number(op.slice(5)) / 4, "0");
      return BigInt(`0x${(digits.match(/../g) ?? []).toReversed().join("")}`);
    }
    default:
      throw new Error(op);
  }
}
