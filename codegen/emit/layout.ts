/**
 * Puts blocks in a row so that control mostly falls through. From the entry, the row continues with a successor that is
 * not yet placed, the one with more code ahead: leaving early is the exception, and short blocks that end the program
 * are left for the end. A loop that tests at its head is turned around: entering has a test of its own, the body comes
 * before the loop's, and each round saves a jump. Kernels before 6.7 take a loop only if a jump closes it, so the test
 * cannot be entered by a jump, with the body that runs into it below.
 *
 *     head: if !c goto out                if !c goto out
 *           body              =>    body: ...
 *           goto head               head: if c goto body
 *     out:                          out:
 */
import { flowSuccessors, retarget, type FlowBlock } from "./flow.ts";

/** The blocks in the order of emission, and copies of tests of loops; the first stays first. */
export function layOut(blocks: readonly FlowBlock[]): FlowBlock[] {
  return new Layout(copyTests(blocks)).run();
}

/** Blocks up to this length that end the program are placed late. */
const SHORT = 3;
/** Instructions before a loop's test up to which entering gets a copy; a loop with more keeps the jump of each round. */
const LONGEST_TEST = 8;

/** Gives those who enter a loop whose head only decides to go on a copy of that head. */
function copyTests(blocks: readonly FlowBlock[]): FlowBlock[] {
  const predecessors = findPredecessors(blocks);
  const copies = new Map<FlowBlock, FlowBlock>();
  for (const [head, loop] of findLoops(blocks, predecessors)) {
    if (!onlyDecides(head, loop) || head.insns.length > LONGEST_TEST) continue;
    const copy: FlowBlock = {
      id: blocks.length + copies.size,
      insns: [...head.insns],
      end: head.end,
      place: head.place,
    };
    copies.set(head, copy);
    for (const from of predecessors.get(head) ?? []) {
      if (!loop.has(from)) from.end = retarget(from.end, (to) => (to === head ? copy : to));
    }
  }
  return blocks.flatMap((block) => [copies.get(block) ?? [], block].flat());
}

function onlyDecides(head: FlowBlock, loop: ReadonlySet<FlowBlock>): boolean {
  if (head.end.kind !== "branch") return false;
  const { then, else: otherwise } = head.end;
  return loop.has(then) !== loop.has(otherwise) && then !== head && otherwise !== head;
}

class Layout {
  private readonly blocks: readonly FlowBlock[];
  private readonly placed = new Set<FlowBlock>();
  /** By loop head: the blocks of its loop. */
  private readonly loops: ReadonlyMap<FlowBlock, ReadonlySet<FlowBlock>>;
  /** How many blocks each one leads to. */
  private readonly ahead = new Map<FlowBlock, number>();

  constructor(blocks: readonly FlowBlock[]) {
    this.blocks = blocks;
    this.loops = findLoops(blocks, findPredecessors(blocks));
  }

  run(): FlowBlock[] {
    for (const late of [false, true]) {
      for (const start of this.blocks) {
        if (!late && isShortEnd(start) && start !== this.blocks[0]) continue;
        for (let at: FlowBlock | null = start; at !== null && !this.placed.has(at); at = this.next(at))
          this.placed.add(at);
      }
    }
    return [...this.placed];
  }

  private next(block: FlowBlock): FlowBlock | null {
    const { end } = block;
    const isOpen = (b: FlowBlock): boolean => !this.placed.has(b);
    if (end.kind === "exit") return null;
    if (end.kind === "jump") return isOpen(end.target) ? end.target : null;
    // A test of bits has no opposite: only its second target can be fallen into.
    if (end.condition.op === "set" && isOpen(end.else)) return end.else;
    const open = [end.else, end.then].filter(isOpen);
    return open.reduce<FlowBlock | null>(
      (best, b) => (best === null || this.isBetter(b, best, block) ? b : best),
      null,
    );
  }

  private isBetter(a: FlowBlock, b: FlowBlock, from: FlowBlock): boolean {
    if (isShortEnd(a) !== isShortEnd(b)) return isShortEnd(b);
    const inside = (x: FlowBlock): number =>
      [...this.loops.values()].filter((loop) => loop.has(x) && loop.has(from)).length;
    if (inside(a) !== inside(b)) return inside(a) > inside(b);
    if (this.countAhead(a) !== this.countAhead(b)) return this.countAhead(a) > this.countAhead(b);
    const depth = (x: FlowBlock): number => [...this.loops.values()].filter((loop) => loop.has(x)).length;
    return depth(a) > depth(b);
  }

  private countAhead(block: FlowBlock): number {
    const known = this.ahead.get(block);
    if (known !== undefined) return known;
    const seen = new Set([block]);
    for (const each of seen) for (const next of flowSuccessors(each)) seen.add(next);
    this.ahead.set(block, seen.size);
    return seen.size;
  }
}

function isShortEnd(block: FlowBlock): boolean {
  return block.end.kind === "exit" && block.insns.length <= SHORT;
}

function findPredecessors(blocks: readonly FlowBlock[]): Map<FlowBlock, FlowBlock[]> {
  const found = new Map<FlowBlock, FlowBlock[]>(blocks.map((b) => [b, []]));
  for (const block of blocks) for (const next of flowSuccessors(block)) found.get(next)?.push(block);
  return found;
}

/** Loops by head; a head is what a depth-first walk finds again while it is still inside of it. */
function findLoops(
  blocks: readonly FlowBlock[],
  predecessors: ReadonlyMap<FlowBlock, readonly FlowBlock[]>,
): Map<FlowBlock, Set<FlowBlock>> {
  const loops = new Map<FlowBlock, Set<FlowBlock>>();
  for (const [latch, head] of backEdges(blocks)) {
    const loop = loops.get(head) ?? new Set([head]);
    loops.set(head, loop);
    const work = [latch];
    for (let block = work.pop(); block !== undefined; block = work.pop()) {
      if (loop.has(block)) continue;
      loop.add(block);
      work.push(...(predecessors.get(block) ?? []));
    }
  }
  return loops;
}

function backEdges(blocks: readonly FlowBlock[]): [FlowBlock, FlowBlock][] {
  const [entry] = blocks;
  if (entry === undefined) return [];
  const found: [FlowBlock, FlowBlock][] = [];
  const seen = new Set([entry]);
  const inside = new Set([entry]);
  const stack = [{ block: entry, next: flowSuccessors(entry) }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = top.next.pop();
    if (child === undefined) {
      inside.delete(top.block);
      stack.pop();
    } else if (inside.has(child)) found.push([top.block, child]);
    else if (!seen.has(child)) {
      seen.add(child);
      inside.add(child);
      stack.push({ block: child, next: flowSuccessors(child) });
    }
  }
  return found;
}
