/**
 * The bytes of a `.BTF` section to values. Arbitrary bytes give a BTF or a DiagnosticError with the offset, nothing else.
 *
 * The type section is read through a DataView of just its bytes, so a record that leaves it makes the view throw; the
 * catch around the loop knows which record it was.
 */
import type { DiagnosticError } from "../diag/index.ts";
import { badBytes } from "./diagnostics.ts";
import { HEADER_SIZE, INT_ENCODINGS, KINDS, LINKAGES, MAGIC, MAX_TYPES, TYPE_SIZE, VERSION } from "./format.ts";
import type { BtfKind, Linkage } from "./format.ts";
import { referencesOf } from "./references.ts";
import { StringTable } from "./strings.ts";
import type { Btf, BtfType, Enumerator, Member, Param, SectionVariable } from "./types.ts";

/** BTF with the string table that `.BTF.ext` refers to. */
export interface BtfSection {
  readonly btf: Btf;
  readonly strings: StringTable;
}

/**
 * Decodes a whole (not split) BTF, little-endian. `file` names it in diagnostics.
 * Throws DiagnosticError: B001 not BTF, B002 cut off, B003 unknown version, kind or flag, B004 bad reference, B005 bad string.
 */
export function decodeBtf(bytes: Uint8Array, file = "BTF"): Btf {
  return decodeBtfSection(bytes, file).btf;
}

/** As `decodeBtf`, and keeps the string table for `decodeBtfExt`. */
export function decodeBtfSection(bytes: Uint8Array, file = "BTF"): BtfSection {
  const header = readHeader(bytes, file);
  const strings = new StringTable(part(bytes, header.strings), file, header.strings.at);
  return { btf: { types: readTypes(part(bytes, header.types), strings, file, header.types.at) }, strings };
}

interface Range {
  readonly at: number;
  readonly size: number;
}

function part(bytes: Uint8Array, range: Range): Uint8Array {
  return bytes.subarray(range.at, range.at + range.size);
}

function readHeader(bytes: Uint8Array, file: string): { types: Range; strings: Range } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 2 || view.getUint16(0, true) !== MAGIC) {
    const big = bytes.length >= 2 && view.getUint16(0, false) === MAGIC;
    throw badBytes("B001", big ? `${file} is big-endian BTF` : `${file} is not BTF`, file, 0, {
      expected: "the magic number eb9f, little-endian",
      ...(big ? { remedy: "compile for bpfel: only little-endian machines are supported" } : {}),
    });
  }
  if (bytes.length < HEADER_SIZE) throw cutOff(file, 0, `a header of ${HEADER_SIZE} bytes`, bytes.length);
  if (view.getUint8(2) !== VERSION || view.getUint8(3) !== 0) {
    throw badBytes("B003", `${file} has an unknown version or flag`, file, 2, {
      expected: `version ${VERSION}, no flags`,
      found: `version ${view.getUint8(2)}, flags ${view.getUint8(3)}`,
    });
  }
  const headerSize = view.getUint32(4, true);
  if (headerSize < HEADER_SIZE)
    throw badBytes("B003", `${file} has a header that is too short`, file, 4, { found: String(headerSize) });
  const range = (at: number): Range => {
    const found = { at: headerSize + view.getUint32(at, true), size: view.getUint32(at + 4, true) };
    if (found.at + found.size > bytes.length) {
      throw cutOff(file, at, `a section of ${found.size} bytes at ${found.at}`, bytes.length);
    }
    return found;
  };
  return { types: range(8), strings: range(16) };
}

/** A type record's first three words, and the view to read on from. */
interface Cursor {
  readonly view: DataView;
  at: number;
}

function readTypes(bytes: Uint8Array, strings: StringTable, file: string, base: number): BtfType[] {
  const types: BtfType[] = [{ kind: "void" }];
  const starts: number[] = [base];
  const cursor: Cursor = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), at: 0 };
  while (cursor.at < bytes.length) {
    const start = cursor.at;
    if (types.length > MAX_TYPES)
      throw badBytes("B003", `${file} has more than ${MAX_TYPES} types`, file, base + start);
    try {
      types.push(readType(cursor, strings, file, base + start));
    } catch (error) {
      if (error instanceof RangeError) throw cutOff(file, base + start, "a whole type", bytes.length - start);
      throw error;
    }
    starts.push(base + start);
  }
  types.forEach((type, id) => checkReferences(type, types.length, file, starts[id] ?? base));
  return types;
}

