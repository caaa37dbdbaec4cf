/**
 * Between bytes and JavaScript values, by BTF type: map keys, map values and ring buffer events.
 *
 * | BTF                               | JavaScript                                              |
 * |-----------------------------------|---------------------------------------------------------|
 * | integer or enum up to 4 bytes     | `number` (`boolean` where the encoding is bool)         |
 * | integer or enum of 8 or 16 bytes  | `bigint`                                                |
 * | float of 4 or 8 bytes             | `number`                                                |
 * | pointer                           | `bigint`                                                |
 * | array of one-byte integers        | `Uint8Array`                                            |
 * | other array                       | array                                                   |
 * | struct                            | object; nameless members are spread into it             |
 * | union                             | object with every member; encoding takes any one        |
 * | data section (global variables)   | object with a member for each variable                  |
 *
 * A codec is compiled once from the type into closures; encoding and decoding walk no types. Encoding checks everything
 * (kind, range, length, names of members) and zeroes padding, because the kernel compares keys byte for byte. Values are
 * in the byte order of the machine, as BTF's integers are; programs run on little-endian machines here.
 */
import type { Btf, BtfType, Member, TypeId } from "../btf/index.ts";
import { DiagnosticError } from "../diag/index.ts";

/** A value on the JavaScript side of a codec. */
export type Value = number | bigint | boolean | Uint8Array | readonly Value[] | { readonly [member: string]: Value };

export interface Codec {
  /** Bytes. */
  readonly size: number;
  /** Writes exactly `size` bytes at `offset`. Throws a DiagnosticError (D002) that names the member that does not fit. */
  encodeInto(value: Value, bytes: Uint8Array, offset: number): void;
  encode(value: Value): Uint8Array;
  /** Reads `size` bytes at `offset` (default 0). Throws a RangeError where they are not there. Never aliases `bytes`. */
  decode(bytes: Uint8Array, offset?: number): Value;
}

/** `path` is how the value is called in errors: `value.ports[2]`. The view has been found long enough. */
interface Coder {
  readonly size: number;
  put(value: Value, view: DataView, at: number, path: string): void;
  get(view: DataView, at: number): Value;
}

/** What compiling a type needs: the types, and the coders already made (types share members; each is compiled once). */
interface Context {
  readonly btf: Btf;
  readonly known: Map<TypeId, Coder>;
}

/** Deeper nesting than this is a type that contains itself. */
const MAX_DEPTH = 32;

/** The codec of a type. Throws a DiagnosticError (D001) for a type that has no values: void, functions, incomplete structs. */
export function codecOf(btf: Btf, type: TypeId, name = "value"): Codec {
  return wrap(coderOf({ btf, known: new Map() }, type, name, 0), name);
}

/** The codec of bytes without a known type: a `Uint8Array` of this length. */
export function bytesCodec(size: number, name = "value"): Codec {
  return wrap(byteArray(size), name);
}

/** The codec of an array of values each `stride` bytes from the one before: a per-CPU value as user space sees it. */
export function repeatCodec(codec: Codec, count: number, stride: number, name = "value"): Codec {
  const coder: Coder = {
    size: count * stride,
    put(value, view, at, path) {
      const items = listOf(value, count, path);
      for (const [i, item] of items.entries()) codec.encodeInto(item, bytesOf(view, at + i * stride, stride), 0);
    },
    get: (view, at) => Array.from({ length: count }, (_, i) => codec.decode(bytesOf(view, at + i * stride, stride))),
  };
  return wrap(coder, name);
}

function wrap(coder: Coder, name: string): Codec {
  const { size } = coder;
  const viewOf = (bytes: Uint8Array, offset: number): DataView => {
    if (offset < 0 || offset + size > bytes.length) {
      throw new RangeError(`${name}: ${size} bytes wanted at offset ${offset} of ${bytes.length}`);
    }
    return new DataView(bytes.buffer, bytes.byteOffset + offset, size);
  };
  const encodeInto = (value: Value, bytes: Uint8Array, offset: number): void => {
    const view = viewOf(bytes, offset);
    bytes.fill(0, offset, offset + size);
    coder.put(value, view, 0, name);
  };
  return {
    size,
    encodeInto,
    encode(value) {
      const bytes = new Uint8Array(size);
      encodeInto(value, bytes, 0);
      return bytes;
    },
    decode: (bytes, offset = 0) => coder.get(viewOf(bytes, offset), 0),
  };
}

