/** The numbers of ELF that BPF objects use. Source: the System V gABI; for EM_BPF docs.kernel.org/bpf/llvm_reloc.html. */

export const FILE_HEADER_SIZE = 64;
export const SECTION_HEADER_SIZE = 64;
export const SYMBOL_SIZE = 24;
export const REL_SIZE = 16;

/** 7f 45 4c 46, class 64-bit, little-endian, version 1. */
export const IDENT = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] as const;
export const ET_REL = 1;
export const EM_BPF = 247;

export const SHT = { null: 0, progbits: 1, symtab: 2, strtab: 3, rela: 4, nobits: 8, rel: 9 } as const;
export const SHF = { write: 1, alloc: 2, execinstr: 4 } as const;
export const STB = { local: 0, global: 1, weak: 2 } as const;
/** Visible to nobody outside of the file that a linker makes. */
export const STV = { internal: 1, hidden: 2 } as const;
export const STT = { notype: 0, object: 1, func: 2, section: 3 } as const;
/** Section indices from here on are special. */
export const SHN_LORESERVE = 0xff00;

/** Relocation types: a 64-bit immediate load; 8 bytes of data; a call. */
export const R_BPF = { r64_64: 1, abs64: 2, r64_32: 10 } as const;
