/**
 * Reads an ELF64 little-endian BPF object as sections, symbols and relocations, bounds-checked; what they mean is
 * `read.ts`'s matter. Arbitrary bytes give a container or a DiagnosticError.
 */
import { Reader } from "../bytes/index.ts";
import { elfError } from "./diagnostics.ts";
import {
  EM_BPF,
  ET_REL,
  FILE_HEADER_SIZE,
  IDENT,
  REL_SIZE,
  SECTION_HEADER_SIZE,
  SHF,
  SHT,
  SYMBOL_SIZE,
} from "./format.ts";

export interface Section {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Where the contents are in the file. */
  readonly offset: number;
  readonly size: number;
  /** Empty for `.bss`, which has a size but no contents. */
  readonly bytes: Uint8Array;
  readonly link: number;
  readonly info: number;
}

export interface Symbol {
  readonly name: string;
  /** Section index; 0 is undefined. */
  readonly section: number;
  readonly value: number;
  readonly size: number;
  readonly type: number;
  readonly bind: number;
  readonly visibility: number;
}

export interface ElfRelocation {
  /** Where its record is in the file. */
  readonly at: number;
  /** Bytes from the start of the section that it changes. */
  readonly offset: number;
  readonly type: number;
  readonly symbol: Symbol;
}

export interface Container {
  readonly file: string;
  readonly sections: readonly Section[];
  readonly symbols: readonly Symbol[];
  /** By index of the section that is changed. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

/** Throws DiagnosticError: E001 not an eBPF object, E002 cut off, E003 damaged. `file` names it in diagnostics. */
export function readContainer(bytes: Uint8Array, file: string): Container {
  try {
    const sections = readSections(bytes, file);
    const symbols = readSymbols(sections, file);
    return { file, sections, symbols, relocations: readRelocations(sections, symbols, file) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw elfError("E002", `${file} ends in the middle`, file, bytes.length, { found: error.message });
  }
}

/** Is this code? */
export function isCode(section: Section): boolean {
  return section.type === SHT.progbits && (section.flags & SHF.execinstr) !== 0 && section.size > 0;
}

interface FileHeader {
  readonly table: number;
  readonly count: number;
  readonly names: number;
}

function readFileHeader(bytes: Uint8Array, file: string): FileHeader {
  const magic = bytes.subarray(0, 4);
  if (bytes.length < FILE_HEADER_SIZE || !IDENT.slice(0, 4).every((b, i) => magic[i] === b)) {
    throw elfError("E001", `${file} is not an ELF file`, file, 0, {
      expected: `"\\x7fELF" and a header of ${FILE_HEADER_SIZE} bytes`,
    });
  }
  if (!IDENT.every((b, i) => bytes[i] === b)) {
    const found = `class ${bytes[4]}, byte order ${bytes[5]}, version ${bytes[6]}`;
    throw elfError("E001", `${file} is an ELF file of another machine`, file, 4, {
      expected: "class 2 (64 bits), byte order 1 (little-endian), version 1",
      found,
    });
  }
  const r = new Reader(bytes, 16);
  const type = r.u16();
  const machine = r.u16();
  if (type !== ET_REL || machine !== EM_BPF) {
    const details = {
      expected: `type ${ET_REL} (relocatable), machine ${EM_BPF} (BPF)`,
      found: `type ${type}, machine ${machine}`,
    };
    throw elfError("E001", `${file} is not an eBPF object`, file, 16, details);
  }
  r.offset = 40;
  const table = toNumber(r.u64(), file, 40);
  r.offset = 58;
  const [entrySize, count, names] = [r.u16(), r.u16(), r.u16()];
  if (entrySize !== SECTION_HEADER_SIZE)
    throw elfError("E003", `${file} has section headers of ${entrySize} bytes`, file, 58, {
      expected: String(SECTION_HEADER_SIZE),
    });
  return { table, count, names };
}

function readSections(bytes: Uint8Array, file: string): Section[] {
  const header = readFileHeader(bytes, file);
  const nameOffsets: number[] = [];
  const unnamed = Array.from({ length: header.count }, (_, index): Section => {
    const at = header.table + index * SECTION_HEADER_SIZE;
    const r = new Reader(bytes, at);
    nameOffsets.push(r.u32());
    const type = r.u32();
    const flags = Number(r.u64() & 0xffn);
    r.u64();
    const offset = toNumber(r.u64(), file, at + 24);
    const size = toNumber(r.u64(), file, at + 32);
    const empty = type === SHT.nobits || type === SHT.null;
    const contents = empty ? new Uint8Array() : new Reader(bytes, offset).slice(size);
    return { index, name: "", type, flags, offset, size, bytes: contents, link: r.u32(), info: r.u32() };
  });
  const names = unnamed[header.names]?.bytes ?? new Uint8Array();
  return unnamed.map((s, i) => ({ ...s, name: nameAt(names, nameOffsets[i] ?? 0, file) }));
}

function readSymbols(sections: readonly Section[], file: string): Symbol[] {
  const table = sections.find((s) => s.type === SHT.symtab);
  if (table === undefined) return [];
  const names = sections[table.link]?.bytes ?? new Uint8Array();
  const count = Math.floor(table.size / SYMBOL_SIZE);
  return Array.from({ length: count }, (_, i) => {
    const r = new Reader(table.bytes, i * SYMBOL_SIZE);
    const name = nameAt(names, r.u32(), file);
    const info = r.u8();
    const visibility = r.u8() & 3;
    const section = r.u16();
    const at = table.offset + i * SYMBOL_SIZE;
    const value = toNumber(r.u64(), file, at + 8);
    const size = toNumber(r.u64(), file, at + 16);
    return { name, section, value, size, type: info & 15, bind: info >> 4, visibility };
  });
}

function readRelocations(
  sections: readonly Section[],
  symbols: readonly Symbol[],
  file: string,
): ReadonlyMap<number, readonly ElfRelocation[]> {
  const found = new Map<number, ElfRelocation[]>();
  for (const table of sections) {
    if (table.type !== SHT.rel) continue;
    const count = Math.floor(table.size / REL_SIZE);
    const list = found.get(table.info) ?? [];
    for (let i = 0; i < count; i++) {
      const at = table.offset + i * REL_SIZE;
      const r = new Reader(table.bytes, i * REL_SIZE);
      const offset = toNumber(r.u64(), file, at);
      const type = r.u32();
      const index = r.u32();
      const symbol = symbols[index];
      if (symbol === undefined)
        throw elfError("E003", `${file} has a relocation against symbol ${index}, which is not there`, file, at);
      list.push({ at, offset, type, symbol });
    }
    found.set(table.info, list);
  }
  return found;
}

/** The zero-terminated name at an offset of a name table. */
function nameAt(names: Uint8Array, offset: number, file: string): string {
  if (offset === 0) return "";
  const end = names.indexOf(0, offset);
  if (offset >= names.length || end < 0)
    throw elfError("E003", `${file} has a name outside of its name table`, file, 0, {
      found: `offset ${offset} of ${names.length}`,
    });
  return DECODER.decode(names.subarray(offset, end));
}

const DECODER = new TextDecoder();

function toNumber(value: bigint, file: string, at: number): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw elfError("E003", `${file} has an impossible offset or size`, file, at, { found: String(value) });
}
