/**
 * `.BTF.ext`: which function and which source line each instruction belongs to, and CO-RE relocations.
 *
 *   header      magic u16 · version u8 · flags u8 · header length u32 · offset, length u32 of each of the three parts
 *   part        record size u32 · { section name u32 · number of records u32 · records }*
 *   func_info   instruction offset u32 · type id u32
 *   line_info   instruction offset u32 · file name u32 · line text u32 · line << 10 | column u32
 *   core_relo   instruction offset u32 · type id u32 · access string u32 · kind u32
 *
 * Here instruction offsets are bytes from the start of the section; in the records of BPF_PROG_LOAD (`encodeFuncInfo`,
 * `encodeLineInfo`) they are slots from the start of the program. Source: docs.kernel.org/bpf/btf.html §4.
 */
import { Reader, Writer } from "../bytes/index.ts";
import { badBytes } from "./diagnostics.ts";
import { MAGIC, VERSION } from "./format.ts";
import type { BtfStrings, StringTable } from "./strings.ts";
import type { TypeId } from "./types.ts";

/** The function that starts at `offset` bytes of the section. */
// prettier-ignore
export interface ExtFunction { readonly section: string; readonly offset: number; readonly type: TypeId }

/** The source line of the instructions from `offset` bytes of the section on. */
export interface ExtLine extends LinePosition {
  readonly section: string;
  readonly offset: number;
}

/** Line and column count from 1; the wire form holds 22 and 10 bits of them, larger ones become the largest. */
export interface LinePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** A CO-RE relocation. `access` names members by index ("0:1:2"); `kind` is enum bpf_core_relo_kind's number. */
// prettier-ignore
export interface CoreRelocation { readonly section: string; readonly offset: number; readonly type: TypeId; readonly access: string; readonly kind: number }

/** Each list is grouped by section: a section's records are adjacent. */
export interface BtfExt {
  readonly functions: readonly ExtFunction[];
  readonly lines: readonly ExtLine[];
  readonly coreRelocations: readonly CoreRelocation[];
}

const HEADER_SIZE = 32;
/** Headers end here when written by compilers without CO-RE. */
const SHORT_HEADER_SIZE = 24;
const FUNC_INFO_SIZE = 8;
const LINE_INFO_SIZE = 16;
const CORE_RELO_SIZE = 16;

export const MAX_LINE = 2 ** 22 - 1;
export const MAX_COLUMN = 2 ** 10 - 1;

/** Encodes a `.BTF.ext` section. Its strings go to `strings`, which `encodeBtf` writes out afterwards. */
export function encodeBtfExt(ext: BtfExt, strings: BtfStrings): Uint8Array {
  const parts = [
    encodePart(ext.functions, FUNC_INFO_SIZE, strings, (f, out) => out.u32(f.offset).u32(f.type)),
    encodePart(ext.lines, LINE_INFO_SIZE, strings, (l, out) => encodeLine(l.offset, l, strings, out)),
    encodePart(ext.coreRelocations, CORE_RELO_SIZE, strings, (r, out) =>
      out.u32(r.offset).u32(r.type).u32(strings.add(r.access)).u32(r.kind),
    ),
  ];
  const out = new Writer().u16(MAGIC).u8(VERSION).u8(0).u32(HEADER_SIZE);
  let at = 0;
  for (const part of parts) {
    out.u32(at).u32(part.length);
    at += part.length;
  }
  for (const part of parts) out.put(part);
  return out.finish();
}

/** The func_info records of BPF_PROG_LOAD: `struct bpf_func_info { u32 insn_off (slots); u32 type_id; }`. */
export function encodeFuncInfo(functions: readonly { readonly slot: number; readonly type: TypeId }[]): Uint8Array {
  const out = new Writer();
  for (const f of functions) out.u32(f.slot).u32(f.type);
  return out.finish();
}

/**
 * The line_info records of BPF_PROG_LOAD: `struct bpf_line_info { u32 insn_off (slots); u32 file_name_off; u32 line_off;
 * u32 line_col; }`. The strings go to `strings`, which `encodeBtf` writes out afterwards.
 */
