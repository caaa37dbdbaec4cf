/**
 * Filling in references: a `load_imm64` that names a map gets the map's descriptor, which the kernel makes an address; a call
 * of a kernel function gets the function's type id in the kernel's BTF.
 */
import { slotsOf } from "../lib/isa/index.ts";
import type { Insn } from "../lib/isa/index.ts";
import type { LinkedProgram } from "../lib/object/index.ts";
import { loaderError } from "./errors.ts";

/**
 * The instructions with descriptors in place (RFC 9669 section 5.4: `map_fd`, and `map_value` with the offset into the value
 * in the upper 32 bits).
 */
export function fillMapReferences(program: LinkedProgram, fdOf: (map: string) => number): readonly Insn[] {
  const references = new Map(program.mapReferences.map((reference) => [reference.slot, reference]));
  let slot = 0;
  const filled = program.insns.map((insn): Insn => {
    const reference = references.get(slot);
    references.delete(slot);
    slot += slotsOf(insn);
    if (reference === undefined) return insn;
    if (insn.kind !== "load_imm64") {
      throw loaderError(
        "L004",
        `program ${JSON.stringify(program.name)} refers to map ${reference.map} at slot ${slot}, which holds ${insn.kind}`,
      );
    }
    const fd = BigInt(fdOf(reference.map));
    if (reference.kind === "map") return { ...insn, pseudo: "map_fd", imm: fd };
    return { ...insn, pseudo: "map_value", imm: (BigInt(reference.offset) << 32n) | fd };
  });
  const [left] = references.values();
  if (left === undefined) return filled;
  throw loaderError(
    "L004",
    `program ${JSON.stringify(program.name)} refers to map ${left.map} at slot ${left.slot}, where no instruction starts`,
  );
}

/** The instructions with the kernel's type ids in calls of its functions (pseudo call 2). */
export function fillKernelFunctions(
  insns: readonly Insn[],
  { kernelCalls }: LinkedProgram,
  idOf: (kfunc: string) => number,
): readonly Insn[] {
  const calls = new Map(kernelCalls.map(({ slot, kfunc }) => [slot, kfunc]));
  if (calls.size === 0) return insns;
  let slot = 0;
  return insns.map((insn): Insn => {
    const kfunc = calls.get(slot);
    slot += slotsOf(insn);
    return kfunc === undefined ? insn : { kind: "call", target: { kind: "kfunc", btfId: idOf(kfunc), off: 0 } };
  });
}