function coderOf(context: Context, id: TypeId, path: string, depth: number): Coder {
  const known = context.known.get(id);
  if (known !== undefined) return known;
  const coder = compile(context, id, path, depth);
  context.known.set(id, coder);
  return coder;
}

function compile(context: Context, id: TypeId, path: string, depth: number): Coder {
  const type = context.btf.types[id];
  if (type === undefined) throw noCodec(path, `type ${id}, which the object's BTF does not have`);
  if (depth > MAX_DEPTH) throw noCodec(path, "a type that contains itself");
  const follow = (next: TypeId): Coder => coderOf(context, next, path, depth + 1);
  switch (type.kind) {
    case "int":
      return type.encoding === "bool" ? bool(type.size) : integer(type.size, type.encoding === "signed", path);
    case "enum":
    case "enum64":
      return integer(type.size, type.signed, path);
    case "ptr":
      return integer(8, false, path);
    case "float":
      return float(type.size, path);
    case "typedef":
    case "type_tag":
    case "volatile":
    case "const":
    case "restrict":
    case "var":
      return follow(type.type);
    case "array":
      return isByte(context.btf, type.element) ? byteArray(type.count) : array(follow(type.element), type.count, path);
    case "struct":
    case "union":
      return structure(context, type, path, depth);
    case "datasec":
      return structure(
        context,
        { kind: "struct", name: type.name, size: type.size, members: variables(context.btf, type) },
        path,
        depth,
      );
    case "void":
    case "fwd":
    case "func":
    case "func_proto":
    case "decl_tag":
      throw noCodec(path, `a ${type.kind}${"name" in type ? ` "${type.name}"` : ""}`);
  }
}

// ---- scalars

function integer(size: number, signed: boolean, path: string): Coder {
  const bits = size * 8;
  const min = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const max = signed ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
  const name = `${signed ? "s" : "u"}${bits}`;
  switch (size) {
    case 1:
    case 2:
    case 4:
      return {
        size,
        put: (value, view, at, where) =>
          putSmall(view, at, size, smallOf(value, Number(min), Number(max), name, where)),
        get: (view, at) => getSmall(view, at, size, signed),
      };
    case 8:
    case 16:
      return {
        size,
        put: (value, view, at, where) => putBig(view, at, size, bigOf(value, min, max, name, where)),
        get: (view, at) => (signed ? BigInt.asIntN(bits, getBig(view, at, size)) : getBig(view, at, size)),
      };
    default:
      throw noCodec(path, `an integer of ${size} bytes`);
  }
}

function putSmall(view: DataView, at: number, size: 1 | 2 | 4, value: number): void {
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
}

function getSmall(view: DataView, at: number, size: 1 | 2 | 4, signed: boolean): number {
  if (size === 1) return signed ? view.getInt8(at) : view.getUint8(at);
  if (size === 2) return signed ? view.getInt16(at, true) : view.getUint16(at, true);
  return signed ? view.getInt32(at, true) : view.getUint32(at, true);
}

function putBig(view: DataView, at: number, size: 8 | 16, value: bigint): void {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  if (size === 16) view.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true);
}

function getBig(view: DataView, at: number, size: 8 | 16): bigint {
  const low = view.getBigUint64(at, true);
  return size === 8 ? low : (view.getBigUint64(at + 8, true) << 64n) | low;
}

function bool(size: number): Coder {
  return {
    size,
    put(value, view, at, path) {
      if (typeof value !== "boolean") throw misfit(path, "a boolean", value);
      view.setUint8(at, value ? 1 : 0);
    },
    get: (view, at) => bytesOf(view, at, size).some((byte) => byte !== 0),
  };
}

function float(size: number, path: string): Coder {
  if (size !== 4 && size !== 8) throw noCodec(path, `a float of ${size} bytes`);
  return {
    size,
    put(value, view, at, where) {
      if (typeof value !== "number") throw misfit(where, "a number", value);
      if (size === 4) view.setFloat32(at, value, true);
      else view.setFloat64(at, value, true);
    },
    get: (view, at) => (size === 4 ? view.getFloat32(at, true) : view.getFloat64(at, true)),
  };
}

// ---- arrays

function isByte(btf: Btf, id: TypeId): boolean {
  let type: BtfType | undefined = btf.types[id];
  for (let depth = 0; depth < MAX_DEPTH && type !== undefined; depth++) {
    if (type.kind === "int") return type.size === 1 && type.encoding !== "bool";
    if (type.kind !== "typedef" && type.kind !== "const" && type.kind !== "volatile") return false;
    type = btf.types[type.type];
  }
  return false;
}

