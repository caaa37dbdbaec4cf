/**
 * Writing WebAssembly: opcodes by their names in the specification, a function body that grows, and a module around it.
 *
 * Only what the compiler emits is here. Source: WebAssembly Core Specification 2.0, chapter 5 (binary format).
 */

/** Value types. */
export const TYPE = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const;
export type ValueType = keyof typeof TYPE;

// prettier-ignore
export const OPCODE = {
  "unreachable": 0x00, "block": 0x02, "loop": 0x03, "if": 0x04, "else": 0x05, "end": 0x0b, "br": 0x0c, "br_if": 0x0d,
  "br_table": 0x0e, "return": 0x0f, "call": 0x10, "call_indirect": 0x11, "drop": 0x1a, "select": 0x1b,
  "local.get": 0x20, "local.set": 0x21, "local.tee": 0x22,
  "i32.load": 0x28, "i64.load": 0x29, "i64.load8_s": 0x30, "i64.load8_u": 0x31, "i64.load16_s": 0x32, "i64.load16_u": 0x33,
  "i64.load32_s": 0x34, "i64.load32_u": 0x35, "i32.store": 0x36, "i64.store": 0x37, "i64.store8": 0x3c,
  "i64.store16": 0x3d, "i64.store32": 0x3e, "i32.const": 0x41, "i64.const": 0x42,
  "i32.eqz": 0x45, "i32.eq": 0x46, "i32.ne": 0x47, "i32.lt_s": 0x48, "i32.lt_u": 0x49, "i32.gt_s": 0x4a, "i32.gt_u": 0x4b,
  "i32.le_s": 0x4c, "i32.le_u": 0x4d, "i32.ge_s": 0x4e, "i32.ge_u": 0x4f,
  "i64.eqz": 0x50, "i64.eq": 0x51, "i64.ne": 0x52, "i64.lt_s": 0x53, "i64.lt_u": 0x54, "i64.gt_s": 0x55, "i64.gt_u": 0x56,
  "i64.le_s": 0x57, "i64.le_u": 0x58, "i64.ge_s": 0x59, "i64.ge_u": 0x5a,
  "i32.add": 0x6a, "i32.sub": 0x6b, "i32.mul": 0x6c, "i32.div_s": 0x6d, "i32.div_u": 0x6e, "i32.rem_s": 0x6f,
  "i32.rem_u": 0x70, "i32.and": 0x71, "i32.or": 0x72, "i32.xor": 0x73, "i32.shl": 0x74, "i32.shr_s": 0x75,
  "i32.shr_u": 0x76, "i32.rotl": 0x77, "i32.rotr": 0x78,
  "i64.add": 0x7c, "i64.sub": 0x7d, "i64.mul": 0x7e, "i64.div_s": 0x7f, "i64.div_u": 0x80, "i64.rem_s": 0x81,
  "i64.rem_u": 0x82, "i64.and": 0x83, "i64.or": 0x84, "i64.xor": 0x85, "i64.shl": 0x86, "i64.shr_s": 0x87,
  "i64.shr_u": 0x88, "i64.rotl": 0x89, "i64.rotr": 0x8a,
  "i32.wrap_i64": 0xa7, "i64.extend_i32_s": 0xac, "i64.extend_i32_u": 0xad, "i32.extend8_s": 0xc0, "i32.extend16_s": 0xc1,
  "i64.extend8_s": 0xc2, "i64.extend16_s": 0xc3, "i64.extend32_s": 0xc4,
} as const;
export type Op = keyof typeof OPCODE;

/** Opcodes behind the vector prefix 0xfd. */
const VECTOR = { prefix: 0xfd, store: 0x0b, const: 0x0c, shuffle: 0x0d, splat64: 0x12, extract64: 0x1d } as const;

const VOID = 0x40;

