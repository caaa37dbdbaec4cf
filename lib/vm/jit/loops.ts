/**
 * Loops of one block: how many turns are safe is computed before them, instead of checking in every turn.
 *
 * In such a loop most addresses are affine: the sum of registers that do not change and of registers that grow by the same
 * amount each turn. Then the number of turns for which an access stays in its window is a division, and so is the number
 * that the instruction limit allows. The least of them is the loop's fuel: the loop counts it down, and computes it anew
 * when it is used up. No fuel left means that the next turn would leave the window (or never was in it): the interpreter
 * takes over there.
 *
 *   loop: fuel = min(...); if 0, leave
 *     loop: the block without checks; if it goes on and --fuel > 0, again
 *     if it goes on: look at the limit, and compute fuel anew
 */
import type { Insn, Reg } from "../../isa/index.ts";
import { accessOf, keepsWindow, kindOf } from "./access.ts";
import { countOf } from "./blocks.ts";
import type { Block } from "./blocks.ts";
import { DYNAMIC } from "./frame.ts";
import { writes } from "./effects.ts";

/** The sum of registers as they are at the start of the block, and a number. */
interface Affine {
  readonly registers: readonly Reg[];
  readonly plus: number;
}

/** An access whose turns are computed. */
export interface Hoisted {
  /** The register at the start of the block whose window is used, and the kind of access. */
  readonly window: Reg;
  readonly kind: number;
  readonly address: Affine;
  /** What the address grows by each turn. */
  readonly step: Affine;
}

export interface Fuel {
  /** Instructions of a turn. */
  readonly period: number;
  /** By index of the instruction; null where there is no access or its address is not affine. */
  readonly hoisted: readonly (Hoisted | null)[];
}

/** A block that leads to itself and does nothing that may change the counter or memory's layout. */
export function isTight({ insns, end }: Block, self: (to: Block) => boolean): boolean {
  if (end.kind !== "branch" || end.at.insn.kind !== "jump_if" || !self(end.taken.to)) return false;
  return insns.every(({ insn }) => insn.kind !== "call" && insn.kind !== "load_packet");
}

/** Beyond this, sums of constants are not followed. */
const FAR = 2 ** 31;

/** `fixed`: accesses that need no check; `fromSource`: see windows.ts. */
export function fuelOf(block: Block, fixed: Int32Array, fromSource: Uint8Array): Fuel {
  const values: (Affine | null)[] = Array.from({ length: 11 }, (_, reg) => ({ registers: [reg as Reg], plus: 0 }));
  const windows: (Reg | null)[] = Array.from({ length: 11 }, (_, reg) => reg as Reg);
  const found: (Omit<Hoisted, "step"> | null)[] = block.insns.map((placed, i) => {
    const { insn } = placed;
    const access = fixed[i] === DYNAMIC ? accessOf(placed) : null;
    const base = access === null ? null : (values[access.base] ?? null);
    const window = access === null ? null : (windows[access.base] ?? null);
    follow(insn, values, windows, fromSource[i] === 1);
    if (access === null || base === null || window === null) return null;
    const address = { registers: base.registers, plus: base.plus + access.off };
    return { window, kind: kindOf(access.size, access.stores), address };
  });
  const hoisted = found.map((access) => {
    // The window must still be the register's when the block starts again.
    const step = access === null || windows[access.window] !== access.window ? null : stepOf(access.address, values);
    return access === null || step === null ? null : { ...access, step };
  });
  return { period: countOf(block), hoisted };
}

function follow(insn: Insn, values: (Affine | null)[], windows: (Reg | null)[], fromSource: boolean): void {
  const value = valueOf(insn, values);
  const kept = keepsWindow(insn) && "reg" in insn.src && (insn.op === "mov" || fromSource);
  const window = kept ? (windows[insn.src.reg] ?? null) : null;
  const written = writes(insn);
  for (let reg = 0; reg < 10; reg++) {
    if (((written >> reg) & 1) === 0) continue;
    values[reg] = null;
    if (!keepsWindow(insn)) windows[reg] = null;
  }
  if (insn.kind !== "alu") return;
  values[insn.dst] = value;
  if (kept) windows[insn.dst] = window;
}

function valueOf(insn: Insn, values: readonly (Affine | null)[]): Affine | null {
  if (insn.kind !== "alu" || insn.width !== 64) return null;
  const { op, dst, src } = insn;
  const b = "imm" in src ? { registers: [], plus: src.imm } : (values[src.reg] ?? null);
  if (op === "mov") return b;
  const a = values[dst] ?? null;
  if (a === null || b === null) return null;
  if (op === "add") return near({ registers: [...a.registers, ...b.registers], plus: a.plus + b.plus });
  return op === "sub" && b.registers.length === 0 ? near({ registers: a.registers, plus: a.plus - b.plus }) : null;
}

function near(value: Affine): Affine | null {
  return Math.abs(value.plus) < FAR && value.registers.length <= 4 ? value : null;
}

/** What the sum grows by in a turn, null when that is not the same each time. `ends`: values at the end of the block. */
function stepOf({ registers }: Affine, ends: readonly (Affine | null)[]): Affine | null {
  const step: Reg[] = [];
  let plus = 0;
  for (const reg of registers) {
    const end = ends[reg] ?? null;
    const at = end === null ? -1 : end.registers.indexOf(reg);
    if (end === null || at === -1) return null;
    const others = end.registers.filter((_, i) => i !== at);
    if (!others.every((other) => isInvariant(other, ends))) return null;
    step.push(...others);
    plus += end.plus;
  }
  return { registers: step, plus };
}

function isInvariant(reg: Reg, ends: readonly (Affine | null)[]): boolean {
  const end = ends[reg] ?? null;
  return end !== null && end.plus === 0 && end.registers.length === 1 && end.registers[0] === reg;
}
