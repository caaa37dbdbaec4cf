/** Filling in references: a `load_imm64` that names a map gets the map's descriptor, which the kernel makes an address. */
import { slotsOf } from "../lib/isa/index.ts";
import type { Insn } from "../lib/isa/index.ts";
import type { LinkedProgram } from "../lib/object/index.ts";
import { loaderError } from "./errors.ts";

/**
 * The instructions with descriptors in place (RFC 9669 section 5.4: `map_fd`, and `map_value` with the offset into the value
 * in the upper 32 bits).
 */
export function fillMapReferences(
  program: Pick<LinkedProgram, "name" | "insns" | "mapReferences">,
  fdOf: (map: string) => number,
): readonly Insn[] {
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