/** Bytes that grow. */
export class Bytes {
  private bytes = new Uint8Array(256);
  length = 0;

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = value;
  }

  /** LEB128, unsigned, below 2^32. */
  unsigned(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** LEB128, signed, of 32 bits. */
  signed(value: number): void {
    let rest = value;
    while (rest < -0x40 || rest > 0x3f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.byte(rest & 0x7f);
  }

  signed64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest > 0x3fn) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest & 0x7fn));
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.unsigned(bytes.length);
    this.append(bytes);
  }

  append(more: Uint8Array): void {
    if (this.length + more.length > this.bytes.length) this.grow(more.length);
    this.bytes.set(more, this.length);
    this.length += more.length;
  }

  /** The bytes so far, not a copy. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private grow(least: number): void {
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + least));
    bigger.set(this.view());
    this.bytes = bigger;
  }
}

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/**
 * The body of a function. Labels are depths of the blocks around: `open` gives the one that it opened, and `br` counts
 * from there what the format wants, the distance.
 */
export class Body {
  readonly signature: Signature;
  private readonly code = new Bytes();
  private readonly locals: ValueType[] = [];
  private depth = 0;

  constructor(signature: Signature) {
    this.signature = signature;
  }

  /** A new local; its index. Starts as zero. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.signature.parameters.length + this.locals.length - 1;
  }

  op(name: Op): void {
    this.code.byte(OPCODE[name]);
  }
  get(local: number): void {
    this.withIndex("local.get", local);
  }
  set(local: number): void {
    this.withIndex("local.set", local);
  }
  tee(local: number): void {
    this.withIndex("local.tee", local);
  }
  call(index: number): void {
    this.withIndex("call", index);
  }
  /** Calls what the table (there is one) holds at the index on the stack. */
  callIndirect(type: number): void {
    this.withIndex("call_indirect", type);
    this.code.byte(0);
  }
  i32(value: number): void {
    this.op("i32.const");
    this.code.signed(value | 0);
  }
  i64(value: number | bigint): void {
    this.op("i64.const");
    if (typeof value === "number" && (value | 0) === value) this.code.signed(value);
    else this.code.signed64(BigInt(value));
  }
  /** A load or store at the address on the stack plus `offset`, without a promise of alignment. */
  memory(name: Op, offset: number): void {
    this.op(name);
    this.code.byte(0);
    this.code.unsigned(offset);
  }
  /** Stores 16 zero bytes: the address is on the stack. */
  storeZeros16(offset: number): void {
    this.vector(VECTOR.const);
    for (let i = 0; i < 16; i++) this.code.byte(0);
    this.vector(VECTOR.store);
    this.code.byte(0);
    this.code.unsigned(offset);
  }
  /** Reverses the bytes of the i64 on the stack. */
  reverse64(): void {
    this.vector(VECTOR.splat64);
    this.withZeroVector();
    for (let i = 0; i < 16; i++) this.code.byte(7 - (i & 7));
    this.vector(VECTOR.extract64);
    this.code.byte(0);
  }
  private withZeroVector(): void {
    this.vector(VECTOR.const);
    for (let i = 0; i < 16; i++) this.code.byte(0);
    this.vector(VECTOR.shuffle);
  }

  /** Opens a block; its label. */
  open(kind: "block" | "loop" | "if", result?: ValueType): number {
    this.op(kind);
    this.code.byte(result === undefined ? VOID : TYPE[result]);
    return ++this.depth;
  }
  else(): void {
    this.op("else");
  }
  close(): void {
    this.op("end");
    this.depth--;
  }
  br(label: number): void {
    this.withIndex("br", this.depth - label);
  }
  brIf(label: number): void {
    this.withIndex("br_if", this.depth - label);
  }
  /** The last label is for all other values. */
  brTable(labels: readonly number[]): void {
    this.op("br_table");
    this.code.unsigned(labels.length - 1);
    for (const label of labels) this.code.unsigned(this.depth - label);
  }

  private withIndex(name: Op, index: number): void {
    this.code.byte(OPCODE[name]);
    this.code.unsigned(index);
  }
  private vector(opcode: number): void {
    this.code.byte(VECTOR.prefix);
    this.code.unsigned(opcode);
  }

  /** Length, locals, code, end. */
  writeTo(out: Bytes): void {
    const head = new Bytes();
    const runs: { type: ValueType; count: number }[] = [];
    for (const type of this.locals) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    head.unsigned(runs.length);
    for (const { type, count } of runs) {
      head.unsigned(count);
      head.byte(TYPE[type]);
    }
    out.unsigned(head.length + this.code.length + 1);
    out.append(head.view());
    out.append(this.code.view());
    out.byte(OPCODE.end);
  }
}

