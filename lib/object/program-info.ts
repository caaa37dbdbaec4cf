/**
 * What BPF_PROG_LOAD takes beside the instructions: BTF, func_info, line_info. With them the kernel's verifier log and
 * `bpftool prog dump` show source lines.
 */
import { BtfStrings, encodeBtf, encodeFuncInfo, encodeLineInfo } from "../btf/index.ts";
import type { Btf } from "../btf/index.ts";
import type { LinkedProgram, SourceLine } from "./object.ts";

/** The part of a linked program that is described. */
type Described = Pick<LinkedProgram, "functions" | "lines">;

export interface ProgramRecords {
  /** Records of 8 bytes (`func_info_rec_size`); empty when a function has no type: the kernel wants all or none. */
  readonly funcInfo: Uint8Array;
  /** Records of 16 bytes (`line_info_rec_size`); empty when the program has no lines. */
  readonly lineInfo: Uint8Array;
}

/** Encodes the info of several programs that share one BTF; `records` are in the order of `programs`. */
export function encodeObjectInfo(
  btf: Btf,
  programs: readonly Described[],
): { readonly btf: Uint8Array; readonly records: readonly ProgramRecords[] } {
  const strings = new BtfStrings();
  const records = programs.map((program) => encodeRecords(program, strings));
  return { btf: encodeBtf(btf, strings), records };
}

function encodeRecords({ functions, lines }: Described, strings: BtfStrings): ProgramRecords {
  const typed = functions.every((f) => f.btfId !== 0);
  const funcInfo = encodeFuncInfo(typed ? functions.map((f) => ({ slot: f.slot, type: f.btfId })) : []);
  const covered = coverStarts(
    lines,
    functions.map((f) => f.slot),
  );
  return { funcInfo, lineInfo: encodeLineInfo(covered, strings) };
}

/** The line that stands where a function has none: the kernel wants a line at every function's start, or none at all. */
export const NO_LINE = { file: "", line: 0, column: 0, text: "" } as const;

/** The lines by ascending slot, with an empty one at each start that has none. No lines stay no lines. */
function coverStarts(lines: readonly SourceLine[], starts: readonly number[]): SourceLine[] {
  if (lines.length === 0) return [];
  const covered = new Set(lines.map((l) => l.slot));
  const added = starts.filter((slot) => !covered.has(slot)).map((slot) => ({ slot, ...NO_LINE }));
  return [...lines, ...added].toSorted((a, b) => a.slot - b.slot);
}

/** The lines of a function, or none where the only one is an empty one. */
export function dropNoLine(lines: readonly SourceLine[]): readonly SourceLine[] {
  const [first] = lines;
  const made = lines.length === 1 && first?.file === "" && first.line === 0 && first.text === "";
  return made ? [] : lines;
}
