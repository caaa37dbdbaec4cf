/**
 * Where the pointer of a bad access came from: the instruction that made it, found by walking back from the access through
 * straight code, moves and pointer arithmetic. Where paths meet it could have come from any of them: then nothing is said.
 */
import { disassemble } from "../asm/index.ts";
import { slotsOf } from "../isa/index.ts";
import type { Insn, Reg } from "../isa/index.ts";
import { HELPER_NAMES } from "../kernel/index.ts";
import type { SourceLine } from "../object/index.ts";
import { functionSlot } from "./functions.ts";
import type { Watched } from "./observer.ts";

export interface Origin {
  /** For instance "r0 is the result of map_lookup_elem" or "r2 comes from r2 = *(u32 *)(r1 +0)". */
  readonly text: string;
  readonly slot: number;
  readonly source: SourceLine | null;
}

interface Placed {
  readonly slot: number;
  readonly insn: Insn;
}

/** The origin of the base register of the access at `slot`; null for other instructions, and when it is not known. */
export function originOf(code: Watched, slot: number): Omit<Origin, "source"> | null {
  const access = code.insnAt(slot);
  if (access === null || !("base" in access)) return null;
  const insns = placedInsns(code);
  const joins = joinsOf(insns);
  let register: Reg = access.base;
  for (let i = insns.findIndex((placed) => placed.slot === slot); i > 0; i--) {
    const before = insns[i - 1]!;
    if (joins.has(insns[i]!.slot) || before.insn.kind === "jump" || before.insn.kind === "exit") return null;
    if (!writes(before.insn, register)) continue;
    const source = movedFrom(before.insn);
    if (source === null) return { text: describe(before.insn, register), slot: before.slot };
    register = source ?? register;
  }
  return null;
}

function placedInsns(code: Watched): readonly Placed[] {
  const placed: Placed[] = [];
  let slot = 0;
  for (let insn = code.insnAt(0); insn !== null; insn = code.insnAt(slot)) {
    placed.push({ slot, insn });
    slot += slotsOf(insn);
  }
  return placed;
}

/** Slots that are reached from elsewhere than the instruction before. */
function joinsOf(insns: readonly Placed[]): ReadonlySet<number> {
  return new Set(
    insns.flatMap(({ slot, insn }) => {
      if ("delta" in insn) return [slot + 1 + insn.delta];
      if (insn.kind === "load_imm64" && insn.pseudo === "func") return [functionSlot(insn, slot)];
      return insn.kind === "call" && insn.target.kind === "local" ? [slot + 1 + insn.target.delta] : [];
    }),
  );
}

function writes(insn: Insn, register: Reg): boolean {
  if (insn.kind === "call" || insn.kind === "load_packet") return register <= 5;
  if (insn.kind === "atomic") return insn.src === register && insn.op.startsWith("fetch");
  return insn.kind !== "jump_if" && "dst" in insn && insn.dst === register;
}

/**
 * The register whose pointer an instruction that writes a register hands on; undefined: the same one, moved along; null: it
 * makes a new value.
 */
function movedFrom(insn: Insn): Reg | null | undefined {
  if (insn.kind !== "alu" || insn.width !== 64) return null;
  if (insn.op === "mov") return "reg" in insn.src ? insn.src.reg : null;
  return insn.op === "add" || insn.op === "sub" ? undefined : null;
}

function describe(insn: Insn, register: Reg): string {
  if (insn.kind !== "call") return `r${register} comes from ${disassemble([insn])[0]?.text ?? insn.kind}`;
  const { target } = insn;
  const called = target.kind === "helper" ? (HELPER_NAMES[target.id] ?? `helper ${target.id}`) : "a call";
  return register === 0 ? `r0 is the result of ${called}` : `r${register} holds nothing after ${called}`;
}
