/**
 * Finished instructions in blocks, the last form before positions are known; and what can still be tightened there:
 * copies of a register to itself go, jumps over empty blocks are threaded, equal blocks (every `return 1` of a parser)
 * become one, a jump to an `exit` becomes an exit.
 */
import type { Insn, Reg } from "../../lib/isa/index.ts";
import type { SourcePlace } from "../ir/ir.ts";
import {
  FRAME_POINTER,
  mapRegisters,
  type Body,
  type Condition,
  type MachineBlock,
  type Target,
} from "../lower/mir.ts";
import type { AllocatedBlock, Allocation, Item } from "../regalloc/allocation.ts";

export interface PlacedInsn {
  readonly insn: Insn;
  readonly target: Target | null;
  readonly place: SourcePlace | null;
}

export type FlowEnd =
  | { readonly kind: "jump"; readonly target: FlowBlock }
  | {
      readonly kind: "branch";
      readonly condition: Condition<Reg>;
      readonly then: FlowBlock;
      readonly else: FlowBlock;
      readonly elsePlace: SourcePlace | null;
    }
  | { readonly kind: "exit" };

export interface FlowBlock {
  readonly id: number;
  readonly insns: PlacedInsn[];
  end: FlowEnd;
  /** Of the end. */
  readonly place: SourcePlace | null;
}

/** Blocks of an allocation; the first is the entry. `stackBytes`: where spill slots start below r10. */
export function makeFlow(allocation: Allocation, stackBytes: number): FlowBlock[] {
  const made = new Map<MachineBlock, FlowBlock>();
  for (const block of allocation.blocks) {
    const insns = block.items.flatMap((item) => place(item, stackBytes));
    made.set(block.from, { id: made.size, insns, end: { kind: "exit" }, place: block.terminator.place });
  }
  const find = (block: MachineBlock): FlowBlock => made.get(block) as FlowBlock;
  for (const block of allocation.blocks) find(block.from).end = endOf(block, find);
  return [...made.values()];
}

function endOf({ terminator: t }: AllocatedBlock, find: (block: MachineBlock) => FlowBlock): FlowEnd {
  if (t.kind === "exit") return { kind: "exit" };
  if (t.kind === "jump") return { kind: "jump", target: find(t.target) };
  // The allocation was checked: only physical registers are left.
  const condition = t.condition as Condition<Reg>;
  return { kind: "branch", condition, then: find(t.then), else: find(t.else), elsePlace: t.elsePlace ?? t.place };
}

function place(item: Item, stackBytes: number): PlacedInsn[] {
  const slotOffset = (slot: number): number => -(stackBytes + 8 * (slot + 1));
  switch (item.kind) {
    case "original":
      return finish(item.body, item.from.target, item.from.place);
    case "remake":
      return finish(item.body, item.from.target, item.from.place);
    case "spill":
      return finish(
        { kind: "store", size: 8, base: FRAME_POINTER, off: slotOffset(item.slot), src: { reg: item.reg } },
        null,
        null,
      );
    case "reload":
      return finish(
        { kind: "load", size: 8, signed: false, dst: item.reg, base: FRAME_POINTER, off: slotOffset(item.slot) },
        null,
        null,
      );
    case "move":
      return finish({ kind: "alu", op: "mov", width: 64, dst: item.to, src: { reg: item.reg } }, null, null);
    case "elided":
      return [];
  }
}

function finish(virtual: Body, target: Target | null, at: SourcePlace | null): PlacedInsn[] {
  const body = mapRegisters(virtual, (r) => r as Reg);
  if (body.kind === "frame_address") {
    const { dst, off } = body;
    return [
      { insn: { kind: "alu", op: "mov", width: 64, dst, src: { reg: FRAME_POINTER } }, target: null, place: at },
      { insn: { kind: "alu", op: "add", width: 64, dst, src: { imm: off } }, target: null, place: at },
    ];
  }
  const useless =
    body.kind === "alu" && body.op === "mov" && body.width === 64 && "reg" in body.src && body.src.reg === body.dst;
  return useless ? [] : [{ insn: body, target, place: at }];
}

// --- tightening -------------------------------------------------------------------------------------------------------

