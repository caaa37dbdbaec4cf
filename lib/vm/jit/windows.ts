/**
 * Windows: how compiled code checks memory accesses.
 *
 * Each register that is used as the base of an access has a window beside it, the accessible bytes around the place that
 * it points to: locals for the start, and for each kind of access (load or store, size) how many addresses from the start
 * it may begin at. A check is one unsigned compare, (address - start) < limit. A window goes with its register through
 * moves and additions, and is looked up in the page table where a register gets a value of unknown origin.
 *
 * Nothing here decides whether an access is allowed: any window is a true statement about memory, and an access outside of
 * the window is left to the interpreter, which looks for itself. The analysis only predicts which window will serve. So
 * the sole rule is that a window is looked up again whenever memory may have changed: after helpers that move or unmap
 * regions.
 *
 * Two passes: forwards, which of two added registers is the pointer; backwards, which kinds of access will need the window
 * of a register, so that only those are kept.
 */
import type { Insn, Reg } from "../../isa/index.ts";
import { accessOf, keepsWindow, kindOf } from "./access.ts";
import { edgesOf } from "./blocks.ts";
import type { Block, Fn, Placed } from "./blocks.ts";
import { DYNAMIC } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { fuelOf, isTight } from "./loops.ts";
import type { Fuel } from "./loops.ts";
import { KEPT, writes } from "./effects.ts";

/** Kinds by register. */
export type Needs = Uint8Array;

export interface Windows {
  /** Windows that must be there at the start of the function. */
  readonly atEntry: Needs;
  /** By block id and index of the instruction: windows needed after it. */
  readonly after: readonly (readonly Needs[])[];
  /** By block id and index: an addition after which the window is that of the added register. */
  readonly fromSource: readonly Uint8Array[];
  /** By block id: loops of one block, whose affine accesses are not checked one by one. */
  readonly fuel: ReadonlyMap<number, Fuel>;
}

/** How much a register looks like a pointer. `argument`: r1 of a program, whose 4-byte fields may be pointers. */
const RANK = { number: 0, maybe: 1, pointer: 2, argument: 3 } as const;
type Ranks = Uint8Array;

/** `main`: the function's r1 is the program's argument. `moves`: after this call, regions may be elsewhere. */
// prettier-ignore
export function windowsOf(fn: Fn, order: readonly Block[], frame: Frame, main: boolean, moves: (placed: Placed) => boolean): Windows {
  const fromSource = pointersAdded(fn, order, main);
  const fuel = new Map<number, Fuel>();
  for (const block of order) {
    if (isTight(block, (to) => to === block))
      fuel.set(block.id, fuelOf(block, frame.offsets[block.id]!, fromSource[block.id]!));
  }
  const after = fn.blocks.map(({ insns }) => insns.map(() => new Uint8Array(11)));
  const atStart: Needs[] = fn.blocks.map(() => new Uint8Array(11));
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = order.length - 1; i >= 0; i--) {
      const block = order[i]!;
      const needs = new Uint8Array(11);
      for (const { to } of edgesOf(block)) union(needs, atStart[to.id]!);
      for (let k = block.insns.length - 1; k >= 0; k--) {
        const placed = block.insns[k]!;
        after[block.id]![k]!.set(needs);
        const hoisted = fuel.get(block.id)?.hoisted[k] ?? null;
        const fixed = frame.offsets[block.id]![k] !== DYNAMIC || hoisted !== null;
        back(placed, needs, fromSource[block.id]![k] === 1, fixed, moves(placed));
      }
      for (const access of fuel.get(block.id)?.hoisted ?? []) if (access !== null) needs[access.window]! |= 1 << access.kind;
      if (union(atStart[block.id]!, needs)) changed = true;
    }
  }
  return { atEntry: atStart[0]!, after, fromSource, fuel };
}

