/**
 * What maps hold from the start: in `.maps` an address stands for a map (in a map of maps) or a program (in a prog_array), in
 * `.struct_ops` for the program that implements a member. The file has them as relocations of 64-bit words.
 */
import { Reader } from "../bytes/index.ts";
import type { InitialEntry } from "../object/index.ts";
import type { Container, ElfRelocation, Section } from "./container.ts";
import { elfError } from "./diagnostics.ts";
import type { ElfCode } from "./diagnostics.ts";
import { R_BPF } from "./format.ts";

const WORD = 8;

/** A range of words of a section, and how to find what a place of another section is called. */
export interface Words {
  readonly container: Container;
  readonly section: Section;
  readonly start: number;
  readonly end: number;
  readonly nameAt: (section: number, offset: number) => string | null;
}

/** The words that hold addresses, by ascending index. Throws an error of that code for one that is not the start of a thing. */
export function readEntries(words: Words, code: ElfCode, what: string): InitialEntry[] {
  const { container, section, start, end } = words;
  return (container.relocations.get(section.index) ?? [])
    .filter(({ offset }) => offset >= start && offset < end)
    .map((relocation) => {
      const index = (relocation.offset - start) / WORD;
      const name = relocation.type === R_BPF.abs64 && Number.isInteger(index) ? nameOf(words, relocation) : null;
      if (name !== null) return { index, name };
      throw elfError(code, `${what} holds an address that is no map and no program`, container.file, relocation.at);
    })
    .toSorted((a, b) => a.index - b.index);
}

/** An address against a section's symbol has the rest of the way in the word itself. */
function nameOf({ section, nameAt }: Words, { offset, symbol }: ElfRelocation): string | null {
  if (offset + WORD > section.bytes.length) return null;
  const rest = new Reader(section.bytes, offset).u64();
  return rest > BigInt(Number.MAX_SAFE_INTEGER) ? null : nameAt(symbol.section, symbol.value + Number(rest));
}
