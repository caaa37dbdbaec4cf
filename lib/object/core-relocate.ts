/**
 * Writes the answers of CO-RE relocations into a function's instructions, as a loader does before the kernel sees them.
 *
 * A number stands where its instruction has one: the immediate of ALU operations and stores of 64 bits, the offset of loads
 * and stores. An access to a field that has another size in the target becomes one of that size, if nothing is lost. What
 * the target does not have becomes a call that no kernel takes: the program is good as long as it is not reached.
 */
import { coreValue } from "../btf/index.ts";
import type { Btf, CoreTarget, CoreValue } from "../btf/index.ts";
import type { Insn } from "../isa/index.ts";
import type { CoreReference } from "./object.ts";

/** The helper called in place of an instruction whose relocation has no answer; libbpf's number, to be known in logs. */
export const MISSING_HELPER = 0xbad2310;

/** A relocation that cannot be applied, and why. */
export interface Refusal {
  readonly slot: number;
  readonly why: string;
}

/**
 * The instructions by slot with the relocations applied, and those that cannot be. `local` are the types that the
 * relocations name. Two slots stay two slots. Throws B004 and B008 for damaged BTF.
 */
export function relocateCore(
  insns: ReadonlyMap<number, Insn>,
  relocations: readonly CoreReference[],
  local: Btf,
  target: CoreTarget,
): { readonly insns: Map<number, Insn>; readonly refusals: readonly Refusal[] } {
  const patched = new Map(insns);
  const refusals = relocations.flatMap(({ slot, ...relocation }) => {
    const value = coreValue(local, target, { section: "", offset: 0, ...relocation });
    const insn = patched.get(slot);
    const result = insn === undefined ? "no instruction is there" : patch(insn, value);
    if (typeof result === "string") return [{ slot, why: result }];
    result.forEach((part, i) => patched.set(slot + i, part));
    return [];
  });
  return { insns: new Map([...patched].toSorted(([a], [b]) => a - b)), refusals };
}

type Known = Extract<CoreValue, { kind: "value" }>;

/** What stands in place of the instruction, or why nothing can. */
function patch(insn: Insn, value: CoreValue): readonly Insn[] | string {
  if (value.kind === "unclear") return value.why;
  if (value.kind === "missing") return poison(insn);
  switch (insn.kind) {
    case "alu": {
      if (!("imm" in insn.src)) return `a ${insn.op} of a register has no number`;
      if (isOther(value, BigInt(insn.src.imm))) return mismatch(value, insn.src.imm);
      return [{ ...insn, src: { imm: Number(BigInt.asIntN(32, value.after)) } }];
    }
    case "load_imm64":
      if (insn.pseudo !== "none") return "the instruction has an address already";
      if (isOther(value, insn.imm)) return mismatch(value, insn.imm);
      return [{ ...insn, imm: BigInt.asIntN(64, value.after) }];
    case "load":
    case "store":
    case "atomic":
    case "load_acquire":
    case "store_release":
      return patchAccess(insn, value);
    default:
      return `the instruction (${insn.kind}) has no number`;
  }
}

const MAX_OFFSET = 0x7fff;

type Access = Extract<Insn, { kind: "load" | "store" | "atomic" | "load_acquire" | "store_release" }>;

function patchAccess(insn: Access, value: Known): readonly Insn[] | string {
  if (isOther(value, BigInt(insn.off))) return mismatch(value, insn.off);
  if (value.after > MAX_OFFSET) return `the offset ${value.after} does not fit an instruction`;
  const moved = { ...insn, off: Number(value.after) };
  const { access } = value;
  if (access === null || access.before === access.after) return [moved];
  if (!access.resizable) return poison(insn);
  if (insn.size !== access.before) return `a field of ${access.before} bytes is accessed with ${insn.size}`;
  const sizes: readonly number[] = insn.kind === "atomic" ? [4, 8] : [1, 2, 4, 8];
  if (!sizes.includes(access.after)) return `no such instruction moves ${access.after} bytes`;
  return [{ ...moved, size: access.after } as Access];
}

function poison(insn: Insn): readonly Insn[] {
  const call: Insn = { kind: "call", target: { kind: "helper", id: MISSING_HELPER } };
  return insn.kind === "load_imm64" ? [call, call] : [call];
}

function isOther({ before }: Known, found: bigint): boolean {
  return before !== null && BigInt.asUintN(64, before) !== BigInt.asUintN(64, found);
}

function mismatch({ before }: Known, found: number | bigint): string {
  return `the types say ${before}, the instruction ${found}`;
}
