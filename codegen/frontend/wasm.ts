/**
 * The parts of a WebAssembly module that the compiler reads, and the one edit it makes (exporting every global, so that
 * build-time evaluation can read their values). Source: WebAssembly Core Specification 2.0, §5 (binary format).
 *
 * The module comes from asc, so it is well formed; what is not understood is an internal error, not user input.
 */

export type WasmType = "i32" | "i64" | "f32" | "f64" | "other";

export interface Signature {
  readonly params: readonly WasmType[];
  readonly results: readonly WasmType[];
}

export interface WasmFunction {
  readonly index: number;
  readonly name: string;
  readonly signature: Signature;
  /** Null for a defined function. */
  readonly imported: { readonly module: string; readonly name: string } | null;
  /** Types of the locals that follow the parameters. */
  readonly locals: readonly WasmType[];
  /** Byte range of the instructions in the module; empty for an import. */
  readonly start: number;
  readonly end: number;
}

export interface WasmModule {
  readonly bytes: Uint8Array;
  readonly types: readonly Signature[];
  readonly functions: readonly WasmFunction[];
  /** In index order; `mutable` ones may be assigned. */
  readonly globals: readonly { readonly name: string; readonly type: WasmType; readonly mutable: boolean }[];
  /** Function index by table slot. */
  readonly table: ReadonlyMap<number, number>;
  /** Address ranges that data segments fill. */
  readonly data: readonly { readonly start: number; readonly end: number }[];
}

/** A cursor over LEB128 numbers. */
export class WasmReader {
  readonly bytes: Uint8Array;
  at: number;
  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }
  byte(): number {
    const b = this.bytes[this.at++];
    if (b === undefined) throw new RangeError(`wasm ends at ${this.at - 1}`);
    return b;
  }
  u32(): number {
    let result = 0;
    for (let shift = 0; ; shift += 7) {
      const b = this.byte();
      result |= (b & 0x7f) << shift;
      if (b < 0x80) return result >>> 0;
    }
  }
  /** Signed LEB128 of up to 64 bits. */
  s64(): bigint {
    let result = 0n;
    let shift = 0n;
    for (;;) {
      const b = this.byte();
      result |= BigInt(b & 0x7f) << shift;
      shift += 7n;
      if (b < 0x80) return BigInt.asIntN(64, b & 0x40 ? result - (1n << shift) : result);
    }
  }
  s32(): number {
    return Number(BigInt.asIntN(32, this.s64()));
  }
  name(): string {
    const length = this.u32();
    const text = new TextDecoder().decode(this.bytes.subarray(this.at, this.at + length));
    this.at += length;
    return text;
  }
  list<T>(read: (index: number) => T): T[] {
    return Array.from({ length: this.u32() }, (_, i) => read(i));
  }
}

const TYPES: Record<number, WasmType> = { 0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64" };
// prettier-ignore
const SECTION = { custom: 0, type: 1, import: 2, func: 3, table: 4, memory: 5, global: 6, export: 7, start: 8, element: 9, code: 10, data: 11 } as const;

interface Section {
  readonly id: number;
  /** Where the section's id byte is, where its contents start and end. */
  readonly head: number;
  readonly start: number;
  readonly end: number;
}

function sectionsOf(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  const r = new WasmReader(bytes, 8);
  while (r.at < bytes.length) {
    const head = r.at;
    const id = r.byte();
    const size = r.u32();
    sections.push({ id, head, start: r.at, end: r.at + size });
    r.at += size;
  }
  return sections;
}

/** Reads a module. */
export function readWasm(bytes: Uint8Array): WasmModule {
  const sections = sectionsOf(bytes);
  const open = (id: number): WasmReader | null => {
    const s = sections.find((each) => each.id === id);
    return s === undefined ? null : new WasmReader(bytes, s.start);
  };
  const names = readNames(bytes, sections);
  const types = list(open(SECTION.type), readSignature);
  const imports = readImports(open(SECTION.import));
  const declared = list(open(SECTION.func), (r) => r.u32());
  const bodies = list(open(SECTION.code), readBody);
  const functions: WasmFunction[] = [
    ...imports.map((each, index) => ({
      index,
      name: names.functions.get(index) ?? each.name,
      signature: at(types, each.type),
      imported: { module: each.module, name: each.name },
      locals: [],
      start: 0,
      end: 0,
    })),
    ...declared.map((type, i) => {
      const index = imports.length + i;
      return {
        index,
        name: names.functions.get(index) ?? `function ${index}`,
        signature: at(types, type),
        imported: null,
        ...at(bodies, i),
      };
    }),
  ];
  const globals = list(open(SECTION.global), (r, i) => {
    const type = TYPES[r.byte()] ?? "other";
    const mutable = r.byte() === 1;
    skipConstant(r);
    return { name: names.globals.get(i) ?? `global ${i}`, type, mutable };
  });
  return {
    bytes,
    types,
    functions,
    globals,
    table: readTable(open(SECTION.element)),
    data: readData(open(SECTION.data)),
  };
}

function list<T>(r: WasmReader | null, read: (r: WasmReader, index: number) => T): T[] {
  return r === null ? [] : r.list((i) => read(r, i));
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`wasm index ${index} of ${items.length}`);
  return item;
}