/** Takes an ordinary array of numbers too. */
function byteArray(size: number): Coder {
  return {
    size,
    put(value, view, at, path) {
      if (value instanceof Uint8Array) {
        if (value.length !== size) throw misfit(path, `${size} bytes`, value);
        bytesOf(view, at, size).set(value);
      } else {
        for (const [i, byte] of listOf(value, size, path).entries()) {
          view.setUint8(at + i, smallOf(byte, -128, 255, "byte", `${path}[${i}]`));
        }
      }
    },
    get: (view, at) => bytesOf(view, at, size).slice(),
  };
}

function array(element: Coder, count: number, path: string): Coder {
  if (element.size === 0 && count > 0) throw noCodec(path, "an array of empty elements");
  return {
    size: element.size * count,
    put(value, view, at, path) {
      for (const [i, item] of listOf(value, count, path).entries()) {
        element.put(item, view, at + i * element.size, `${path}[${i}]`);
      }
    },
    get: (view, at) => Array.from({ length: count }, (_, i) => element.get(view, at + i * element.size)),
  };
}

// ---- structures

interface Field {
  /** Empty: the members are the enclosing structure's. */
  readonly name: string;
  readonly at: number;
  readonly coder: Coder;
  /** All names that it takes from an object. */
  readonly names: readonly string[];
}

type Structure = Extract<BtfType, { kind: "struct" | "union" }>;
type StructureCoder = Coder & { readonly names: readonly string[] };

function structure(context: Context, type: Structure, path: string, depth: number): StructureCoder {
  const fields = type.members.map((member) => fieldOf(context, member, path, depth));
  for (const field of fields) {
    if (field.at + field.coder.size > type.size)
      throw noCodec(path, `a ${type.kind} whose member ${field.name} ends after it`);
  }
  const names = fields.flatMap((field) => field.names);
  return {
    size: type.size,
    names,
    put: type.kind === "struct" ? putStruct(fields) : putUnion(fields),
    get: getMembers(fields),
  };
}

/** Global data is read and written like a struct whose members are the variables. */
function variables(btf: Btf, section: Extract<BtfType, { kind: "datasec" }>): Member[] {
  return section.variables.map(({ type, offset }) => {
    const variable = btf.types[type];
    return { name: variable?.kind === "var" ? variable.name : `at_${offset}`, type, bitOffset: offset * 8 };
  });
}

function fieldOf(context: Context, member: Member, path: string, depth: number): Field {
  const name = member.name;
  const where = name === "" ? path : `${path}.${name}`;
  const coder = coderOf(context, member.type, where, depth + 1);
  if (member.bitfieldSize !== undefined && member.bitfieldSize !== 0) {
    return {
      name,
      names: [name],
      ...bitfield(coder, member.bitOffset, member.bitfieldSize, isSigned(context.btf, member.type)),
    };
  }
  return {
    name,
    names: name === "" && "names" in coder ? (coder as StructureCoder).names : [name],
    at: member.bitOffset >> 3,
    coder,
  };
}

function putStruct(fields: readonly Field[]): Coder["put"] {
  const known = new Set(fields.flatMap((field) => field.names));
  return (value, view, at, path) => {
    const object = objectOf(value, path);
    for (const name of Object.keys(object)) {
      if (!known.has(name)) throw misfit(path, `members ${[...known].join(", ")}`, `a member ${name}`);
    }
    for (const field of fields) {
      const member = field.name === "" ? pick(object, field.names) : object[field.name];
      if (member === undefined) throw misfit(`${path}.${field.name}`, "a value", "nothing");
      field.coder.put(member, view, at + field.at, field.name === "" ? path : `${path}.${field.name}`);
    }
  };
}

/** One member is enough; of several the last wins, which for a decoded union are views of the same bytes. */
function putUnion(fields: readonly Field[]): Coder["put"] {
  return (value, view, at, path) => {
    const object = objectOf(value, path);
    const given = fields.filter((field) => field.names.some((name) => Object.hasOwn(object, name)));
    const names = fields.flatMap((field) => field.names);
    const unknown = Object.keys(object).find((name) => !names.includes(name));
    if (given.length === 0 || unknown !== undefined) {
      throw misfit(path, `one of ${names.join(", ")}`, unknown === undefined ? "none" : `a member ${unknown}`);
    }
    for (const field of given) {
      const member = field.name === "" ? pick(object, field.names) : object[field.name];
      if (member !== undefined)
        field.coder.put(member, view, at + field.at, field.name === "" ? path : `${path}.${field.name}`);
    }
  };
}