const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
const KIND = { function: 0, table: 1, memory: 2 } as const;
const FUNCTION_TYPE = 0x60;
const FUNCTION_REFERENCE = 0x70;
const SHARED_WITH_MAXIMUM = 3;

/** A module that imports one shared memory, one table and functions. Imported functions come first in the index space. */
export class ModuleBuilder {
  private readonly types: Signature[] = [];
  private readonly typeIndexes = new Map<string, number>();
  private readonly imports: { readonly name: string; readonly type: number }[] = [];
  private readonly importIndexes = new Map<string, number>();
  private readonly bodies: (Body | null)[] = [];
  private readonly exports: { readonly name: string; readonly index: number }[] = [];
  /** Functions that were declared, by index from 0, and the index of the first in the module. */
  private readonly declared: number[] = [];
  private readonly firstFunction: number;

  /** `imports`: all imported functions by name, because indexes of others come after theirs. */
  constructor(imports: readonly (readonly [name: string, signature: Signature])[]) {
    for (const [name, signature] of imports) {
      this.importIndexes.set(name, this.imports.length);
      this.imports.push({ name, type: this.typeOf(signature) });
    }
    this.firstFunction = this.imports.length;
  }

  typeOf(signature: Signature): number {
    const key = `${signature.parameters.join()}>${signature.results.join()}`;
    const known = this.typeIndexes.get(key);
    if (known !== undefined) return known;
    this.types.push(signature);
    this.typeIndexes.set(key, this.types.length - 1);
    return this.types.length - 1;
  }

  imported(name: string): number {
    const index = this.importIndexes.get(name);
    if (index === undefined) throw new Error(`${name} is not imported`);
    return index;
  }

  /** An index for a function whose body comes later. */
  declare(signature: Signature): number {
    this.declared.push(this.typeOf(signature));
    this.bodies.push(null);
    return this.firstFunction + this.declared.length - 1;
  }

  define(index: number, body: Body): void {
    this.bodies[index - this.firstFunction] = body;
  }

  export(name: string, index: number): void {
    this.exports.push({ name, index });
  }

  /** `pages`: the size of the memory that is imported, at most. */
  build(memory: { readonly initial: number; readonly maximum: number }): Uint8Array {
    const out = new Bytes();
    for (const byte of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
    section(out, SECTION.type, this.types, (to, { parameters, results }) => {
      to.byte(FUNCTION_TYPE);
      for (const list of [parameters, results]) {
        to.unsigned(list.length);
        for (const type of list) to.byte(TYPE[type]);
      }
    });
    this.writeImports(out, memory);
    section(out, SECTION.function, this.declared, (to, type) => to.unsigned(type));
    section(out, SECTION.export, this.exports, (to, { name, index }) => {
      to.text(name);
      to.byte(KIND.function);
      to.unsigned(index);
    });
    section(out, SECTION.code, this.bodies, (to, body) => {
      if (body === null) throw new Error("a function was declared and not defined");
      body.writeTo(to);
    });
    return out.view().slice();
  }

  private writeImports(out: Bytes, memory: { readonly initial: number; readonly maximum: number }): void {
    const body = new Bytes();
    body.unsigned(this.imports.length + 2);
    for (const { name, type } of this.imports) {
      body.text(IMPORTS);
      body.text(name);
      body.byte(KIND.function);
      body.unsigned(type);
    }
    body.text(IMPORTS);
    body.text("memory");
    body.byte(KIND.memory);
    body.byte(SHARED_WITH_MAXIMUM);
    body.unsigned(memory.initial);
    body.unsigned(memory.maximum);
    body.text(IMPORTS);
    body.text("table");
    body.byte(KIND.table);
    body.byte(FUNCTION_REFERENCE);
    body.byte(0);
    body.unsigned(0);
    out.byte(SECTION.import);
    out.unsigned(body.length);
    out.append(body.view());
  }
}

/** The module name of all imports. */
export const IMPORTS = "vm";

function section<T>(out: Bytes, id: number, items: readonly T[], write: (out: Bytes, item: T) => void): void {
  const body = new Bytes();
  body.unsigned(items.length);
  for (const item of items) write(body, item);
  out.byte(id);
  out.unsigned(body.length);
  out.append(body.view());
}
