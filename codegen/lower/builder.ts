/**
 * Grows machine code backwards. Instruction selection runs from the last instruction to the first, so that a value is
 * known to be wanted (and how) before its definition is reached; a rule still writes its own few instructions forwards,
 * into a `Sequence`, which is then put in front of what is there.
 *
 * eBPF has no conditional move or set: such a sequence holds a `Skip`, instructions that are jumped over on a condition.
 * Putting one in front cuts the block in two.
 *
 *     before:  | rest |           after:  | if cond goto rest |--> | body |--> | rest |
 */
import type { SourcePlace } from "../ir/ir.ts";
import type { Body, Condition, MachineBlock, MachineInsn, MachineReg, MachineTerminator, Target } from "./mir.ts";
import { FIRST_VIRTUAL } from "./mir.ts";

export interface Skip {
  readonly kind: "skip";
  readonly condition: Condition;
  readonly body: Sequence;
  readonly place: SourcePlace | null;
}
export type SequenceItem = MachineInsn | Skip;

/** Instructions in forward order, all of one source place. */
export class Sequence {
  readonly items: SequenceItem[] = [];
  readonly place: SourcePlace | null;

  constructor(place: SourcePlace | null) {
    this.place = place;
  }

  emit(body: Body, more: { target?: Target; argCount?: number } = {}): void {
    this.items.push({ body, target: more.target ?? null, argCount: more.argCount ?? 0, place: this.place });
  }

  /** Adds instructions that are skipped when the condition holds. */
  skipIf(condition: Condition, write: (body: Sequence) => void): void {
    const body = new Sequence(this.place);
    write(body);
    this.items.push({ kind: "skip", condition, body, place: this.place });
  }
}

/** Machine blocks in the making; instructions are kept last first until `finish`. */
export class MachineBuilder {
  private readonly blocks: MachineBlock[] = [];
  private nextRegister = FIRST_VIRTUAL;

  newRegister(): MachineReg {
    return this.nextRegister++;
  }

  get registerEnd(): number {
    return this.nextRegister;
  }

  newBlock(terminator: MachineTerminator, loopDepth: number): MachineBlock {
    const block: MachineBlock = { id: this.blocks.length, insns: [], terminator, loopDepth };
    this.blocks.push(block);
    return block;
  }

  /** Puts a sequence in front of a block; gives the block that now comes first. */
  prepend(sequence: Sequence, block: MachineBlock): MachineBlock {
    let first = block;
    for (const item of sequence.items.toReversed()) {
      if (!("kind" in item)) {
        first.insns.push(item);
        continue;
      }
      const { condition, place } = item;
      const end = this.newBlock({ kind: "jump", target: first, place }, block.loopDepth);
      const body = this.prepend(item.body, end);
      first = this.newBlock({ kind: "branch", condition, then: first, else: body, place }, block.loopDepth);
    }
    return first;
  }

  /** All blocks that are reached, entry first in reverse postorder, without empty ones, instructions in forward order. */
  finish(entry: MachineBlock): MachineBlock[] {
    for (const block of this.blocks) block.terminator = retarget(block.terminator, afterEmpty);
    const order = reachable(afterEmpty(entry));
    order.forEach((block, id) => {
      block.id = id;
      block.insns.reverse();
    });
    return order;
  }
}

/** Where control goes that arrives at a block: past empty blocks that only jump. An endless empty loop is kept. */
function afterEmpty(block: MachineBlock): MachineBlock {
  const passed = new Set<MachineBlock>();
  let at = block;
  while (at.insns.length === 0 && at.terminator.kind === "jump" && !passed.has(at)) {
    passed.add(at);
    at = at.terminator.target;
  }
  return at;
}

function retarget(t: MachineTerminator, to: (block: MachineBlock) => MachineBlock): MachineTerminator {
  if (t.kind === "jump") return { ...t, target: to(t.target) };
  return t.kind === "branch" ? { ...t, then: to(t.then), else: to(t.else) } : t;
}

function reachable(entry: MachineBlock): MachineBlock[] {
  const seen = new Set([entry]);
  const postorder: MachineBlock[] = [];
  const stack = [{ block: entry, next: targets(entry.terminator) }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const child = top.next.pop();
    if (child === undefined) {
      postorder.push(top.block);
      stack.pop();
    } else if (!seen.has(child)) {
      seen.add(child);
      stack.push({ block: child, next: targets(child.terminator) });
    }
  }
  return postorder.reverse();
}

function targets(t: MachineTerminator): MachineBlock[] {
  if (t.kind === "jump") return [t.target];
  return t.kind === "branch" ? [t.then, t.else] : [];
}
