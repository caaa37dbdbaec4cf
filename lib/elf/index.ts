export { ELF_DIAGNOSTICS } from "./diagnostics.ts";
export type { ElfCode } from "./diagnostics.ts";
export { inspectElf, readElf } from "./read.ts";
export type { ElfContents } from "./read.ts";
export { writeElf } from "./write.ts";
