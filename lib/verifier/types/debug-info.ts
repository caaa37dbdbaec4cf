/** Records about functions and lines that are loaded with a program: they must fit its code, or it is refused. */
import type { Env } from "../env.ts";
import { Rejection } from "../outcome.ts";
import { typeAt } from "./lookup.ts";

function refuse(reason: "function_info" | "line_info", what: string): never {
  throw new Rejection(reason, null, { what });
}

/** func_info: one record for each function, of its type. */
export function checkFunctions({ request, program }: Env): void {
  const { functions, btf } = request;
  const { subprograms } = program;
  if (functions.length > 0) {
    if (btf === null) refuse("function_info", "there are no types");
    functions.forEach(({ slot, type }, index) => {
      if (typeAt(btf, type).kind !== "func") refuse("function_info", `type ${type} is no function`);
      if (index > 0 && slot <= (functions[index - 1]?.slot ?? 0)) refuse("function_info", "records are not in order");
    });
    if (functions.length !== subprograms.length) refuse("function_info", "there is not one record for each function");
    if (functions.some(({ slot }, index) => subprograms[index]?.start !== slot)) {
      refuse("function_info", "a record is not at the start of its function");
    }
  }
}

/**
 * line_info: ascending, at instructions. The kernel wants a line at each function's start, too: who loads the program adds an
 * empty one where there is none (lib/object), so that is no rule here.
 */
export function checkLines({ request, program }: Env): void {
  let last = -1;
  for (const { slot } of request.lines) {
    if (slot <= last || slot >= program.insns.length) {
      refuse("line_info", `a line is at slot ${slot}, which is not behind the one before`);
    }
    if (isSecondSlot(program.insns, slot)) {
      refuse("line_info", `a line is inside of the instruction at slot ${slot - 1}`);
    }
    last = slot;
  }
}

function isSecondSlot(insns: Env["program"]["insns"], slot: number): boolean {
  return insns[slot] === null && insns[slot - 1]?.kind === "load_imm64";
}
