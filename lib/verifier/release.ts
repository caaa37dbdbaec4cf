/** Before the walk: the kernel has the program's type, its maps, and the instructions that it is written with. */
import type { Insn } from "../isa/index.ts";
import type { Env } from "./env.ts";
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
  const { insns } = program;
  for (let slot = 0; slot < insns.length; slot += 1) {
    const insn = insns[slot] as Insn | null;
    const need = insn === null || insn.kind === "call" ? null : needOfInsn(insn, slot, request);
    if (need !== null) check(kernel, need, request);
  }
}

function check(kernel: KernelProfile, need: Need, request: LoadRequest): void {
  if (!isMet(kernel, need, request)) throw lack(kernel, need);
}

/**
 * For the call being walked, which the program may not make: throws where a later release than the kernel's would let it. What
 * stays is a call that no kernel takes from this hook.
 */
export function checkReleaseOfCall({ profile, program, request, slot }: Env): void {
  const need = needOfInsn(program.insns[slot] as Insn, slot, request);
  if (need !== null && need.since > profile.version && need.since !== Infinity) throw lack(profile, need);
}

function lack(kernel: KernelProfile, { feature, since, slot }: Need): Rejection {
  return new Rejection("not_in_kernel", slot, {
    kernel: kernel.name,
    feature: feature.replaceAll("_", " "),
    since: nameOf(since),
  });
}
