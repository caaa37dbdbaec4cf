/** Objects of one program of a few instructions. */
import type { Insn } from "../../lib/isa/index.ts";
import type { AttachType, ProgramType } from "../../lib/kernel/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";

/** Where a program belongs: rows of `HOOKS`, and what the standard library has no hook for. */
export interface Place {
  readonly section: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
}

/** The program is called `p`. */
export function objectOf({ section, type, attach }: Place, insns: readonly Insn[]): ObjectSpec {
  // prettier-ignore
  const program = { name: "p", insns, relocations: [], lines: [], btfId: 0, linkage: "global", section, type, attach, flags: 0 } as const;
  return { license: "GPL", programs: [program], subprograms: [], maps: [], btf: { types: [{ kind: "void" }] } };
}
