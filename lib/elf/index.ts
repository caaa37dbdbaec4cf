export { ELF_DIAGNOSTICS } from "./diagnostics.ts";
export type { ElfCode } from "./diagnostics.ts";
export { inspectElf, readElf, readSection } from "./read.ts";
export type { ElfContents, ReadElfOptions } from "./read.ts";
export { writeElf } from "./write.ts";
export type { ExtraSection } from "./write.ts";