function readType(c: Cursor, strings: StringTable, file: string, place: number): BtfType {
  const nameOffset = c.view.getUint32(c.at, true);
  const info = c.view.getUint32(c.at + 4, true);
  const word = c.view.getUint32(c.at + 8, true);
  c.at += TYPE_SIZE;
  const kind: BtfKind = KINDS[(info >>> 24) & 0x1f] ?? "void";
  const flag = info >>> 31 === 1;
  const vlen = info & 0xffff;
  const name = strings.get(nameOffset);
  const refuse = (what: string, found: number): DiagnosticError =>
    badBytes("B003", `${file} has ${what}`, file, place, { found: String(found) });
  const linkage = (number: number): Linkage => {
    const found = LINKAGES[number];
    if (found === undefined) throw refuse("an unknown linkage", number);
    return found;
  };
  switch (kind) {
    case "void":
      throw refuse("a type of unknown kind", (info >>> 24) & 0x1f);
    case "int":
      return readInt(next(c), name, word, refuse);
    case "ptr":
    case "volatile":
    case "const":
    case "restrict":
      return { kind, type: word };
    case "array":
      return { kind, element: next(c), index: next(c), count: next(c) };
    case "struct":
    case "union":
      return { kind, name, size: word, members: repeat(vlen, () => readMember(c, flag, strings)) };
    case "enum":
      return { kind, name, size: word, signed: flag, values: repeat(vlen, () => readEnumerator(c, 32, flag, strings)) };
    case "enum64":
      return { kind, name, size: word, signed: flag, values: repeat(vlen, () => readEnumerator(c, 64, flag, strings)) };
    case "fwd":
      return { kind, name, union: flag };
    case "typedef":
      return { kind, name, type: word };
    case "type_tag":
      return { kind, name, type: word, ...(flag ? { attribute: true } : {}) };
    case "func":
      return { kind, name, type: word, linkage: linkage(vlen) };
    case "func_proto":
      return { kind, result: word, params: repeat(vlen, (): Param => ({ name: strings.get(next(c)), type: next(c) })) };
    case "var":
      return { kind, name, type: word, linkage: linkage(next(c)) };
    case "datasec":
      return {
        kind,
        name,
        size: word,
        variables: repeat(vlen, (): SectionVariable => ({ type: next(c), offset: next(c), size: next(c) })),
      };
    case "float":
      return { kind, name, size: word };
    case "decl_tag":
      return { kind, name, type: word, component: next(c) | 0, ...(flag ? { attribute: true } : {}) };
  }
}

/** Bits 24..27 encoding, 16..23 offset, 0..7 number of bits. */
function readInt(word: number, name: string, size: number, refuse: (what: string, found: number) => Error): BtfType {
  const number = (word >>> 24) & 0xf;
  const encoding = INT_NAMES.get(number);
  if (encoding === undefined) throw refuse("an integer of unknown encoding", number);
  const bits = word & 0xff;
  const bitOffset = (word >>> 16) & 0xff;
  return {
    kind: "int",
    name,
    size,
    encoding,
    ...(bits === size * 8 ? {} : { bits }),
    ...(bitOffset === 0 ? {} : { bitOffset }),
  };
}

type IntEncoding = keyof typeof INT_ENCODINGS;
const INT_NAMES = new Map<number, IntEncoding>(
  (Object.keys(INT_ENCODINGS) as IntEncoding[]).map((name) => [INT_ENCODINGS[name], name]),
);

function readMember(c: Cursor, flag: boolean, strings: StringTable): Member {
  const name = strings.get(next(c));
  const type = next(c);
  const word = next(c);
  const bitfieldSize = flag ? word >>> 24 : 0;
  const bitOffset = flag ? word & 0xffffff : word;
  return bitfieldSize === 0 ? { name, type, bitOffset } : { name, type, bitOffset, bitfieldSize };
}

function readEnumerator(c: Cursor, bits: 32 | 64, signed: boolean, strings: StringTable): Enumerator {
  const name = strings.get(next(c));
  const low = BigInt(next(c));
  const raw = bits === 64 ? (BigInt(next(c)) << 32n) | low : low;
  return { name, value: signed ? BigInt.asIntN(bits, raw) : raw };
}

/** The next word. Throws RangeError past the end. */
function next(c: Cursor): number {
  const value = c.view.getUint32(c.at, true);
  c.at += 4;
  return value;
}

function repeat<T>(count: number, read: () => T): T[] {
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(read());
  return items;
}

function checkReferences(type: BtfType, count: number, file: string, place: number): void {
  for (const to of referencesOf(type)) {
    if (to < count) continue;
    throw badBytes("B004", `a type of ${file} refers to one that is not there`, file, place, {
      expected: `a type id below ${count}`,
      found: String(to),
    });
  }
}

function cutOff(file: string, offset: number, expected: string, left: number): DiagnosticError {
  return badBytes("B002", `${file} ends in the middle`, file, offset, {
    expected,
    found: `${left} bytes up to the end`,
  });
}
