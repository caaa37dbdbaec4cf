/** Before the walk: the kernel has the program's type, its maps, and the instructions that it is written with. */
import type { Insn } from "../isa/index.ts";
import type { Env } from "./env.ts";
import { Rejection } from "./outcome.ts";
import { RULES, isMet, isOldOpcode, nameOf, needOfInsn, needsOfProgram } from "./profiles/index.ts";
import type { KernelProfile, Need, RuleName } from "./profiles/index.ts";
import type { Program } from "./program/index.ts";
import type { LoadRequest } from "./request.ts";

/**
 * The program as a release decodes it: instructions that are old ones with a reserved field to it are such. Throws a Rejection for
 * what the release lacks. Helpers and kernel functions are asked for when a call of them is walked: a call that no path
 * comes to does no harm.
 */
export function forRelease(request: LoadRequest, program: Program, kernel: KernelProfile): Program {
  for (const need of needsOfProgram(request, program)) {
    if (!isMet(kernel, need, request)) throw lacking(kernel, need);
  }
  const late = new Map<number, Rejection>();
  const { insns } = program;
  for (let slot = 0; slot < insns.length; slot += 1) {
    const insn = insns[slot] as Insn | null;
    const need = insn === null || insn.kind === "call" ? null : needOfInsn(insn, slot, request);
    if (insn === null || need === null || isMet(kernel, need, request)) continue;
    if (!isOldOpcode(insn, kernel)) throw lacking(kernel, need);
    late.set(slot, lacking(kernel, need));
  }
  if (late.size === 0) return program;
  return {
    ...program,
    insns: program.insns.map((insn, slot) => (late.has(slot) ? null : insn)),
    badEncodings: new Map([...program.badEncodings, ...late]),
  };
}

/**
 * For the call being walked, which the program may not make: throws where a later release than the kernel's would let it. What
 * stays is a call that no kernel takes from this hook.
 */
export function checkReleaseOfCall({ profile, program, request, slot }: Env): void {
  const need = needOfInsn(program.insns[slot] as Insn, slot, request);
  if (need !== null && need.since > profile.version && need.since !== Infinity) throw lacking(profile, need);
}

/** Rejects what a path comes to and the kernel has not learnt. */
export function needRule({ profile, slot }: Env, rule: RuleName): void {
  if (!profile.has(rule)) throw lacking(profile, { feature: `rule ${rule}`, since: RULES[rule], slot });
}

function lacking(kernel: KernelProfile, { feature, since, slot }: Need): Rejection {
  return new Rejection("not_in_kernel", slot, {
    kernel: kernel.name,
    feature: feature.replaceAll("_", " "),
    since: nameOf(since),
  });
}
