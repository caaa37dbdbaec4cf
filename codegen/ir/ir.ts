/**
 * The compiler's intermediate representation: typed SSA on a control-flow graph.
 *
 * A function is a list of blocks; a block holds phis, then instructions, then one terminator. Every instruction is its
 * own value (`Value`), referred to by object identity. Integers are 32 or 64 bits wide, two's complement, wrapping, as
 * in WebAssembly; booleans are i32 0/1.
 *
 * Pointers. WebAssembly knows only i32 addresses, the kernel's verifier wants 64-bit pointers whose origin it can see.
 * So values start as "i32" and the pass `provenance`, after inlining, finds each pointer's origin and sets `type` to
 * "ptr" and `origin`. Before it, address arithmetic is plain i32 `add`; after it, `add` with type "ptr" takes the
 * pointer as args[0] and an i32 offset as args[1] (a constant is signed; anything else is zero-extended). A null pointer
 * is a `const` 0 of type "ptr".
 *
 * Check and access. `packet_at` yields a pointer to `size` bytes of packet that are proven readable, or null. No pass
 * may take it apart; lowering makes the bounds check of it and fuses a null test that follows.
 *
 * Invariants, held by `checkFunction` between passes:
 *  - blocks[0] is the entry and has no predecessors; every block is reachable and ends in a terminator;
 *  - `preds` mirrors the terminators; no two edges join the same pair of blocks; `rounds` has keys of `preds` only;
 *  - a phi has exactly one input for each predecessor; phis stand first (in `phis`);
 *  - a value's block is right, and definitions dominate uses;
 *  - `uses` are not stored: a pass that needs them computes them.
 */
import type { CallableName, ContextKind } from "../../lib/kernel/index.ts";
import type { Size } from "../../lib/isa/index.ts";

export type Type = "i32" | "i64" | "ptr" | "void";

/** Where in the TypeScript source something comes from; 1-based. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What a pointer points to. `nullable`: may be null until tested. */
export type Origin =
  | { readonly kind: "ctx"; readonly context: ContextKind; readonly nullable: false }
  /** `size` bytes from the pointer that `packet_at` gave are proven. */
  | { readonly kind: "packet"; readonly size: number; readonly nullable: boolean }
  | { readonly kind: "map_value"; readonly map: string; readonly size: number; readonly nullable: boolean }
  | { readonly kind: "stack"; readonly size: number; readonly nullable: boolean }
  /** Ring buffer record. */
  | { readonly kind: "mem"; readonly size: number; readonly nullable: boolean }
  /** Global data: a map of one value. */
  | { readonly kind: "global"; readonly map: string; readonly size: number; readonly nullable: false }
  | { readonly kind: "socket"; readonly nullable: boolean }
  /** struct bpf_flow_keys. */
  | { readonly kind: "flow_keys"; readonly size: number; readonly nullable: false }
  /** A map; nullable: an inner map that a map of maps gave. */
  | { readonly kind: "map"; readonly map: string; readonly nullable: boolean }
  /** The key of a map's entry, to read. */
  | { readonly kind: "map_key"; readonly map: string; readonly size: number; readonly nullable: false }
  | { readonly kind: "function"; readonly nullable: false }
  /** A structure of the kernel, opaque. */
  | { readonly kind: "kernel"; readonly struct: string; readonly nullable: boolean };

// prettier-ignore
export type BinaryOp =
  | "add" | "sub" | "mul" | "div_u" | "div_s" | "rem_u" | "rem_s"
  | "and" | "or" | "xor" | "shl" | "shr_u" | "shr_s" | "rotl" | "rotr";
// prettier-ignore
export type CompareOp = "eq" | "ne" | "lt_u" | "le_u" | "gt_u" | "ge_u" | "lt_s" | "le_s" | "gt_s" | "ge_s";
// prettier-ignore
export type UnaryOp =
  | "clz" | "ctz" | "popcnt"
  /** i32 to i64. */
  | "extend_u" | "extend_s"
  /** i64 to i32. */
  | "wrap"
  /** Sign extension of the low bits, within the value's own type. */
  | "sext8" | "sext16" | "sext32"
  /** Reverse the low 2, 4 or 8 bytes; higher bits become zero. */
  | "bswap16" | "bswap32" | "bswap64";
export type AtomicOp = "add" | "and" | "or" | "xor" | "xchg" | "cmpxchg";

interface Common {
  /** Unique in the function; for printing and stable order, never meaning. */
  readonly id: number;
  type: Type;
  block: Block;
  place: SourcePlace | null;
  /** Set by `provenance` on values of type "ptr". */
  origin?: Origin;
}

