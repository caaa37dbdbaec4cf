/**
 * The functions of a program as graphs of basic blocks.
 *
 * A function starts at slot 0, where a local call leads, or where an address is taken. What the interpreter would trap at
 * (a jump to nowhere, a store to r10, a call of nothing known) is not compiled: the block ends in `leave`, and the
 * interpreter goes on from that slot, traps and says why.
 */
import { slotsOf } from "../../isa/index.ts";
import type { Insn, JumpIf, MayGoto } from "../../isa/index.ts";
import { HELPERS } from "../../kernel/index.ts";
import type { ArrayLayout } from "../engine.ts";
import { functionSlot } from "../functions.ts";
import { writes } from "./effects.ts";
import type { Mask } from "./effects.ts";

/** An instruction and the slot it starts at. */
export interface Placed<I extends Insn = Insn> {
  readonly insn: I;
  readonly slot: number;
  /** A call of map_lookup_elem of this array: compiled in place. */
  readonly array?: ArrayLayout;
}

export interface Edge {
  to: Block;
  /** The slot of a jump that leads to its own slot or an earlier one: there the limit is looked at. */
  readonly backFrom: number | null;
  /** Which of a dispatcher's blocks is meant (irreducible.ts), by this edge or the one it stands for. */
  label: number | null;
}

export type End =
  | { readonly kind: "goto"; readonly edge: Edge; readonly jump: boolean }
  | { readonly kind: "branch"; readonly at: Placed<JumpIf | MayGoto>; readonly taken: Edge; readonly next: Edge }
  | { readonly kind: "exit"; readonly slot: number }
  /** `counted`: instructions of the block that the interpreter is to execute again. */
  | { readonly kind: "leave"; readonly slot: number; readonly counted: 0 | 1 }
  /** To one of the blocks by the number in the dispatch local. */
  | { readonly kind: "dispatch"; readonly edges: readonly Edge[] };

export interface Block {
  /** Index in the function. */
  readonly id: number;
  readonly insns: readonly Placed[];
  readonly end: End;
}

/** One function: blocks that can be reached, the entry first. */
export interface Fn {
  readonly slot: number;
  readonly blocks: Block[];
}

/** Edges out of a block. */
export function edgesOf({ end }: Block): readonly Edge[] {
  switch (end.kind) {
    case "goto":
      return [end.edge];
    case "branch":
      return [end.taken, end.next];
    case "dispatch":
      return end.edges;
    case "exit":
    case "leave":
      return [];
  }
}

/** Instructions of a block, its last one included, that count. */
export function countOf({ insns, end }: Block): number {
  const last = end.kind === "branch" || end.kind === "exit" || (end.kind === "goto" && end.jump);
  return insns.length + (last ? 1 : 0);
}

/** A program by slot. */
export class Code {
  readonly insnAt: readonly (Insn | undefined)[];
  /** Slots; reaching this one is running past the end. */
  readonly end: number;
  /** Slots where a block starts. */
  private readonly leaders = new Set<number>();
  private readonly leaves: (insn: Insn, slot: number) => boolean;
  private readonly arrayOf: (load: Placed) => ArrayLayout | null;

  /** `leaves`: instructions that are not compiled. `arrayOf`: the array map that a 64-bit load gives the address of. */
  // prettier-ignore
  constructor(insns: readonly Insn[], leaves: (insn: Insn, slot: number) => boolean, arrayOf: (load: Placed) => ArrayLayout | null) {
    const bySlot: (Insn | undefined)[] = [];
    for (const insn of insns) {
      bySlot.push(insn);
      if (slotsOf(insn) === 2) bySlot.push(undefined);
    }
    this.insnAt = bySlot;
    this.end = bySlot.length;
    this.leaves = leaves;
    this.arrayOf = arrayOf;
    bySlot.forEach((insn, slot) => {
      if (insn === undefined) return;
      if ("delta" in insn) {
        this.leaders.add(slot + 1 + insn.delta);
        this.leaders.add(slot + 1);
      }
      // Functions too, so that no instruction is in two blocks of one function.
      const entry = functionAt(insn, slot);
      if (entry !== null) this.leaders.add(entry);
    });
  }

