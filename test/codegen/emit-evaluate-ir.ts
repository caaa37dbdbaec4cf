/** Runs an IrFunction directly: the reference that compiled code is compared with. Written from ir.ts alone. */
import type { Block, IrFunction, Phi, Value } from "../../codegen/ir/ir.ts";
import { HELPERS } from "../../lib/kernel/index.ts";
import type { HelperName } from "../../lib/kernel/index.ts";
import type { Memory } from "./emit-memory.ts";

/** A helper's result, from its number, its arguments and how many calls there were before. Both machines ask the same. */
export type Oracle = (call: number, helper: number, args: readonly bigint[]) => bigint;

export interface Outcome {
  readonly result: bigint;
  readonly calls: number;
}

/** `args`: parameters, as unsigned 64-bit numbers. Gives the result as an unsigned number of the result's width. */
export function evaluate(fn: IrFunction, args: readonly bigint[], memory: Memory, oracle: Oracle): Outcome {
  const values = new Map<Value, bigint>();
  const slots = new Map<Value, bigint>();
  let calls = 0;
  let previous: Block | null = null;
  let block = fn.blocks[0] as Block;
  const get = (v: Value): bigint => {
    const found = values.get(v);
    if (found === undefined) throw new Error(`v${v.id} is read before it is computed`);
    return found;
  };
  for (let steps = 0; steps < 100_000; steps++) {
    const from = previous;
    const incoming = block.phis.map((phi): [Phi, bigint] => [phi, get(phi.inputs.get(from as Block) as Value)]);
    for (const [phi, value] of incoming) values.set(phi, value);
    for (const value of block.values) values.set(value, unsigned(value, compute(value)));
    const t = block.terminator;
    previous = block;
    if (t.op === "return") return { result: t.value === null ? 0n : get(t.value), calls };
    if (t.op === "trap") return { result: BigInt.asUintN(32, BigInt(fn.entry?.refuse ?? 0)), calls };
    if (t.op === "jump") block = t.target;
    else block = get(t.condition) === 0n ? t.else : t.then;
  }
  throw new Error("the function does not end");

  function compute(value: Exclude<Value, Phi>): bigint {
    const [a, b, c] = value.args.map(get) as [bigint, bigint, bigint];
    switch (value.op) {
      case "const":
        return value.value;
      case "param":
        return args[value.index] as bigint;
      case "binary":
        if (value.type === "ptr") return a + (value.args[1].op === "const" ? BigInt.asIntN(32, b) : b);
        return binary(value.operator, bitsOf(value), a, b);
      case "compare":
        return compare(value.operator, bitsOf(value.args[0]), a, b) ? 1n : 0n;
      case "unary":
        return unary(value.operator, bitsOf(value.args[0]), bitsOf(value), a);
      case "select":
        return a === 0n ? c : b;
      case "load": {
        const raw = memory.read(a + BigInt(value.offset), value.size);
        return value.signed ? BigInt.asIntN(8 * value.size, raw) : raw;
      }
      case "store":
        memory.write(a + BigInt(value.offset), value.size, b);
        return 0n;
      case "atomic": {
        const at = a + BigInt(value.offset);
        const old = memory.read(at, value.size);
        memory.write(at, value.size, exchange(value.operator, 8 * value.size, old, b, c));
        return old;
      }
      case "stack_slot": {
        const known = slots.get(value) ?? memory.allocate(value.size);
        slots.set(value, known);
        return known;
      }
      case "packet_at": {
        const there = b <= 0x7fffn && b + BigInt(value.size) <= BigInt(memory.packetSize);
        return there ? memory.packet + b : 0n;
      }
      case "call_helper":
        return oracle(calls++, HELPERS[value.helper as HelperName].id, value.args.map(get));
      case "call":
      case "context_pointer":
      case "function_address":
      case "global_address":
      case "map_address":
        throw new Error(`${value.op} is not evaluated`);
    }
  }
}

function bitsOf(value: Value): number {
  return value.type === "i32" ? 32 : 64;
}

function unsigned(value: Value, n: bigint): bigint {
  return BigInt.asUintN(bitsOf(value), n);
}

function binary(op: string, bits: number, a: bigint, b: bigint): bigint {
  const s = (n: bigint): bigint => BigInt.asIntN(bits, n);
  const amount = b % BigInt(bits);
  switch (op) {
    case "add":
      return a + b;
    case "sub":
      return a - b;
    case "mul":
      return a * b;
    case "div_u":
      return b === 0n ? 0n : a / b;
    case "div_s":
      return b === 0n ? 0n : s(a) / s(b);
    case "rem_u":
      return b === 0n ? a : a % b;
    case "rem_s":
      return b === 0n ? a : s(a) % s(b);
    case "and":
      return a & b;
    case "or":
      return a | b;
    case "xor":
      return a ^ b;
    case "shl":
      return a << amount;
    case "shr_u":
      return a >> amount;
    case "shr_s":
      return s(a) >> amount;
    case "rotl":
      return (a << amount) | (a >> (BigInt(bits) - amount));
    case "rotr":
      return (a >> amount) | (a << (BigInt(bits) - amount));
    default:
      throw new Error(op);
  }
}

function compare(op: string, bits: number, x: bigint, y: bigint): boolean {
  const [a, b] = op.endsWith("_s") ? [BigInt.asIntN(bits, x), BigInt.asIntN(bits, y)] : [x, y];
  switch (op.slice(0, 2)) {
    case "eq":
      return a === b;
    case "ne":
      return a !== b;
    case "lt":
      return a < b;
    case "le":
      return a <= b;
    case "gt":
      return a > b;
    default:
      return a >= b;
  }
}

function unary(op: string, from: number, to: number, a: bigint): bigint {
  const text = a.toString(2).padStart(from, "0");
  switch (op) {
    case "clz":
      return BigInt(`${text}1`.indexOf("1"));
    case "ctz":
      return BigInt(`${[...text].reverse().join("")}1`.indexOf("1"));
    case "popcnt":
      return BigInt([...text].filter((d) => d === "1").length);
    case "extend_s":
      return BigInt.asIntN(32, a);
    case "sext8":
      return BigInt.asIntN(8, a);
    case "sext16":
      return BigInt.asIntN(16, a);
    case "sext32":
      return BigInt.asIntN(32, a);
    case "bswap16":
    case "bswap32":
    case "bswap64": {
      const digits = Number(op.slice(5)) / 4;
      const pairs = a.toString(16).padStart(16, "0").slice(-digits).match(/../g) ?? [];
      return BigInt(`0x${pairs.reverse().join("")}`);
    }
    case "extend_u":
    case "wrap":
      return BigInt.asUintN(to, a);
    default:
      throw new Error(op);
  }
}

function exchange(op: string, bits: number, old: bigint, a: bigint, b: bigint): bigint {
  if (op === "xchg") return a;
  if (op === "cmpxchg") return old === BigInt.asUintN(bits, a) ? b : old;
  return binary(op, bits, old, a);
}
