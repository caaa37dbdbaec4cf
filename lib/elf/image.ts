/**
 * Lays out an ELF64 relocatable file: header, section contents, section headers. Knows nothing of eBPF but its machine
 * number; `write.ts` says what the sections are.
 */
import { Writer } from "../bytes/index.ts";
import {
  EM_BPF,
  ET_REL,
  FILE_HEADER_SIZE,
  IDENT,
  REL_SIZE,
  SECTION_HEADER_SIZE,
  SHT,
  STB,
  SYMBOL_SIZE,
} from "./format.ts";

export interface ImageSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly bytes: Uint8Array;
  readonly relocations: readonly ImageRelocation[];
}

/** `symbol` is an index in the list of symbols, `offset` counts bytes from the start of the section. */
export interface ImageRelocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: number;
}

/** `section` is an index in the list of sections, UNDEFINED for a symbol of somebody else. A section's own symbol has an empty name. */
export interface ImageSymbol {
  readonly name: string;
  readonly section: number;
  readonly value: number;
  readonly size: number;
  readonly type: number;
  readonly bind: number;
}

/** The section of symbols that the file does not define: number 0 of the file. */
export const UNDEFINED = -1;

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly align: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
  readonly bytes: Uint8Array;
}

/**
 * The file. Local symbols must come first. Section numbers in the file are the indices of `sections` plus one; then come
 * the relocation sections, `.symtab` and `.strtab`, which holds the names of sections too.
 */
export function writeImage(sections: readonly ImageSection[], symbols: readonly ImageSymbol[]): Uint8Array {
  const relocated = sections.flatMap((section, index) => (section.relocations.length > 0 ? [{ section, index }] : []));
  const symtab = 1 + sections.length + relocated.length;
  const strings = new NameTable();
  // prettier-ignore
  const headers: Header[] = [
    ...sections.map((s) => ({ ...s, link: 0, info: 0, entrySize: 0 })),
    // prettier-ignore
    ...relocated.map(({ section, index }) => ({
      name: `.rel${section.name}`, type: SHT.rel, flags: 0, align: 8, link: symtab, info: index + 1, entrySize: REL_SIZE,
      bytes: encodeRelocations(section.relocations),
    })),
    {
      name: ".symtab", type: SHT.symtab, flags: 0, align: 8, link: symtab + 1, entrySize: SYMBOL_SIZE,
      info: 1 + symbols.filter((s) => s.bind === STB.local).length, bytes: encodeSymbols(symbols, strings),
    },
  ];
  const nameOffsets = [...headers.map((h) => strings.add(h.name)), strings.add(".strtab")];
  headers.push({
    name: ".strtab",
    type: SHT.strtab,
    flags: 0,
    align: 1,
    link: 0,
    info: 0,
    entrySize: 0,
    bytes: strings.finish(),
  });
  return layOut(headers, nameOffsets);
}

function layOut(headers: readonly Header[], nameOffsets: readonly number[]): Uint8Array {
  const out = new Writer().put(new Uint8Array(FILE_HEADER_SIZE));
  const table = new Writer().put(new Uint8Array(SECTION_HEADER_SIZE));
  headers.forEach((h, i) => {
    out.align(h.align);
    table
      .u32(nameOffsets[i] ?? 0)
      .u32(h.type)
      .u64(BigInt(h.flags))
      .u64(0n)
      .u64(BigInt(out.length));
    table.u64(BigInt(h.bytes.length)).u32(h.link).u32(h.info).u64(BigInt(h.align)).u64(BigInt(h.entrySize));
    if (h.type !== SHT.nobits) out.put(h.bytes);
  });
  out.align(8);
  const tableAt = out.length;
  const file = out.put(table.finish()).finish();
  file.set(encodeFileHeader(tableAt, headers.length + 1));
  return file;
}

function encodeFileHeader(sectionTable: number, sectionCount: number): Uint8Array {
  const out = new Writer().put(Uint8Array.from(IDENT)).align(16);
  out.u16(ET_REL).u16(EM_BPF).u32(1).u64(0n).u64(0n).u64(BigInt(sectionTable)).u32(0);
  out
    .u16(FILE_HEADER_SIZE)
    .u16(0)
    .u16(0)
    .u16(SECTION_HEADER_SIZE)
    .u16(sectionCount)
    .u16(sectionCount - 1);
  return out.finish();
}

function encodeRelocations(relocations: readonly ImageRelocation[]): Uint8Array {
  const out = new Writer();
  for (const r of relocations)
    out
      .u64(BigInt(r.offset))
      .u32(r.type)
      .u32(r.symbol + 1);
  return out.finish();
}

function encodeSymbols(symbols: readonly ImageSymbol[], strings: NameTable): Uint8Array {
  const out = new Writer().put(new Uint8Array(SYMBOL_SIZE));
  for (const s of symbols) {
    out
      .u32(strings.add(s.name))
      .u8((s.bind << 4) | s.type)
      .u8(0)
      .u16(s.section + 1)
      .u64(BigInt(s.value))
      .u64(BigInt(s.size));
  }
  return out.finish();
}

/** Zero-terminated names, each once, in the order of first use; the empty one first. */
class NameTable {
  private readonly offsets = new Map<string, number>([["", 0]]);
  private readonly out = new Writer().u8(0);
  private readonly encoder = new TextEncoder();

  add(name: string): number {
    const known = this.offsets.get(name);
    if (known !== undefined) return known;
    const offset = this.out.length;
    this.out.put(this.encoder.encode(name)).u8(0);
    this.offsets.set(name, offset);
    return offset;
  }

  finish(): Uint8Array {
    return this.out.finish();
  }
}
