/**
 * The back end for one function, as a table of contents: select instructions, allocate registers, prove the allocation
 * right, lay the code out.
 */
import { DiagnosticError } from "../../lib/diag/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import type { Relocation } from "../../lib/object/index.ts";
import { problem } from "../diagnostics.ts";
import type { IrFunction, SourcePlace } from "../ir/ir.ts";
import type { Cpu } from "../lower/context.ts";
import { lowerFunction } from "../lower/lower.ts";
import { allocateRegisters } from "../regalloc/allocate.ts";
import { checkAllocation } from "../regalloc/check.ts";
import { assembleBlocks } from "./assemble.ts";
import { makeFlow, shareTails, tighten } from "./flow.ts";
import { layOut } from "./layout.ts";

export interface CompiledFunction {
  readonly insns: readonly Insn[];
  /** Maps, global data and callees by name. */
  readonly relocations: readonly Relocation[];
  /** One entry where the source place changes; ascending, the first covers slot 0 when there is any. */
  readonly lines: readonly { readonly slot: number; readonly place: SourcePlace }[];
  /** Bytes of the frame: stack objects and spill slots. More than the kernel allows is for the caller to report. */
  readonly stackBytes: number;
}

/**
 * Compiles a function that went through all IR passes (its pointers carry their origin). Throws a DiagnosticError for
 * what the target does not have (C017, C018, C022), and C030 if the compiler catches itself at a wrong allocation.
 */
export function compileFunction(fn: IrFunction, options: { readonly cpu?: Cpu } = {}): CompiledFunction {
  const cpu = options.cpu ?? "v3";
  const machine = lowerFunction(fn, cpu);
  const allocation = allocateRegisters(machine);
  const [wrong] = checkAllocation(machine, allocation);
  if (wrong !== undefined) {
    throw new DiagnosticError([problem("C030", `wrong register allocation in "${fn.name}": ${wrong}`, fn.place)]);
  }
  const blocks = tighten(makeFlow(allocation, machine.stackBytes));
  shareTails(blocks);
  const row = layOut(blocks);
  return { ...assembleBlocks(fn, row, cpu), stackBytes: machine.stackBytes + 8 * allocation.slotCount };
}