function getMembers(fields: readonly Field[]): Coder["get"] {
  return (view, at) => {
    const object: Record<string, Value> = {};
    for (const field of fields) {
      const value = field.coder.get(view, at + field.at);
      if (field.name === "") Object.assign(object, value);
      else define(object, field.name, value);
    }
    return object;
  };
}

// A member may be called `__proto__`; it is a name like any other.
function define(object: Record<string, Value>, name: string, value: Value): void {
  if (name === "__proto__")
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}

function pick(object: { readonly [member: string]: Value }, names: readonly string[]): Value {
  return Object.fromEntries(Object.entries(object).filter(([name]) => names.includes(name)));
}

/** Little-endian bit fields: bit 0 is the lowest bit of the first byte. Put byte by byte, next to its neighbours. */
function bitfield(base: Coder, bitOffset: number, bits: number, signed: boolean): { at: number; coder: Coder } {
  const at = bitOffset >> 3;
  const shift = BigInt(bitOffset & 7);
  const size = Math.ceil((bits + (bitOffset & 7)) / 8);
  const mask = (1n << BigInt(bits)) - 1n;
  const min = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const max = signed ? (1n << BigInt(bits - 1)) - 1n : mask;
  const small = base.size <= 4;
  const load = (view: DataView, from: number): bigint =>
    bytesOf(view, from, size).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const coder: Coder = {
    size,
    put(value, view, from, path) {
      const name = `${signed ? "s" : "u"}${bits}`;
      const number = small
        ? BigInt(smallOf(value, Number(min), Number(max), name, path))
        : bigOf(value, min, max, name, path);
      const merged = (load(view, from) & ~(mask << shift)) | ((number & mask) << shift);
      for (let i = 0; i < size; i++) view.setUint8(from + i, Number((merged >> BigInt(8 * i)) & 0xffn));
    },
    get(view, from) {
      const raw = (load(view, from) >> shift) & mask;
      const number = signed ? BigInt.asIntN(bits, raw) : raw;
      return small ? Number(number) : number;
    },
  };
  return { at, coder };
}

function isSigned(btf: Btf, id: TypeId): boolean {
  let type: BtfType | undefined = btf.types[id];
  for (let depth = 0; depth < MAX_DEPTH && type !== undefined; depth++) {
    if (type.kind === "int") return type.encoding === "signed";
    if (type.kind === "enum" || type.kind === "enum64") return type.signed;
    if (!("type" in type)) return false;
    type = btf.types[type.type];
  }
  return false;
}

// ---- checks

function bytesOf(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size);
}

function smallOf(value: Value, min: number, max: number, name: string, path: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw misfit(path, `a number, ${name} (${min} to ${max})`, value);
  }
  return value;
}

function bigOf(value: Value, min: bigint, max: bigint, name: string, path: string): bigint {
  if (typeof value !== "bigint" || value < min || value > max)
    throw misfit(path, `a bigint, ${name} (${min} to ${max})`, value);
  return value;
}

function listOf(value: Value, count: number, path: string): readonly Value[] {
  if (!Array.isArray(value) || value.length !== count) throw misfit(path, `an array of ${count}`, value);
  return value as readonly Value[];
}

function objectOf(value: Value, path: string): { readonly [member: string]: Value } {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array || Array.isArray(value)) {
    throw misfit(path, "an object", value);
  }
  return value as { readonly [member: string]: Value };
}

/** `found` is the value, or text about it. */
function misfit(path: string, expected: string, found: Value | string): DiagnosticError {
  return new DiagnosticError([
    {
      code: "D002",
      severity: "error",
      message: `${path} does not fit its type`,
      place: { kind: "none" },
      expected,
      found: show(found),
    },
  ]);
}

function noCodec(path: string, what: string): DiagnosticError {
  return new DiagnosticError([
    {
      code: "D001",
      severity: "error",
      message: `${path} cannot be read or written: its type is ${what}`,
      place: { kind: "none" },
    },
  ]);
}

function show(value: Value | string): string {
  if (typeof value === "bigint") return `bigint ${value}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "object") return value === null ? "null" : "an object";
  return typeof value === "string" ? value : `${typeof value} ${String(value)}`;
}