export interface Const extends Common {
  op: "const";
  args: [];
  value: bigint /* signed, in range of its type */;
}
/** Parameter `index` of the function; stands first in the entry block. */
export interface ParamValue extends Common {
  op: "param";
  args: [];
  index: number;
}
export interface Phi extends Common {
  op: "phi";
  args: [];
  inputs: Map<Block, Value>;
}
export interface Binary extends Common {
  op: "binary";
  operator: BinaryOp;
  args: [Value, Value];
}
export interface Compare extends Common {
  op: "compare";
  operator: CompareOp;
  args: [Value, Value];
}
export interface Unary extends Common {
  op: "unary";
  operator: UnaryOp;
  args: [Value];
}
/** args: condition (non-zero takes the second), then, else. */
export interface Select extends Common {
  op: "select";
  args: [Value, Value, Value];
}
/** Reads `size` bytes at args[0] + offset; extended to the type by `signed`. May be removed when unused. */
export interface LoadValue extends Common {
  op: "load";
  size: Size;
  signed: boolean;
  offset: number;
  args: [Value];
}
/** Writes the low `size` bytes of args[1] at args[0] + offset. */
export interface StoreValue extends Common {
  op: "store";
  size: Size;
  offset: number;
  args: [Value, Value];
}
/** args: base, operand, and for cmpxchg (base, expected, replacement). Yields the old value (type "void" when unwanted). */
// prettier-ignore
export interface AtomicValue extends Common { op: "atomic"; operator: AtomicOp; size: 4 | 8; offset: number; args: Value[] }
/** The address of a stack object, alive in the whole function; its bytes are undefined until stored to. `size` is a multiple of 8. */
export interface StackSlot extends Common {
  op: "stack_slot";
  size: number;
  args: [];
}
/** Address of global data: byte `offset` of the only value of map `map` (".rodata", ".data", ".bss"). */
export interface GlobalAddress extends Common {
  op: "global_address";
  map: string;
  offset: number;
  args: [];
}
/** A map, as helpers want it. */
export interface MapAddress extends Common {
  op: "map_address";
  map: string;
  args: [];
}
/**
 * How the kernel calls a function back.
 *   loop   (index, context)                   bpf_loop
 *   each   (map, key, value, context)         for_each_map_elem; the function that is written in TypeScript takes the last three
 */
export type CallbackShape =
  | { readonly kind: "loop" }
  /** `keySize`: bytes of an integer key, which is passed by value; 0 for a structure, passed as a pointer. */
  | { readonly kind: "each"; readonly keySize: 0 | Size };

/**
 * The address of a function of the module, for the kernel to call back. Before callbacks are resolved `callee` is empty, and
 * args[0] the function's reference in the module's memory.
 */
export interface FunctionAddress extends Common {
  op: "function_address";
  callee: string;
  shape: CallbackShape;
  args: Value[];
}
/**
 * args: ctx, byte offset (i32, unsigned). Pointer to `size` readable packet bytes at that offset, or null. The window is the
 * packet itself, or the metadata in front of it.
 */
export interface PacketAt extends Common {
  op: "packet_at";
  window: "packet" | "meta";
  size: number;
  args: [Value, Value];
}
/** args: ctx. The pointer that the context holds at `offset`: a socket, or null; or the keys that a flow dissector fills in. */
export interface ContextPointer extends Common {
  op: "context_pointer";
  offset: number;
  pointee: "socket" | "flow_keys";
  args: [Value];
}
/** A helper or another function of the kernel. Argument types are i32 (zero-extended), i64 or ptr. */
export interface CallHelper extends Common {
  op: "call_helper";
  helper: CallableName;
  args: Value[];
}
/** A bpf-to-bpf call (at most five arguments). */
export interface CallFunction extends Common {
  op: "call";
  callee: string;
  args: Value[];
}

export type Value =
  | Const
  | ParamValue
  | Phi
  | Binary
  | Compare
  | Unary
  | Select
  | LoadValue
  | StoreValue
  | AtomicValue
  | StackSlot
  | GlobalAddress
  | MapAddress
  | FunctionAddress
  | PacketAt
  | ContextPointer
  | CallHelper
  | CallFunction;

export type Terminator =
  | { op: "jump"; target: Block; place: SourcePlace | null }
  /** Non-zero i32 (or non-null ptr) condition takes `then`; the targets differ. */
  | { op: "branch"; condition: Value; then: Block; else: Block; place: SourcePlace | null }
  | { op: "return"; value: Value | null; place: SourcePlace | null }
  /** Reached only by a failed run-time check: the program ends with its hook's refusing verdict. */
  | { op: "trap"; place: SourcePlace | null };

export interface Block {
  readonly id: number;
  phis: Phi[];
  /** Without phis and terminator. */
  values: Exclude<Value, Phi>[];
  terminator: Terminator;
  /** Predecessors, in no particular order. */
  preds: Block[];
  /** By predecessor: the place of the source's loop whose next round starts over this edge. */
  rounds: Map<Block, SourcePlace>;
}

export interface IrFunction {
  readonly name: string;
  params: ParamValue[];
  result: Type;
  blocks: Block[];
  /** The declaration, for diagnostics and BTF. */
  place: SourcePlace | null;
  /** Set on program entries. */
  entry: EntryInfo | null;
  /** Next free id for values and blocks. */
  nextId: number;
  /** Parameter names as the source has them, for BTF. */
  paramNames: string[];
  /** The source asked not to inline (`@noinline`). */
  noinline: boolean;
}

export interface EntryInfo {
  readonly context: ContextKind;
  /** Returned by `trap`. */
  readonly refuse: number;
}

/** All functions that the programs of one object reach, by name. */
export interface IrModule {
  functions: Map<string, IrFunction>;
}

/** Successors of a block, in order. */
export function successors(block: Block): Block[] {
  const t = block.terminator;
  switch (t.op) {
    case "jump":
      return [t.target];
    case "branch":
      return [t.then, t.else];
    case "return":
    case "trap":
      return [];
  }
}

/** True when the value must stay although nothing uses it. */
export function hasEffect(value: Value): boolean {
  switch (value.op) {
    case "store":
    case "atomic":
    case "call_helper":
    case "call":
      return true;
    default:
      return false;
  }
}
