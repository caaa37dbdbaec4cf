/** Before the walk: the kernel has the program's type, its maps, and the instructions that it is written with. */
import { Rejection } from "./outcome.ts";
import { isMet, nameOf, needOfInsn, needsOfProgram } from "./profiles/index.ts";
import type { KernelProfile, Need } from "./profiles/index.ts";
import type { Program } from "./program/index.ts";
import type { LoadRequest } from "./request.ts";

/**
 * Throws a Rejection for what the kernel's release lacks. Helpers and kernel functions are asked for when a call of them is
 * walked: a call that no path comes to does no harm.
 */
export function checkRelease(request: LoadRequest, program: Program, kernel: KernelProfile): void {
  for (const need of needsOfProgram(request, program)) check(kernel, need, request);
  for (const [slot, insn] of program.insns.entries()) {
    const need = insn === null || insn.kind === "call" ? null : needOfInsn(insn, slot, request);
    if (need !== null) check(kernel, need, request);
  }
}

function check(kernel: KernelProfile, need: Need, request: LoadRequest): void {
  if (isMet(kernel, need, request)) return;
  const feature = need.feature.replaceAll("_", " ");
  throw new Rejection("not_in_kernel", need.slot, { kernel: kernel.name, feature, since: nameOf(need.since) });
}
