/**
 * The numbers of the BTF wire form, one table each. Source: docs.kernel.org/bpf/btf.html and include/uapi/linux/btf.h.
 *
 *   header   magic u16 · version u8 · flags u8 · header length u32 · type offset, length u32 · string offset, length u32
 *   type     name offset u32 · info u32 · size or type u32 · what the kind adds
 *   info     bit 31 kind flag · bits 24..28 kind · bits 0..15 number of members (or the linkage of a function)
 */
import type { BtfType } from "./types.ts";

export type BtfKind = BtfType["kind"];

export const MAGIC = 0xeb9f;
export const VERSION = 1;
export const HEADER_SIZE = 24;
/** Bytes of a type without what its kind adds. */
export const TYPE_SIZE = 12;

/** BTF_MAX_TYPE, BTF_MAX_NAME_OFFSET and BTF_MAX_VLEN of the kernel. */
export const MAX_TYPES = 0xfffff;
export const MAX_STRINGS = 0xffffff;
export const MAX_VLEN = 0xffff;

/** The kinds at the index that is their number. */
// prettier-ignore
export const KINDS = [
  "void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef", "volatile", "const", "restrict", "func",
  "func_proto", "var", "datasec", "float", "decl_tag", "type_tag", "enum64",
] as const satisfies readonly BtfKind[];

/** Kind numbers by name. */
export const KIND_NUMBERS = Object.fromEntries(KINDS.map((kind, number) => [kind, number])) as Record<BtfKind, number>;

/** BTF_INT_SIGNED, BTF_INT_CHAR, BTF_INT_BOOL: the kernel takes one at most. */
export const INT_ENCODINGS = { unsigned: 0, signed: 1, char: 2, bool: 4 } as const;

/** Linkage of functions and variables at the index that is its number. */
export const LINKAGES = ["static", "global", "extern"] as const;
export type Linkage = (typeof LINKAGES)[number];
