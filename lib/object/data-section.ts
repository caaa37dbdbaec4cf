/** Global data: the sections whose bytes become array maps of one entry. */
import { MAP_FLAGS } from "../kernel/index.ts";

/** `.data`, `.rodata`, `.bss`, and `.data.…`, `.rodata.…`, `.bss.…`, of which an object can have several. */
const DATA_SECTION = /^(\.data|\.rodata|\.bss)(\..+)?$/;

/** Is this the name of a section with global data? */
export function isDataSection(name: string): boolean {
  return DATA_SECTION.test(name);
}

/** Is this the name of a section whose data is zeros, which the file does not hold? */
export function isZeroSection(name: string): boolean {
  return name === ".bss" || name.startsWith(".bss.");
}

/** What a data section's name says of its map: read-only data is frozen once its initial value is written. */
export function dataSectionTraits(name: string): { readonly flags: number; readonly frozen: boolean } {
  const frozen = name.startsWith(".rodata");
  return { flags: frozen ? MAP_FLAGS.rdonly_prog : 0, frozen };
}
