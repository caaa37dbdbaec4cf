/**
 * Addresses of functions: what `load_imm64` of kind `func` gives, and what a helper that calls back is given.
 *
 * They are far above the 4 GiB of memory, so none is ever data. Each prepared program takes as many addresses as it has
 * slots, so the function at slot s of the first program of `l` slots is `FUNCTION_BASE + s`, of the second
 * `FUNCTION_BASE + l + s`: engines that prepare the same programs in the same order give the same addresses. Only what a
 * `load_imm64` of the program names may be called.
 */
import { slotsOf } from "../isa/index.ts";
import type { Insn, LoadImm64 } from "../isa/index.ts";
import { Trap } from "./fault.ts";

export const FUNCTION_BASE = 0xffff_f000_0000_0000n;

interface Known<P> {
  readonly program: P;
  /** Index of the program's slot 0 among all addresses. */
  readonly first: number;
  readonly entries: ReadonlySet<number>;
}

/** `P`: what an engine's programs are. */
export class Functions<P> {
  private readonly programs: Known<P>[] = [];
  private end = 0;

  /** The address of slot 0 of the next program. */
  get next(): bigint {
    return FUNCTION_BASE + BigInt(this.end);
  }

  /** Gives a program its addresses. */
  add(program: P, insns: readonly Insn[]): void {
    this.programs.push({ program, first: this.end, entries: functionEntries(insns) });
    this.end += insns.reduce((sum, insn) => sum + slotsOf(insn), 0);
  }

  /** The function at an address; a trap (`argument`) for what is none. */
  at(address: bigint): { readonly program: P; readonly slot: number } {
    const index = Number(address - FUNCTION_BASE);
    const known = this.programs.findLast(({ first }) => first <= index);
    if (known === undefined || !known.entries.has(index - known.first))
      throw new Trap("argument", `a helper was called with 0x${address.toString(16)} where it takes a function`);
    return { program: known.program, slot: index - known.first };
  }
}

/** The slot that a `load_imm64` of kind `func` at `slot` names: its immediate counts from the load's second slot. */
export function functionSlot(insn: LoadImm64, slot: number): number {
  return slot + 1 + Number(BigInt.asIntN(32, insn.imm));
}

/** Slots of the functions whose addresses the program takes. */
export function functionEntries(insns: readonly Insn[]): ReadonlySet<number> {
  const starts = new Set<number>();
  const named: number[] = [];
  let slot = 0;
  for (const insn of insns) {
    starts.add(slot);
    if (insn.kind === "load_imm64" && insn.pseudo === "func") named.push(functionSlot(insn, slot));
    slot += slotsOf(insn);
  }
  return new Set(named.filter((entry) => starts.has(entry)));
}