/** What is needed before an instruction, of what is needed after it. */
function back(placed: Placed, needs: Needs, fromSource: boolean, fixed: boolean, moves: boolean): void {
  const { insn } = placed;
  if (keepsWindow(insn)) {
    if (insn.op !== "mov" && !fromSource) return;
    const needed = needs[insn.dst]!;
    needs[insn.dst] = 0;
    if ("reg" in insn.src) needs[insn.src.reg]! |= needed;
    return;
  }
  const written = writes(insn) | (moves ? KEPT : 0);
  for (let reg = 0; reg < 10; reg++) if ((written >> reg) & 1) needs[reg] = 0;
  const access = fixed ? null : accessOf(placed);
  if (access === null) return;
  needs[access.base]! |= 1 << kindOf(access.size, access.stores);
}

function union(into: Uint8Array, more: Uint8Array): boolean {
  let changed = false;
  for (let i = 0; i < into.length; i++) {
    const value = into[i]! | more[i]!;
    if (value !== into[i]) [into[i], changed] = [value, true];
  }
  return changed;
}

/** Additions in which the source is the pointer. */
function pointersAdded(fn: Fn, order: readonly Block[], main: boolean): Uint8Array[] {
  const fromSource = fn.blocks.map(({ insns }) => new Uint8Array(insns.length));
  const starts: Ranks[] = fn.blocks.map(() => new Uint8Array(11));
  const entry = starts[0]!;
  entry.fill(main ? RANK.number : RANK.maybe);
  entry[1] = main ? RANK.argument : RANK.maybe;
  entry[10] = RANK.pointer;
  const seen = new Set<Block>();
  for (let changed = true; changed;) {
    changed = false;
    for (const block of order) {
      const ranks = starts[block.id]!.slice();
      block.insns.forEach(({ insn }, i) => {
        fromSource[block.id]![i] = rank(insn, ranks) ? 1 : 0;
      });
      for (const { to } of edgesOf(block)) if (raise(starts[to.id]!, ranks) || !seen.has(to)) changed = true;
      for (const { to } of edgesOf(block)) seen.add(to);
    }
  }
  return fromSource;
}

function raise(into: Ranks, more: Ranks): boolean {
  let changed = false;
  for (let i = 0; i < into.length; i++) {
    const value = Math.max(into[i]!, more[i]!);
    if (value !== into[i]) [into[i], changed] = [value, true];
  }
  return changed;
}

/** Brings the ranks through an instruction; true for an addition whose source is the pointer. */
function rank(insn: Insn, ranks: Ranks): boolean {
  if (insn.kind === "alu" && insn.width === 64 && (insn.op === "add" || insn.op === "sub")) {
    if (!("reg" in insn.src)) return false;
    const [dst, src] = [ranks[insn.dst]!, ranks[insn.src.reg]!];
    if (insn.op === "sub") {
      if (src >= RANK.pointer) ranks[insn.dst] = RANK.number;
      return false;
    }
    ranks[insn.dst] = Math.min(Math.max(dst, src), RANK.pointer);
    return src > dst;
  }
  const value = valueRank(insn, ranks);
  const written = writes(insn);
  for (let reg = 0; reg < 10; reg++) if ((written >> reg) & 1) ranks[reg] = RANK.number;
  const into: Reg | null = insn.kind === "call" ? 0 : "dst" in insn && insn.kind !== "jump_if" ? insn.dst : null;
  if (into !== null && (written >> into) & 1) ranks[into] = value;
  return false;
}

function valueRank(insn: Insn, ranks: Ranks): number {
  switch (insn.kind) {
    case "alu":
      return insn.op === "mov" && insn.width === 64 && "reg" in insn.src ? ranks[insn.src.reg]! : RANK.number;
    case "load":
      if (insn.size === 8) return RANK.maybe;
      return insn.size === 4 && ranks[insn.base] === RANK.argument ? RANK.maybe : RANK.number;
    case "load_imm64":
      return insn.pseudo === "none" ? RANK.number : RANK.pointer;
    case "call":
      return RANK.maybe;
    default:
      return RANK.number;
  }
}
