/**
 * Graph colouring with iterated coalescing (George and Appel, "Iterated Register Coalescing", TOPLAS 1996).
 *
 * A node with fewer than K neighbours can always be coloured after the others, so it is taken out (simplify), which may
 * make others such nodes. Between simplifications, the two ends of a copy are merged where that surely keeps the graph
 * colourable: Briggs' test (the merged node has fewer than K neighbours of degree K or more), or for a physical register
 * George's (each neighbour of the node is already in conflict with the register, or easy). When nothing can be simplified
 * or merged, a copy is given up (freeze); when there is none, a node is taken out in the hope that a colour will be left
 * (optimistic spill). Then colours are given in reverse order.
 */
import { isVirtual, type MachineReg } from "../lower/mir.ts";
import type { Graph, Move } from "./interference.ts";

/** r0..r9; r10 is the frame pointer. */
const K = 10;
/**
 * Which colour to try first. r1..r5 and r0 are lost in calls, so nodes that live across one cannot have them anyway; the
 * kernel's JITs save r6..r9 only in programs that use them.
 */
const ORDER: readonly MachineReg[] = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9];

export interface Colouring {
  /** By virtual register. */
  readonly colours: ReadonlyMap<MachineReg, MachineReg>;
  /** Registers that found none; each group was merged by copies and may share a slot. */
  readonly spilled: readonly (readonly MachineReg[])[];
}

/** `fixed`: registers that must not be spilled (they were made by spilling). */
export function colourGraph(graph: Graph, fixed: ReadonlySet<MachineReg>): Colouring {
  return new Colourer(graph, fixed).run();
}

class Colourer {
  private readonly graph: Graph;
  private readonly fixed: ReadonlySet<MachineReg>;
  private readonly forbidden: number[];
  private readonly neighbours: Set<MachineReg>[];
  private readonly degree: number[] = [];
  private readonly alias = new Map<MachineReg, MachineReg>();
  private readonly members = new Map<MachineReg, MachineReg[]>();
  private readonly cost: number[];
  /** Taken out of the graph: on the stack or merged into another node. */
  private readonly gone = new Set<MachineReg>();
  private readonly stack: MachineReg[] = [];
  private readonly movesOf = new Map<MachineReg, Set<Move>>();
  /** Copies to try; copies that wait for a lower degree. What is in neither is done or given up. */
  private readonly ready = new Set<Move>();
  private readonly waiting = new Set<Move>();
  private readonly simplify = new Set<MachineReg>();
  private readonly freeze = new Set<MachineReg>();
  private readonly spill = new Set<MachineReg>();

  constructor(graph: Graph, fixed: ReadonlySet<MachineReg>) {
    this.graph = graph;
    this.fixed = fixed;
    this.forbidden = [...graph.forbidden];
    this.neighbours = graph.neighbours.map((set) => new Set(set));
    this.cost = [...graph.cost];
    for (const move of [...graph.moves].sort((a, b) => b.weight - a.weight)) this.addMove(move);
    for (const node of graph.nodes) {
      this.members.set(node, [node]);
      this.degree[node] = this.neighbourSet(node).size + bitCount(this.mask(node));
    }
    for (const node of graph.nodes) this.classify(node);
  }

  run(): Colouring {
    for (;;) {
      const node = first(this.simplify);
      const move = first(this.ready);
      if (node !== undefined) this.takeOut(node);
      else if (move !== undefined) this.coalesce(move);
      else if (this.freeze.size > 0) this.giveUpCopies();
      else if (this.spill.size > 0) this.chooseSpill();
      else return this.assign();
    }
  }

  // --- the graph ------------------------------------------------------------------------------------------------------

  private neighbourSet(node: MachineReg): Set<MachineReg> {
    return this.neighbours[node] as Set<MachineReg>;
  }

  private mask(node: MachineReg): number {
    return this.forbidden[node] as number;
  }

  private degreeOf(node: MachineReg): number {
    return this.degree[node] as number;
  }

  private *present(node: MachineReg): Generator<MachineReg> {
    for (const other of this.neighbourSet(node)) if (!this.gone.has(other)) yield other;
  }

  private root(reg: MachineReg): MachineReg {
    let at = reg;
    for (let next = this.alias.get(at); next !== undefined; next = this.alias.get(at)) at = next;
    return at;
  }