function readSignature(r: WasmReader): Signature {
  r.byte(); // 0x60: a function type
  const params = r.list(() => TYPES[r.byte()] ?? "other");
  return { params, results: r.list(() => TYPES[r.byte()] ?? "other") };
}

/** Function imports in index order. asc imports nothing else here. */
function readImports(reader: WasmReader | null): { module: string; name: string; type: number }[] {
  return list(reader, (r) => {
    const module = r.name();
    const name = r.name();
    const kind = r.byte();
    if (kind !== 0) throw new RangeError(`import ${module}.${name} of kind ${kind}`);
    return { module, name, type: r.u32() };
  });
}

function readBody(r: WasmReader): { locals: WasmType[]; start: number; end: number } {
  const size = r.u32();
  const end = r.at + size;
  const locals = r
    .list(() => {
      const count = r.u32();
      return Array<WasmType>(count).fill(TYPES[r.byte()] ?? "other");
    })
    .flat();
  const start = r.at;
  r.at = end;
  return { locals, start, end };
}

/** Steps over a constant expression; only its length matters, since evaluation runs the module. */
function skipConstant(r: WasmReader): number {
  const op = r.byte();
  let value = 0;
  if (op === 0x41 || op === 0x42) value = Number(r.s64());
  else if (op === 0x43) r.at += 4;
  else if (op === 0x44) r.at += 8;
  else if (op === 0x23) r.u32();
  else throw new RangeError(`constant expression starts with 0x${op.toString(16)}`);
  r.byte(); // end
  return value;
}

function readTable(reader: WasmReader | null): Map<number, number> {
  const table = new Map<number, number>();
  list(reader, (r) => {
    const flags = r.u32();
    if (flags !== 0) throw new RangeError(`element segment with flags ${flags}`);
    const offset = skipConstant(r);
    r.list((i) => table.set(offset + i, r.u32()));
  });
  return table;
}

function readData(reader: WasmReader | null): { start: number; end: number }[] {
  return list(reader, (r) => {
    const flags = r.u32();
    if (flags !== 0) throw new RangeError(`data segment with flags ${flags}`);
    const start = skipConstant(r);
    const size = r.u32();
    r.at += size;
    return { start, end: start + size };
  });
}

/** The name section (appendix "Custom Sections"): subsection 1 names functions, 7 globals. */
function readNames(
  bytes: Uint8Array,
  sections: readonly Section[],
): Record<"functions" | "globals", Map<number, string>> {
  const names = { functions: new Map<number, string>(), globals: new Map<number, string>() };
  for (const s of sections) {
    if (s.id !== SECTION.custom) continue;
    const r = new WasmReader(bytes, s.start);
    if (r.name() !== "name") continue;
    while (r.at < s.end) {
      const id = r.byte();
      const size = r.u32();
      const end = r.at + size;
      const target = id === 1 ? names.functions : id === 7 ? names.globals : null;
      if (target !== null) r.list(() => target.set(r.u32(), r.name()));
      r.at = end;
    }
  }
  return names;
}

/** Name under which `exportGlobals` exports the global of that index. */
export function globalExport(index: number): string {
  return `global:${index}`;
}

/** The module with every global exported as `globalExport(index)`. */
export function exportGlobals(module: WasmModule): Uint8Array {
  const old = sectionsOf(module.bytes).find((s) => s.id === SECTION.export);
  if (old === undefined) throw new RangeError("no export section");
  const r = new WasmReader(module.bytes, old.start);
  const count = r.u32();
  const entries = module.globals.flatMap((_, i) => {
    const name = new TextEncoder().encode(globalExport(i));
    return [...leb(name.length), ...name, 3, ...leb(i)];
  });
  const contents = [...leb(count + module.globals.length), ...module.bytes.subarray(r.at, old.end), ...entries];
  return Uint8Array.from([
    ...module.bytes.subarray(0, old.head),
    SECTION.export,
    ...leb(contents.length),
    ...contents,
    ...module.bytes.subarray(old.end),
  ]);
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}
