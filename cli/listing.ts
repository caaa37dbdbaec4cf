/** Instructions and register values as `run --trace` and `debug` print them. */
import { disassemble, link } from "../lib/asm/index.ts";
import type { Disassembled } from "../lib/asm/index.ts";
import type { LinkedProgram, ObjectSpec, SourceLine } from "../lib/object/index.ts";

/** Finds what a register's value points to; null when it is no address. */
export type Describe = (value: bigint) => string | null;

interface ProgramListing {
  readonly rows: readonly Disassembled[];
  /** By ascending slot. */
  readonly functions: LinkedProgram["functions"];
}

/** The text of an object's instructions, by program and slot. */
export class Listing {
  private readonly object: ObjectSpec;
  private readonly programs = new Map<string, ProgramListing>();

  constructor(object: ObjectSpec) {
    this.object = object;
  }

  /** In the kernel's notation, with the names of maps and functions; a dash where no instruction starts. */
  text(program: string, slot: number): string {
    return this.of(program).rows.find((row) => row.slot === slot)?.text ?? "-";
  }

  /** Up to so many instructions before and after, with the source lines that start there. */
  around(program: string, slot: number, count: number): readonly Disassembled[] {
    const { rows } = this.of(program);
    const index = rows.findIndex((row) => row.slot === slot);
    return rows.slice(Math.max(0, index - count), index + count + 1);
  }

  /** The name of the function that a slot belongs to. */
  functionAt(program: string, slot: number): string {
    return this.of(program).functions.findLast((fn) => fn.slot <= slot)?.name ?? program;
  }

  private of(program: string): ProgramListing {
    const known = this.programs.get(program);
    if (known !== undefined) return known;
    const linked = link(this.object, program);
    const rows = disassemble(linked.insns, { symbols: linked, lines: linked.lines });
    const functions = linked.functions.toSorted((a, b) => a.slot - b.slot);
    this.programs.set(program, { rows, functions });
    return { rows, functions };
  }
}

/** `packet+14`, `7`, `-1`, `0xc0a80001`. */
export function formatValue(value: bigint, describe: Describe): string {
  const place = describe(value);
  if (place !== null) return place;
  const signed = BigInt.asIntN(64, value);
  return signed > -0x1000n && signed < 10n ? String(signed) : `0x${value.toString(16)}`;
}

/** `filter.ts:41  return XDP_DROP;` */
export function formatSource({ file, line, text }: SourceLine): string {
  return `${file.slice(file.lastIndexOf("/") + 1)}:${line}  ${text.trim()}`.trimEnd();
}
