/**
 * An oracle for integer arithmetic that shares nothing with lib/vm: V8's own 32- and 64-bit operations, reached through a
 * WebAssembly module written byte by byte. Each export takes two integers of the width and gives one (compares: i32).
 */
type Width = 32 | 64;

// Opcodes of WebAssembly 1.0 (core specification, section 5.4.7): [i32, i64].
// prettier-ignore
const BINARY = {
  add: [0x6a, 0x7c], sub: [0x6b, 0x7d], mul: [0x6c, 0x7e], div_s: [0x6d, 0x7f], div_u: [0x6e, 0x80], rem_s: [0x6f, 0x81],
  rem_u: [0x70, 0x82], and: [0x71, 0x83], or: [0x72, 0x84], xor: [0x73, 0x85], shl: [0x74, 0x86], shr_s: [0x75, 0x87],
  shr_u: [0x76, 0x88],
} as const;
// prettier-ignore
const COMPARE = {
  eq: [0x46, 0x51], ne: [0x47, 0x52], lt_s: [0x48, 0x53], lt_u: [0x49, 0x54], gt_s: [0x4a, 0x55], gt_u: [0x4b, 0x56],
  le_s: [0x4c, 0x57], le_u: [0x4d, 0x58], ge_s: [0x4e, 0x59], ge_u: [0x4f, 0x5a],
} as const;
export type BinaryName = keyof typeof BINARY;
export type CompareName = keyof typeof COMPARE;

const I32 = 0x7f;
const I64 = 0x7e;

// prettier-ignore
interface Export { readonly name: string; readonly opcode: number; readonly param: number; readonly result: number }

// prettier-ignore
const exports: Export[] = ([32, 64] as const).flatMap((width) => {
  const [at, param] = width === 32 ? [0, I32] : [1, I64];
  return [
    ...Object.entries(BINARY).map(([name, codes]) => ({ name: `${name}${width}`, opcode: codes[at] ?? 0, param, result: param })),
    ...Object.entries(COMPARE).map(([name, codes]) => ({ name: `${name}${width}`, opcode: codes[at] ?? 0, param, result: I32 })),
  ];
});

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)];
}
const vector = (items: readonly number[][]): number[] => [...leb(items.length), ...items.flat()];
const section = (id: number, body: readonly number[]): number[] => [id, ...leb(body.length), ...body];

// prettier-ignore
const bytes = [
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  ...section(1, vector(exports.map((e) => [0x60, 2, e.param, e.param, 1, e.result]))),
  ...section(3, vector(exports.map((_, i) => leb(i)))),
  ...section(7, vector(exports.map((e, i) => [...leb(e.name.length), ...new TextEncoder().encode(e.name), 0, ...leb(i)]))),
  ...section(10, vector(exports.map((e) => [7, 0, 0x20, 0, 0x20, 1, e.opcode, 0x0b]))),
];

const { exports: operations } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(bytes)));

function call(name: string, width: Width, a: bigint, b: bigint): bigint {
  const fn = operations[`${name}${width}`] as (x: unknown, y: unknown) => number | bigint;
  const cut = (x: bigint) => (width === 64 ? BigInt.asIntN(64, x) : Number(BigInt.asIntN(32, x)));
  return BigInt.asUintN(width, BigInt(fn(cut(a), cut(b))));
}

/** The result as an unsigned number of the width. Division traps as WebAssembly's does. */
export function wasm(name: BinaryName, width: Width, a: bigint, b: bigint): bigint {
  return call(name, width, a, b);
}
export function wasmCompare(name: CompareName, width: Width, a: bigint, b: bigint): boolean {
  return call(name, width, a, b) !== 0n;
}