  private addMove(move: Move): void {
    this.ready.add(move);
    for (const side of [move.dst, move.src]) {
      if (!isVirtual(side)) continue;
      const known = this.movesOf.get(side);
      if (known === undefined) this.movesOf.set(side, new Set([move]));
      else known.add(move);
    }
  }

  private *pendingMoves(node: MachineReg): Generator<Move> {
    for (const move of this.movesOf.get(node) ?? []) if (this.ready.has(move) || this.waiting.has(move)) yield move;
  }

  private isMoveRelated(node: MachineReg): boolean {
    return this.pendingMoves(node).next().done !== true;
  }

  /** Puts a node on the worklist that fits it. */
  private classify(node: MachineReg): void {
    this.simplify.delete(node);
    this.freeze.delete(node);
    this.spill.delete(node);
    if (this.degreeOf(node) >= K) this.spill.add(node);
    else if (this.isMoveRelated(node)) this.freeze.add(node);
    else this.simplify.add(node);
  }

  private lowerDegree(node: MachineReg): void {
    this.degree[node] = this.degreeOf(node) - 1;
    if (this.degreeOf(node) !== K - 1) return;
    // Copies of it and its neighbours may be mergeable now.
    for (const near of [node, ...this.present(node)]) this.wakeMoves(near);
    this.classify(node);
  }

  private wakeMoves(node: MachineReg): void {
    for (const move of this.movesOf.get(node) ?? []) {
      if (this.waiting.delete(move)) this.ready.add(move);
    }
  }

  // --- simplify, freeze, spill ----------------------------------------------------------------------------------------

  private takeOut(node: MachineReg): void {
    this.simplify.delete(node);
    this.freeze.delete(node);
    this.spill.delete(node);
    this.stack.push(node);
    const near = [...this.present(node)];
    this.gone.add(node);
    for (const other of near) this.lowerDegree(other);
  }

  /** The node whose copies are worth least. */
  private giveUpCopies(): void {
    let best: MachineReg | undefined;
    let least = Infinity;
    for (const node of this.freeze) {
      let worth = 0;
      for (const move of this.pendingMoves(node)) worth += move.weight;
      if (worth >= least) continue;
      least = worth;
      best = node;
    }
    if (best !== undefined) this.freezeMoves(best);
  }

  private freezeMoves(node: MachineReg): void {
    const moves = [...this.pendingMoves(node)];
    for (const move of moves) {
      this.ready.delete(move);
      this.waiting.delete(move);
    }
    for (const { dst, src } of moves) {
      for (const side of [this.root(dst), this.root(src)])
        if (isVirtual(side) && !this.gone.has(side)) this.classify(side);
    }
    this.classify(node);
  }

  private chooseSpill(): void {
    let best: MachineReg | undefined;
    let least = Infinity;
    for (const node of this.spill) {
      const price = this.isFixed(node) ? Number.MAX_VALUE : (this.cost[node] as number) / this.degreeOf(node);
      if (price >= least) continue;
      least = price;
      best = node;
    }
    if (best === undefined) return;
    const moves = [...this.pendingMoves(best)];
    for (const move of moves) {
      this.ready.delete(move);
      this.waiting.delete(move);
    }
    this.takeOut(best);
    for (const { dst, src } of moves) {
      for (const side of [this.root(dst), this.root(src)])
        if (isVirtual(side) && !this.gone.has(side)) this.classify(side);
    }
  }

  private isFixed(node: MachineReg): boolean {
    return (this.members.get(node) ?? []).every((m) => this.fixed.has(m));
  }

  // --- coalesce -------------------------------------------------------------------------------------------------------

  private coalesce(move: Move): void {
    this.ready.delete(move);
    let u = this.root(move.dst);
    let v = this.root(move.src);
    if (!isVirtual(v)) [u, v] = [v, u];
    if (u === v || this.conflict(u, v)) {
      for (const side of [u, v]) if (isVirtual(side) && !this.gone.has(side)) this.classify(side);
      return;
    }
    if (isVirtual(u) ? this.briggs(u, v) : this.george(u, v)) this.merge(u, v);
    else this.waiting.add(move);
  }

  private conflict(u: MachineReg, v: MachineReg): boolean {
    if (!isVirtual(v)) return true;
    return isVirtual(u) ? this.neighbourSet(u).has(v) : ((this.mask(v) >> u) & 1) === 1;
  }