/** Applies the improvements until none is left. The entry stays first. */
export function tighten(blocks: readonly FlowBlock[]): FlowBlock[] {
  let current = [...blocks];
  for (;;) {
    const same = findEqual(current);
    let changed = false;
    for (const block of current) {
      const end = simplifyEnd(retarget(block.end, (b) => same.get(afterEmpty(b)) ?? afterEmpty(b)));
      changed ||= !equalEnds(end, block.end);
      block.end = end;
    }
    current = reachable(current);
    if (!changed) return current;
  }
}

/** Instructions of an ending that is copied rather than jumped to. */
const SHORT_TAIL = 1;

/** True for blocks so short that a copy is better than a jump to them. */
export function isShortTail(block: FlowBlock): boolean {
  return block.end.kind === "exit" && block.insns.length <= SHORT_TAIL;
}

/** Cuts endings that another block consists of: the two can be laid out one after the other. */
export function shareTails(blocks: readonly FlowBlock[]): void {
  const endings = new Map<string, FlowBlock>();
  for (const block of blocks) if (isShortTail(block)) endings.set(keyOf(block), block);
  for (const block of blocks) {
    for (let length = SHORT_TAIL; length >= 0 && block.end.kind === "exit"; length--) {
      const rest = block.insns.length - length;
      const shared = rest <= 0 ? undefined : endings.get(keyOf({ ...block, insns: block.insns.slice(rest) }));
      if (shared === undefined) continue;
      block.insns.length = rest;
      block.end = { kind: "jump", target: shared };
    }
  }
}

/** The same end with other targets. */
export function retarget(end: FlowEnd, to: (block: FlowBlock) => FlowBlock): FlowEnd {
  if (end.kind === "jump") return { ...end, target: to(end.target) };
  return end.kind === "branch" ? { ...end, then: to(end.then), else: to(end.else) } : end;
}

function simplifyEnd(end: FlowEnd): FlowEnd {
  if (end.kind === "branch" && end.then === end.else) return { kind: "jump", target: end.then };
  if (end.kind === "jump" && end.target.insns.length === 0 && end.target.end.kind === "exit") return { kind: "exit" };
  return end;
}

function equalEnds(a: FlowEnd, b: FlowEnd): boolean {
  if (a.kind === "jump" && b.kind === "jump") return a.target === b.target;
  if (a.kind === "branch" && b.kind === "branch") return a.then === b.then && a.else === b.else;
  return a.kind === b.kind;
}

/** Past empty blocks that only jump; an endless empty loop is kept. */
function afterEmpty(block: FlowBlock): FlowBlock {
  const passed = new Set<FlowBlock>();
  let at = block;
  while (at.insns.length === 0 && at.end.kind === "jump" && !passed.has(at)) {
    passed.add(at);
    at = at.end.target;
  }
  return at;
}

/** Each block that does the same as an earlier one, and that one. Source places do not count. */
function findEqual(blocks: readonly FlowBlock[]): Map<FlowBlock, FlowBlock> {
  const known = new Map<string, FlowBlock>();
  const same = new Map<FlowBlock, FlowBlock>();
  for (const block of blocks) {
    const key = keyOf(block);
    const earlier = known.get(key);
    if (earlier === undefined) known.set(key, block);
    else same.set(block, earlier);
  }
  return same;
}

function keyOf(block: FlowBlock): string {
  const { end } = block;
  const targets =
    end.kind === "jump" ? [end.target.id] : end.kind === "branch" ? [end.condition, end.then.id, end.else.id] : [];
  const content = [block.insns.map(({ insn, target }) => [insn, target]), end.kind, targets];
  return JSON.stringify(content, (_, v: unknown) => (typeof v === "bigint" ? `${v}n` : v));
}

export function flowSuccessors(block: FlowBlock): FlowBlock[] {
  const { end } = block;
  if (end.kind === "jump") return [end.target];
  return end.kind === "branch" ? [end.then, end.else] : [];
}

/** Blocks that the first one reaches, in the given order. */
function reachable(blocks: readonly FlowBlock[]): FlowBlock[] {
  const seen = new Set(blocks.slice(0, 1));
  for (const block of seen) for (const next of flowSuccessors(block)) seen.add(next);
  return blocks.filter((b) => seen.has(b));
}
