/** ELF objects with CO-RE relocations, which our compiler does not write. */
import { BtfStrings, decodeBtfExt, decodeBtfSection, encodeBtf, encodeBtfExt } from "../../lib/btf/index.ts";
import type { CoreRelocation } from "../../lib/btf/index.ts";
import { readContainer } from "../../lib/elf/container.ts";

/** Where an ELF64 header says where section headers are, and what of a section header is changed here. */
const SECTION_HEADERS_AT = 40;
const SECTION_HEADER_SIZE = 64;
const OFFSET_AT = 24;
const SIZE_AT = 32;

/** The object with these relocations: new `.BTF` and `.BTF.ext` sections behind the rest of the file. */
export function withCore(elf: Uint8Array, coreRelocations: readonly CoreRelocation[]): Uint8Array {
  const { sections } = readContainer(elf, "sample");
  const find = (name: string): { index: number; bytes: Uint8Array } => {
    const section = sections.find((s) => s.name === name);
    if (section === undefined) throw new Error(`the sample has no ${name}`);
    return section;
  };
  const { btf, strings: old } = decodeBtfSection(find(".BTF").bytes, "sample");
  const ext = decodeBtfExt(find(".BTF.ext").bytes, old, "sample");
  const strings = new BtfStrings();
  const newExt = encodeBtfExt({ ...ext, coreRelocations }, strings);
  const newBtf = encodeBtf(btf, strings);
  const file = new Uint8Array(elf.length + newExt.length + newBtf.length);
  file.set(elf);
  const view = new DataView(file.buffer);
  const headers = Number(view.getBigUint64(SECTION_HEADERS_AT, true));
  let end = elf.length;
  for (const [name, bytes] of [
    [".BTF", newBtf],
    [".BTF.ext", newExt],
  ] as const) {
    const header = headers + find(name).index * SECTION_HEADER_SIZE;
    file.set(bytes, end);
    view.setBigUint64(header + OFFSET_AT, BigInt(end), true);
    view.setBigUint64(header + SIZE_AT, BigInt(bytes.length), true);
    end += bytes.length;
  }
  return file;
}