  private george(physical: MachineReg, v: MachineReg): boolean {
    for (const t of this.present(v)) {
      if (this.degreeOf(t) >= K && ((this.mask(t) >> physical) & 1) === 0) return false;
    }
    return true;
  }

  private briggs(u: MachineReg, v: MachineReg): boolean {
    let hard = bitCount(this.mask(u) | this.mask(v));
    const nearV = this.neighbourSet(v);
    for (const t of this.present(u)) {
      // A common neighbour loses one.
      if (this.degreeOf(t) - (nearV.has(t) ? 1 : 0) >= K) hard++;
    }
    for (const t of this.present(v)) if (!this.neighbourSet(u).has(t) && this.degreeOf(t) >= K) hard++;
    return hard < K;
  }

  /** v becomes u. */
  private merge(u: MachineReg, v: MachineReg): void {
    const near = [...this.present(v)];
    this.alias.set(v, u);
    this.gone.add(v);
    this.simplify.delete(v);
    this.freeze.delete(v);
    this.spill.delete(v);
    if (isVirtual(u)) this.mergeNodes(u, v, near);
    else for (const t of near) this.forbid(t, u);
  }

  private mergeNodes(u: MachineReg, v: MachineReg, near: readonly MachineReg[]): void {
    (this.members.get(u) as MachineReg[]).push(...(this.members.get(v) ?? []));
    (this.cost[u] as number) += this.cost[v] as number;
    const moves = this.movesOf.get(u) ?? new Set<Move>();
    for (const move of this.movesOf.get(v) ?? []) moves.add(move);
    this.movesOf.set(u, moves);
    for (const t of near) {
      if (this.neighbourSet(u).has(t)) {
        this.lowerDegree(t);
        continue;
      }
      this.neighbourSet(u).add(t);
      this.neighbourSet(t).add(u);
      this.degree[u] = this.degreeOf(u) + 1;
    }
    const added = bitCount(this.mask(v) & ~this.mask(u));
    this.forbidden[u] = this.mask(u) | this.mask(v);
    this.degree[u] = this.degreeOf(u) + added;
    this.wakeMoves(u);
    this.classify(u);
  }

  /** The edge from t to a node that became physical register r. */
  private forbid(t: MachineReg, r: MachineReg): void {
    const had = ((this.mask(t) >> r) & 1) === 1;
    this.forbidden[t] = this.mask(t) | (1 << r);
    if (had) this.lowerDegree(t);
  }

  // --- colours --------------------------------------------------------------------------------------------------------

  private assign(): Colouring {
    const colours = new Map<MachineReg, MachineReg>();
    const spilled: MachineReg[][] = [];
    const colourOf = (reg: MachineReg): MachineReg | undefined => {
      const root = this.root(reg);
      return isVirtual(root) ? colours.get(root) : root;
    };
    for (const node of this.stack.toReversed()) {
      let taken = this.mask(node);
      for (const other of this.neighbourSet(node)) {
        const colour = colourOf(other);
        if (colour !== undefined) taken |= 1 << colour;
      }
      const colour = this.preferred(node, taken, colourOf);
      if (colour !== undefined) colours.set(node, colour);
      else spilled.push((this.members.get(node) as MachineReg[]).filter((m) => !this.fixed.has(m)));
    }
    if (spilled.some((group) => group.length === 0)) throw new Error("register allocation cannot make progress");
    for (const node of this.graph.nodes) {
      const colour = colourOf(node);
      if (colour !== undefined) colours.set(node, colour);
    }
    return { colours, spilled };
  }

  /** The colour of the other side of a copy that was given up, where it is free after all; else the first free one. */
  private preferred(
    node: MachineReg,
    taken: number,
    colourOf: (reg: MachineReg) => MachineReg | undefined,
  ): MachineReg | undefined {
    for (const { dst, src } of this.movesOf.get(node) ?? []) {
      const colour = colourOf(this.root(dst) === node ? src : dst);
      if (colour !== undefined && ((taken >> colour) & 1) === 0) return colour;
    }
    return ORDER.find((r) => ((taken >> r) & 1) === 0);
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item;
  return undefined;
}

function bitCount(mask: number): number {
  let n = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) n++;
  return n;
}
