/**
 * The last of linking: what a program refers to in the kernel that it is for. A call of a kernel function takes the function's
 * type id, a load of an address the type id of the function or variable, or the plain address of what has no type.
 */
import { slotsOf } from "../isa/index.ts";
import type { Insn } from "../isa/index.ts";
import type { KernelReference, LinkedProgram } from "../object/index.ts";

/** What a reference comes to: a type of the kernel, an address of the kernel, or nothing that the kernel has. */
export type KernelAnswer =
  | { readonly kind: "type"; readonly id: number }
  | { readonly kind: "address"; readonly address: bigint }
  | { readonly kind: "missing" };

/** Finds the kernel's thing; `isCall`: a function that is called, not an address that is taken. */
export type Resolve = (reference: KernelReference, isCall: boolean) => KernelAnswer;

/** The helper that stands for a function that the kernel lacks; libbpf's number, to be known in logs. No kernel takes it. */
export const MISSING_FUNCTION = 2_002_000_000;

/** The instructions with the answers of `resolve` in place; nothing else changes. */
export function bindToKernel(
  { insns, kernelCalls, kernelAddresses }: LinkedProgram,
  resolve: Resolve,
): readonly Insn[] {
  const references = new Map([...kernelCalls, ...kernelAddresses].map((reference) => [reference.slot, reference]));
  if (references.size === 0) return insns;
  let slot = 0;
  return insns.map((insn) => {
    const reference = references.get(slot);
    slot += slotsOf(insn);
    return reference === undefined ? insn : bound(insn, resolve(reference, insn.kind === "call"));
  });
}

function bound(insn: Insn, answer: KernelAnswer): Insn {
  if (insn.kind === "load_imm64") {
    if (answer.kind === "type") return { ...insn, pseudo: "btf_id", imm: BigInt(answer.id) };
    return { ...insn, pseudo: "none", imm: answer.kind === "address" ? BigInt.asIntN(64, answer.address) : 0n };
  }
  if (answer.kind === "type") return { kind: "call", target: { kind: "kfunc", btfId: answer.id, off: 0 } };
  return { kind: "call", target: { kind: "helper", id: MISSING_FUNCTION } };
}
