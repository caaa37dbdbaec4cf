/**
 * Live registers: which of r0 to r9 may be read before they are written, from each slot on. Backwards over each function
 * until nothing changes. States are compared in live registers only, so this must be what the kernel computes.
 */
import type { Insn, Operand } from "../../isa/index.ts";
import type { Callee } from "./callees.ts";
import type { Flow } from "./program.ts";

const R0 = 1;
const CALLER_SAVED = 0b11_1111;
const ARGUMENTS = 0b11_1110;
/** What an instruction that is not understood counts as reading. */
const ALL = 0xffff;

/** Bit r: register r is live before the slot. */
export function liveRegistersOf(
  insns: readonly (Insn | null)[],
  callees: ReadonlyMap<number, Callee>,
  flow: Flow,
): Uint16Array {
  const live = new Uint16Array(insns.length);
  const used = new Uint16Array(insns.length);
  const defined = new Uint16Array(insns.length);
  for (const [slot, insn] of insns.entries()) {
    used[slot] = usedBy(insn, callees.get(slot));
    defined[slot] = definedBy(insn);
  }
  for (const order of flow.postorder) {
    let changed = true;
    while (changed) {
      changed = false;
      for (const slot of order) {
        const next = flow.next[slot] as number;
        const target = flow.target[slot] as number;
        const after = (next < 0 ? 0 : (live[next] as number)) | (target < 0 ? 0 : (live[target] as number));
        const before = (after & ~(defined[slot] as number)) | (used[slot] as number);
        if (before === live[slot]) continue;
        live[slot] = before;
        changed = true;
      }
    }
  }
  return live;
}

function bitOf(operand: Operand): number {
  return "reg" in operand ? 1 << operand.reg : 0;
}

function usedBy(insn: Insn | null, callee: Callee | undefined): number {
  if (insn === null) return ALL;
  switch (insn.kind) {
    case "alu":
      return bitOf(insn.src) | (insn.op === "mov" ? 0 : 1 << insn.dst);
    case "movsx":
    case "addr_space_cast":
      return 1 << insn.src;
    case "neg":
    case "swap":
      return 1 << insn.dst;
    case "load":
    case "load_acquire":
      return 1 << insn.base;
    case "store":
      return (1 << insn.base) | bitOf(insn.src);
    case "store_release":
      return (1 << insn.base) | (1 << insn.src);
    case "atomic":
      return (1 << insn.base) | (1 << insn.src) | (insn.op === "cmpxchg" ? R0 : 0);
    case "load_imm64":
    case "jump":
    case "may_goto":
      return 0;
    case "load_packet":
      return ALL;
    case "jump_if":
      return (1 << insn.dst) | bitOf(insn.src);
    case "exit":
      return R0;
    case "call":
      return callee === undefined || callee.params === null ? ARGUMENTS : (2 << callee.params) - 2;
  }
}

function definedBy(insn: Insn | null): number {
  if (insn === null) return 0;
  switch (insn.kind) {
    case "alu":
    case "movsx":
    case "addr_space_cast":
    case "neg":
    case "swap":
    case "load":
    case "load_acquire":
    case "load_imm64":
      return 1 << insn.dst;
    case "atomic":
      if (insn.op === "cmpxchg") return R0;
      return insn.op === "xchg" || insn.op.startsWith("fetch_") ? 1 << insn.src : 0;
    case "call":
      return CALLER_SAVED;
    default:
      return 0;
  }
}