export function encodeLineInfo(
  lines: readonly (LinePosition & { readonly slot: number })[],
  strings: BtfStrings,
): Uint8Array {
  const out = new Writer();
  for (const line of lines) encodeLine(line.slot, line, strings, out);
  return out.finish();
}

/** Decodes a `.BTF.ext` section. `strings` is the table of the `.BTF` beside it. Throws B001, B002, B003, B005. */
export function decodeBtfExt(bytes: Uint8Array, strings: StringTable, file = "BTF.ext"): BtfExt {
  try {
    const [functions, lines, relocations] = readHeader(bytes, file);
    return {
      functions: decodePart(functions, FUNC_INFO_SIZE, strings, file, (r, section) => ({
        section,
        offset: r.u32(),
        type: r.u32(),
      })),
      lines: decodePart(lines, LINE_INFO_SIZE, strings, file, (r, section) => decodeLine(r, section, strings)),
      coreRelocations: decodePart(relocations, CORE_RELO_SIZE, strings, file, (r, section) => ({
        section,
        offset: r.u32(),
        type: r.u32(),
        access: strings.get(r.u32()),
        kind: r.u32(),
      })),
    };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw badBytes("B002", `${file} ends in the middle`, file, bytes.length, { found: error.message });
  }
}

function encodePart<T extends { readonly section: string }>(
  records: readonly T[],
  recordSize: number,
  strings: BtfStrings,
  encode: (record: T, out: Writer) => void,
): Uint8Array {
  if (records.length === 0) return new Uint8Array();
  const out = new Writer().u32(recordSize);
  for (const section of new Set(records.map((r) => r.section))) {
    const group = records.filter((r) => r.section === section);
    out.u32(strings.add(section)).u32(group.length);
    for (const record of group) encode(record, out);
  }
  return out.finish();
}

function encodeLine(at: number, line: LinePosition, strings: BtfStrings, out: Writer): void {
  const packed = Math.min(line.line, MAX_LINE) * 1024 + Math.min(line.column, MAX_COLUMN);
  out.u32(at).u32(strings.add(line.file)).u32(strings.add(line.text)).u32(packed);
}

function decodeLine(r: Reader, section: string, strings: StringTable): ExtLine {
  const offset = r.u32();
  const file = strings.get(r.u32());
  const text = strings.get(r.u32());
  const packed = r.u32();
  return { section, offset, file, line: packed >>> 10, column: packed & MAX_COLUMN, text };
}

/** The three parts, each from its record size on. Throws RangeError where one is cut off. */
function readHeader(bytes: Uint8Array, file: string): [Reader, Reader, Reader] {
  const header = new Reader(bytes);
  const magic = bytes.length < 2 ? 0 : header.u16();
  if (magic !== MAGIC)
    throw badBytes("B001", `${file} is not BTF.ext`, file, 0, { expected: "the magic number eb9f, little-endian" });
  const version = header.u8();
  const flags = header.u8();
  const size = header.u32();
  if (version !== VERSION || flags !== 0 || size < SHORT_HEADER_SIZE) {
    throw badBytes("B003", `${file} has a header of unknown form`, file, 2, {
      expected: `version ${VERSION}, no flags, at least ${SHORT_HEADER_SIZE} bytes`,
      found: `version ${version}, flags ${flags}, ${size} bytes`,
    });
  }
  const part = (): Reader => new Reader(new Reader(bytes, size + header.u32()).slice(header.u32()));
  return [part(), part(), size < HEADER_SIZE ? new Reader(new Uint8Array()) : part()];
}

function decodePart<T>(
  part: Reader,
  recordSize: number,
  strings: StringTable,
  file: string,
  decode: (record: Reader, section: string) => T,
): T[] {
  const records: T[] = [];
  if (part.remaining === 0) return records;
  const size = part.u32();
  if (size < recordSize) {
    throw badBytes("B003", `${file} has records that are too short`, file, 0, {
      expected: `at least ${recordSize} bytes`,
      found: String(size),
    });
  }
  while (part.remaining > 0) {
    const section = strings.get(part.u32());
    const count = part.u32();
    for (let i = 0; i < count; i++) records.push(decode(new Reader(part.slice(size)), section));
  }
  return records;
}
