/**
 * The interference graph: two registers that are live at the same time need different colours. Virtual registers are its
 * nodes; of the physical ones, a node only keeps the set that it may not have, as a bit mask.
 *
 * A copy does not make its two sides interfere (they hold the same value there), and is recorded as a wish to give both
 * the same colour.
 */
import { FIRST_VIRTUAL, isRemakable, isVirtual, terminatorUses, type MachineReg } from "../lower/mir.ts";
import type { AllocatedBlock, Item } from "./allocation.ts";
import { itemCopySource, itemEffects, liveAtEnd, type BitSet } from "./liveness.ts";

export interface Move {
  readonly dst: MachineReg;
  readonly src: MachineReg;
  /** Executions, roughly: 10 to the loop depth. */
  readonly weight: number;
}

export interface Graph {
  /** Virtual registers that occur. */
  readonly nodes: readonly MachineReg[];
  /** By node: interfering nodes. */
  readonly neighbours: readonly Set<MachineReg>[];
  /** By node: physical registers that it may not have, as bits. */
  readonly forbidden: number[];
  readonly moves: readonly Move[];
  /** By node: what spilling it costs. */
  readonly cost: number[];
}

export function buildGraph(blocks: readonly AllocatedBlock[], registerEnd: number): Graph {
  return new GraphBuilder(registerEnd).build(blocks);
}

class GraphBuilder {
  private readonly neighbours: Set<MachineReg>[] = [];
  private readonly forbidden: number[] = [];
  private readonly cost: number[] = [];
  private readonly moves: Move[] = [];
  private readonly seen = new Set<MachineReg>();
  /** Nodes all of whose definitions can be repeated: cheap to spill. */
  private readonly remakable = new Map<MachineReg, boolean>();
  private readonly registerEnd: number;

  constructor(registerEnd: number) {
    this.registerEnd = registerEnd;
    for (let i = 0; i < registerEnd; i++) {
      this.neighbours.push(new Set());
      this.forbidden.push(0);
      this.cost.push(0);
    }
  }

  build(blocks: readonly AllocatedBlock[]): Graph {
    const ends = liveAtEnd(blocks, this.registerEnd);
    blocks.forEach((block, i) => this.scan(block, ends[i] as BitSet));
    for (const [reg, cheap] of this.remakable) if (cheap) (this.cost[reg] as number) /= 4;
    const nodes = [...this.seen].sort((a, b) => a - b);
    return { nodes, neighbours: this.neighbours, forbidden: this.forbidden, moves: this.moves, cost: this.cost };
  }

  private scan(block: AllocatedBlock, live: BitSet): void {
    const weight = 10 ** Math.min(block.from.loopDepth, 6);
    for (const reg of terminatorUses(block.terminator)) this.read(reg, live, weight);
    for (const item of block.items.toReversed()) this.scanItem(item, live, weight);
  }

  private scanItem(item: Item, live: BitSet, weight: number): void {
    const { uses, defs, clobbers } = itemEffects(item);
    const source = itemCopySource(item);
    const [dst] = defs;
    if (source !== null && dst !== undefined) {
      live.delete(source);
      if (dst !== source) this.moves.push({ dst, src: source, weight });
    }
    const written = [...defs, ...clobbers];
    for (const reg of written) live.add(reg);
    for (const reg of written) live.forEach((other) => this.interfere(reg, other));
    for (const reg of written) live.delete(reg);
    for (const reg of defs) this.noteDefinition(reg, item, weight);
    for (const reg of uses) this.read(reg, live, weight);
  }

  private read(reg: MachineReg, live: BitSet, weight: number): void {
    live.add(reg);
    this.touch(reg, weight);
  }

  private noteDefinition(reg: MachineReg, item: Item, weight: number): void {
    this.touch(reg, weight);
    const repeatable = item.kind === "original" && isRemakable(item.body);
    this.remakable.set(reg, repeatable && !this.remakable.has(reg));
  }

  private touch(reg: MachineReg, weight: number): void {
    if (!isVirtual(reg)) return;
    this.seen.add(reg);
    (this.cost[reg] as number) += weight;
  }

  private interfere(a: MachineReg, b: MachineReg): void {
    if (a === b) return;
    if (a < FIRST_VIRTUAL) {
      if (b >= FIRST_VIRTUAL) (this.forbidden[b] as number) |= 1 << a;
    } else if (b < FIRST_VIRTUAL) {
      (this.forbidden[a] as number) |= 1 << b;
    } else {
      (this.neighbours[a] as Set<MachineReg>).add(b);
      (this.neighbours[b] as Set<MachineReg>).add(a);
    }
  }
}
