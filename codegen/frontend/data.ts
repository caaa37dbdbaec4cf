/**
 * Global data: what becomes the `.rodata`, `.data` and `.bss` maps. Variables are placed when kernel code first mentions
 * them, so the layout follows from the program text alone.
 */
import type { SourceType } from "./asc.ts";

export type DataSection = ".rodata" | ".data" | ".bss";

export interface DataVariable {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
  /** Null: bytes without a type that BTF could tell (a literal, a table). */
  readonly type: SourceType | null;
  readonly bytes: Uint8Array;
}

export class GlobalData {
  private readonly sections = new Map<DataSection, DataVariable[]>();
  private readonly names = new Map<string, number>();

  /** Adds a variable, aligned to `align` bytes; gives its offset in the section. */
  add(section: DataSection, name: string, bytes: Uint8Array, type: SourceType | null, align: number): number {
    const variables = this.variables(section);
    const last = variables.at(-1);
    const end = last === undefined ? 0 : last.offset + last.size;
    const offset = Math.ceil(end / align) * align;
    variables.push({ name: this.unique(name), offset, size: bytes.length, type, bytes });
    this.sections.set(section, variables);
    return offset;
  }

  /** In order of offset; empty for a section that does not exist. */
  variables(section: DataSection): DataVariable[] {
    return this.sections.get(section) ?? [];
  }

  /** BTF names variables; two modules may use one name. */
  private unique(name: string): string {
    const clean = name.replace(/\W/g, "_");
    const seen = this.names.get(clean) ?? 0;
    this.names.set(clean, seen + 1);
    return seen === 0 ? clean : `${clean}_${seen}`;
  }
}

/** A little-endian integer of `size` bytes. */
export function integerBytes(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}
