/**
 * What an explanation is about: a program's instructions by slot, with what its author called things. Made of a program that is
 * to be loaded (`subjectOfProgram`) or of one that is being verified (`subjectOfRequest`).
 */
import { slotsOf } from "../../isa/index.ts";
import type { Insn } from "../../isa/index.ts";
import { HELPER_NAMES } from "../../kernel/index.ts";
import type { AttachType, ProgramType } from "../../kernel/index.ts";
import type { LinkedProgram, SourceLine } from "../../object/index.ts";
import type { LoadRequest } from "../request.ts";

export interface Subject {
  readonly name: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  /** By slot; null at the second slot of a 64-bit immediate load. */
  readonly insns: readonly (Insn | null)[];
  /** By ascending slot. */
  readonly lines: readonly SourceLine[];
  /** The map that the 64-bit immediate load at a slot refers to. */
  readonly mapAt: (slot: number) => string | null;
  /** The kernel function that the call at a slot goes to. */
  readonly kfuncAt: (slot: number) => string | null;
}

export function subjectOfProgram(program: LinkedProgram): Subject {
  const maps = new Map(program.mapReferences.map(({ slot, map }) => [slot, map]));
  const kfuncs = new Map(program.kernelCalls.map((call) => [call.slot, call.name]));
  const { name, type, attach, lines } = program;
  return {
    name,
    type,
    attach,
    lines,
    insns: program.insns.flatMap((insn) => (slotsOf(insn) === 2 ? [insn, null] : [insn])),
    mapAt: (slot) => maps.get(slot) ?? null,
    kfuncAt: (slot) => kfuncs.get(slot) ?? null,
  };
}

export function subjectOfRequest(request: LoadRequest, insns: readonly (Insn | null)[]): Subject {
  const { name, type, attach, lines, maps, mapReferences, kernel } = request;
  return {
    name,
    type,
    attach,
    lines,
    insns,
    mapAt: (slot) => {
      const reference = mapReferences.get(slot);
      return reference === undefined ? null : (maps[reference.map]?.spec.name ?? null);
    },
    kfuncAt: (slot) => {
      const insn = insns[slot];
      if (kernel === null || insn?.kind !== "call" || insn.target.kind !== "kfunc") return null;
      const type = kernel.types[insn.target.btfId];
      return type?.kind === "func" ? type.name : null;
    },
  };
}

/** The source line that covers a slot: the last that starts at or before it. Null where the program has no lines. */
export function lineAt(lines: readonly SourceLine[], slot: number): SourceLine | null {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle] as SourceLine).slot <= slot) low = middle + 1;
    else high = middle;
  }
  return lines[low - 1] ?? null;
}

/** What a call instruction calls: a helper's or kernel function's name, null for functions of the program. */
export function calleeAt(subject: Subject, slot: number): string | null {
  const insn = subject.insns[slot];
  if (insn?.kind !== "call") return null;
  if (insn.target.kind === "helper") return HELPER_NAMES[insn.target.id] ?? null;
  return insn.target.kind === "kfunc" ? subject.kfuncAt(slot) : null;
}
