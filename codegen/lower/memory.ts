/** Loads, stores, atomics, and the addresses of maps and global data. */
import type { AtomicOp as MachineAtomicOp } from "../../lib/isa/index.ts";
import type { AtomicValue, ContextPointer, GlobalAddress, LoadValue, StoreValue, Value } from "../ir/ir.ts";
import { extendInPlace } from "./bits.ts";
import { widthOf, type Lowering } from "./context.ts";

/** A load zero-extends; a sign-extending one is v4's, and fills all 64 bits. */
export function load(l: Lowering, value: LoadValue): boolean {
  const width = widthOf(value);
  const bits = value.size * 8;
  const extend = value.signed && bits < width;
  const dst = l.result(value);
  const { base, off } = l.address(value.args[0], value.offset);
  l.emit({ kind: "load", size: value.size, signed: extend && l.has("v4"), dst, base, off });
  if (!extend) return true;
  if (!l.has("v4")) extendInPlace(l, dst, bits, width);
  else if (width === 32 && l.needsClean(value)) l.alu("mov", 32, dst, { reg: dst });
  return true;
}

export function store(l: Lowering, value: StoreValue): boolean {
  const [pointer, stored] = value.args;
  const { base, off } = l.address(pointer, value.offset);
  l.emit({ kind: "store", size: value.size, base, off, src: storeOperand(l, stored, value.size) });
  return true;
}

/** A narrow store takes the low bits of an immediate; an 8-byte one sign-extends it. */
function storeOperand(l: Lowering, stored: Value, size: StoreValue["size"]): { imm: number } | { reg: number } {
  if (size === 8) return l.operand(stored, 64);
  const bits = size === 1 ? 8 : size === 2 ? 16 : 32;
  if (stored.op === "const") return { imm: Number(BigInt.asIntN(bits, stored.value)) };
  return { reg: l.low(stored, bits) };
}

/** `fetch_…` and exchanges return the old value in the operand's register, cmpxchg in r0. */
export function atomic(l: Lowering, value: AtomicValue): boolean {
  const wanted = value.type !== "void" && l.isWanted(value);
  const [pointer, operand, replacement] = value.args as [Value, Value, Value?];
  const op = atomicName(value, wanted);
  if (!l.has("v3") && op !== "add") {
    l.fail("C018", `the atomic operation "${op}" needs instruction set v3`, value.place, {
      remedy: "compile with --cpu v3 or later",
    });
  }
  const width = value.size === 8 ? 64 : 32;
  const { base, off } = l.address(pointer, value.offset);
  if (op === "cmpxchg") {
    const src = l.at(replacement ?? operand, width);
    l.copy(0, operand);
    l.emit({ kind: "atomic", op, size: value.size, base, off, src });
    if (wanted) l.move(l.result(value), 0);
    return true;
  }
  if (!wanted && op !== "xchg") {
    l.emit({ kind: "atomic", op, size: value.size, base, off, src: l.at(operand, width) });
    return true;
  }
  const src = wanted ? l.result(value) : l.temp();
  l.copy(src, operand);
  l.emit({ kind: "atomic", op, size: value.size, base, off, src });
  return true;
}

function atomicName(value: AtomicValue, wanted: boolean): MachineAtomicOp {
  const { operator } = value;
  return operator === "xchg" || operator === "cmpxchg" || !wanted ? operator : `fetch_${operator}`;
}

export function globalAddress(l: Lowering, value: GlobalAddress): boolean {
  const target = { kind: "map_value", map: value.map, offset: value.offset } as const;
  l.emit({ kind: "load_imm64", dst: l.result(value), pseudo: "none", imm: 0n }, { target });
  return true;
}

/** Pointers in a context have 8 bytes. */
export function contextPointer(l: Lowering, value: ContextPointer): boolean {
  const { base, off } = l.address(value.args[0], value.offset);
  l.emit({ kind: "load", size: 8, signed: false, dst: l.result(value), base, off });
  return true;
}
