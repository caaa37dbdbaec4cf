/**
 * Jumps by name: code as a list of instructions, labels and jumps to labels, put together by `assemble`.
 */
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic } from "../diag/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn, Reg } from "../isa/index.ts";
import { asmError } from "./diagnostics.ts";

/** An instruction of one slot that goes to a label; `at` makes it for a distance in slots from the next instruction. */
export interface ToLabel<R = Reg> {
  readonly to: string;
  readonly at: (delta: number) => Insn<R>;
}

/** A name for the place of the next instruction. */
export interface Label {
  readonly label: string;
}

export type Item<R = Reg> = Insn<R> | ToLabel<R> | Label;

export function label(name: string): Label {
  return { label: name };
}

/** The instruction for a known distance; for a label, what `assemble` makes it from. */
export function goTo<I extends Insn>(target: number | string, at: (delta: number) => I): I | ToLabel {
  return typeof target === "number" ? at(target) : { to: target, at };
}

/**
 * The instructions of `items`, with the distance to its label in each jump.
 * Throws `DiagnosticError` for unknown (A015) and repeated (A016) labels; the place is the slot.
 */
export function assemble<R = Reg>(items: readonly Item<R>[]): Insn<R>[] {
  const problems: Diagnostic[] = [];
  const labels = new Map<string, number>();
  let slot = 0;
  for (const item of items) {
    if (!("label" in item)) slot += "at" in item ? 1 : slotsOf(item);
    else if (!labels.has(item.label)) labels.set(item.label, slot);
    else problems.push(asmError("A016", at(slot), `the label ${item.label} is defined twice`));
  }
  const insns: Insn<R>[] = [];
  slot = 0;
  for (const item of items) {
    if ("label" in item) continue;
    if ("at" in item) {
      const target = labels.get(item.to);
      if (target === undefined) problems.push(asmError("A015", at(slot), `there is no label ${item.to}`));
      else insns.push(item.at(target - slot - 1));
      slot += 1;
    } else {
      insns.push(item);
      slot += slotsOf(item);
    }
  }
  if (problems.length > 0) throw new DiagnosticError(problems);
  return insns;
}

function at(slot: number): { kind: "path"; file: string; path: string } {
  return { kind: "path", file: "instructions", path: `slot ${slot}` };
}
