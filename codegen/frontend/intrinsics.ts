/**
 * What calls mean in kernel code: intrinsics and helpers (imports of module `bpf`), the runtime library's allocator, and
 * ordinary functions.
 */
import { HELPERS, callable, isKfunc, type CallableName } from "../../lib/kernel/index.ts";
import type { Size } from "../../lib/isa/index.ts";
import type { CallbackShape, ContextPointer, PacketAt, UnaryOp, Value } from "../ir/ir.ts";
import type { Translator } from "./translate.ts";
import type { WasmFunction } from "./wasm.ts";

/** `new T()` of an unmanaged class ends here. */
const ALLOCATE = "~lib/rt/stub/__alloc";
/** Everything that makes a managed object. */
// prettier-ignore
const MANAGED = new Set(["~lib/rt/stub/__new", "~lib/rt/stub/__renew", "~lib/rt/stub/__realloc", "~lib/rt/__newBuffer", "~lib/rt/__newArray"]);
const BYTE_SWAPS: Readonly<Record<string, UnaryOp>> = { bswap16: "bswap16", bswap32: "bswap32", bswap64: "bswap64" };

/** Emits a call of the IR function `name`; null when it yields nothing. */
export function emitCall(t: Translator, callee: WasmFunction, name: string, args: Value[]): Value | null {
  if (callee.imported !== null) return emitImport(t, callee, callee.imported, args);
  if (callee.name === ALLOCATE) return allocate(t, args[0]);
  if (MANAGED.has(callee.name)) {
    t.fail("C010", "kernel code makes a managed object (a class without @unmanaged, an array or a string)");
  }
  const result = callee.signature.results[0];
  const type =
    result === undefined
      ? "void"
      : result === "i32" || result === "i64"
        ? result
        : t.fail("C005", "a function returns floating point");
  const value = t.add({ op: "call", type, callee: name, args });
  return result === undefined ? null : value;
}

function emitImport(
  t: Translator,
  callee: WasmFunction,
  from: { module: string; name: string },
  args: Value[],
): Value | null {
  const { name } = from;
  if (from.module !== "bpf") t.fail("C011", `kernel code calls the import ${from.module}.${name}`);
  if (name.startsWith("define_"))
    t.fail("C018", `${name} is for top-level code: maps and programs are defined when the program is built`);
  const swap = BYTE_SWAPS[name];
  if (swap !== undefined) {
    const [x] = args as [Value];
    return t.add({ op: "unary", operator: swap, type: x.type, args: [x] });
  }
  if (name === "no_inline") {
    t.ir.noinline = true;
    return null;
  }
  if (name === "stack_alloc") return allocate(t, args[0]);
  if (name === "packet_at") return packetAt(t, "packet", args);
  if (name === "meta_at") return packetAt(t, "meta", args);
  if (name === "context_socket") return contextPointer(t, "socket", args);
  if (name === "context_flow_keys") return contextPointer(t, "flow_keys", args);
  if (name === "loop_callback") return callback(t, { kind: "loop" }, args);
  if (name === "each_callback") return callback(t, { kind: "each", keySize: keySizeOf(t, args[1]) }, args);
  if (name === "printk") return printk(t, args);
  if (!Object.hasOwn(HELPERS, name) && !isKfunc(name)) t.fail("C011", `there is no helper "${name}"`);
  return callHelper(t, name as CallableName, callee, args);
}

function packetAt(t: Translator, window: PacketAt["window"], args: Value[]): Value {
  const [ctx, offset, size] = args as [Value, Value, Value];
  if (size.op !== "const" || size.value <= 0n) t.fail("C018", "the size of a packet access is not a positive constant");
  return t.add({ op: "packet_at", window, type: "i32", size: Number(size.value), args: [ctx, offset] });
}

function contextPointer(t: Translator, pointee: ContextPointer["pointee"], args: Value[]): Value {
  const [ctx, offset] = args as [Value, Value];
  if (offset.op !== "const") t.fail("C018", "the place of a pointer in the context is not a constant");
  return t.add({ op: "context_pointer", type: "i32", pointee, offset: Number(offset.value), args: [ctx] });
}

/** Which function it is, is known once the call chain is inlined: frontend/callbacks.ts. */
function callback(t: Translator, shape: CallbackShape, args: Value[]): Value {
  return t.add({ op: "function_address", type: "i32", callee: "", shape, args: args.slice(0, 1) });
}

function keySizeOf(t: Translator, size: Value | undefined): 0 | Size {
  const bytes = size?.op === "const" ? Number(size.value) : -1;
  return (
    ([0, 1, 2, 4, 8] as const).find((s) => s === bytes) ?? t.fail("C018", "the size of a key is not that of an integer")
  );
}

/** A zeroed stack object. Sizes are rounded up to whole 8-byte words, so that the verifier sees every byte written. */
function allocate(t: Translator, size: Value | undefined): Value {
  if (size?.op !== "const") t.fail("C010", "kernel code allocates an object of a size that is not constant");
  const bytes = Math.max(8, Math.ceil(Number(size.value) / 8) * 8);
  const slot = t.add({ op: "stack_slot", type: "i32", size: bytes, args: [] });
  for (let at = 0; at < bytes; at += 8) {
    t.add({ op: "store", size: 8, offset: at, type: "void", args: [slot, t.constant("i64", 0n)] });
  }
  return slot;
}

function callHelper(t: Translator, name: CallableName, callee: WasmFunction, args: Value[]): Value | null {
  const helper = callable(name);
  if (args.length !== helper.args.length) {
    t.fail("C011", `helper "${name}" takes ${helper.args.length} arguments, its declaration has ${args.length}`);
  }
  const declared = callee.signature.results[0];
  if (helper.result === "void") {
    t.add({ op: "call_helper", type: "void", helper: name, args });
    return declared === undefined ? null : t.constant(declared === "i64" ? "i64" : "i32", 0n);
  }
  if (helper.result !== "scalar") return t.add({ op: "call_helper", type: "i32", helper: name, args });
  const value = t.add({ op: "call_helper", type: "i64", helper: name, args });
  if (declared === undefined) return null;
  return declared === "i64" ? value : t.add({ op: "unary", operator: "wrap", type: "i32", args: [value] });
}

/** printk("text", a, b, c): the literal goes to read-only data as a C string. */
function printk(t: Translator, args: Value[]): Value | null {
  const [text, ...values] = args as [Value, ...Value[]];
  const literal = text.op === "const" ? t.context.literal(text.value) : null;
  if (literal === null) t.fail("C010", "the first argument of printk is not a string literal");
  const address = t.add({ op: "global_address", type: "i32", args: [], map: literal.map, offset: literal.offset });
  const size = t.constant("i32", BigInt(literal.length));
  t.add({ op: "call_helper", type: "i64", helper: "trace_printk", args: [address, size, ...values] });
  return null;
}