  /** Whether an instruction starts there. */
  starts(slot: number): boolean {
    return this.insnAt[slot] !== undefined;
  }

  /** The function whose first instruction is at `slot`. */
  function(slot: number): Fn {
    const blocks: Block[] = [];
    const known = new Map<number, Block>();
    const todo: Edge[] = [];
    const lead = (to: number, from: number | null): Edge => {
      const nowhere = from !== null && !this.starts(to);
      const back = from !== null && to <= from && !nowhere;
      const edge: Edge = { to: PENDING, backFrom: back ? from : null, label: null };
      todo.push(edge);
      targets.set(edge, nowhere ? { slot: from, counted: 1 } : { slot: to, counted: 0 });
      return edge;
    };
    const targets = new Map<Edge, { slot: number; counted: 0 | 1 }>();
    lead(slot, null);
    for (let edge = todo.shift(); edge !== undefined; edge = todo.shift()) {
      const { slot: at, counted } = targets.get(edge) ?? { slot: 0, counted: 0 };
      const found = counted === 1 ? undefined : known.get(at);
      if (found !== undefined) {
        edge.to = found;
        continue;
      }
      // A jump to where nothing starts is executed again by the interpreter: it is counted in the block before.
      const id = blocks.length;
      // prettier-ignore
      const block = counted === 1 ? { id, insns: [], end: { kind: "leave", slot: at, counted } as const } : this.block(id, at, lead);
      if (counted === 0) known.set(at, block);
      blocks.push(block);
      edge.to = block;
    }
    return { slot, blocks };
  }

  /** The array that a call looks something up in, when r1 was loaded in the same block. */
  private arrayLookedUp(insn: Insn, before: readonly Placed[]): ArrayLayout | null {
    if (insn.kind !== "call" || insn.target.kind !== "helper" || insn.target.id !== HELPERS.map_lookup_elem.id)
      return null;
    const load = before.findLast((placed) => (writes(placed.insn) & R1) !== 0);
    return load?.insn.kind === "load_imm64" && load.insn.pseudo === "map_fd" ? this.arrayOf(load) : null;
  }

  private block(id: number, start: number, lead: (to: number, from: number | null) => Edge): Block {
    const insns: Placed[] = [];
    for (let slot = start; ;) {
      const insn = this.insnAt[slot];
      if (insn === undefined || this.leaves(insn, slot)) return { id, insns, end: { kind: "leave", slot, counted: 0 } };
      const next = slot + 1;
      if (insn.kind === "exit") return { id, insns, end: { kind: "exit", slot } };
      if (insn.kind === "jump")
        return { id, insns, end: { kind: "goto", edge: lead(next + insn.delta, slot), jump: true } };
      if (insn.kind === "jump_if" || insn.kind === "may_goto") {
        const taken = lead(next + insn.delta, slot);
        return { id, insns, end: { kind: "branch", at: { insn, slot }, taken, next: lead(next, null) } };
      }
      const array = this.arrayLookedUp(insn, insns);
      insns.push(array === null ? { insn, slot } : { insn, slot, array });
      slot += slotsOf(insn);
      if (this.leaders.has(slot)) return { id, insns, end: { kind: "goto", edge: lead(slot, null), jump: false } };
    }
  }
}

const R1: Mask = 0b10;

/** The slot of the function that an instruction calls or takes the address of; null for others. */
export function functionAt(insn: Insn | undefined, slot: number): number | null {
  if (insn?.kind === "call" && insn.target.kind === "local") return slot + 1 + insn.target.delta;
  return insn?.kind === "load_imm64" && insn.pseudo === "func" ? functionSlot(insn, slot) : null;
}

/** Where an edge leads before its block is made. */
const PENDING: Block = { id: -1, insns: [], end: { kind: "exit", slot: 0 } };
