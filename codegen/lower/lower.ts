/**
 * Instruction selection: an IrFunction becomes machine IR.
 *
 * Blocks and values are visited last to first. In SSA all users of a value come later in reverse postorder (phis' inputs
 * count as uses at the end of the predecessor), so when a definition is reached it is known whether a register was asked
 * for; a value that all its users folded away (an immediate, an address offset, a fused comparison) costs nothing.
 */
import type { Cpu } from "./context.ts";
import { BINARY_RULES, type Rule } from "./arithmetic.ts";
import { UNARY_RULES } from "./bits.ts";
import { MachineBuilder, Sequence } from "./builder.ts";
import { callFunction, callHelper, parameter } from "./calls.ts";
import { materialise, select, testNonZero } from "./compare.ts";
import { Lowering } from "./context.ts";
import { edgeCopies } from "./edges.ts";
import { atomic, contextPointer, globalAddress, load, store } from "./memory.ts";
import { fusedChecks, packetAt } from "./packet.ts";
import { planPackets, testOf } from "./packet-plan.ts";
import { collectUses } from "./uses.ts";
import type { MachineBlock, MachineFunction } from "./mir.ts";
import { Dominators } from "../ir/dominators.ts";
// prettier-ignore
import { hasEffect, type Block, type IrFunction, type PacketAt, type Phi, type SourcePlace, type Terminator, type Value } from "../ir/ir.ts";

type Op = Exclude<Value, Phi>["op"];
type RuleTable = { readonly [K in Op]: readonly Rule<Extract<Value, { op: K }>>[] };

/** By operation; the first rule that applies is taken. Operations whose values are made at each use have none. */
// prettier-ignore
const RULES: RuleTable = {
  const:            [],
  map_address:      [],
  stack_slot:       [],
  function_address: [],
  param:            [parameter],
  binary:           [(l, value) => BINARY_RULES[value.operator].some((rule) => rule(l, value))],
  unary:            [(l, value) => UNARY_RULES[value.operator].some((rule) => rule(l, value))],
  compare:          [materialise],
  select:           [select],
  load:             [load],
  store:            [store],
  atomic:           [atomic],
  global_address:   [globalAddress],
  packet_at:        [packetAt],
  context_pointer:  [contextPointer],
  call_helper:      [callHelper],
  call:             [callFunction],
};

/** Throws a DiagnosticError for what the target does not have. */
export function lowerFunction(fn: IrFunction, cpu: Cpu): MachineFunction {
  const builder = new MachineBuilder();
  const uses = collectUses(fn);
  const dominators = new Dominators(fn);
  const packets = planPackets(fn, uses, dominators, () => builder.newRegister());
  const { slots, bytes } = placeSlots(fn, uses);
  const lowering = new Lowering({ fn, cpu, uses, dominators, packets, builder, slots });
  const blocks = new Selector(lowering).run();
  return { blocks, paramCount: fn.params.length, registerEnd: builder.registerEnd, stackBytes: bytes };
}

/** Gives stack objects their place below r10, in the order of the source. */
function placeSlots(fn: IrFunction, uses: ReadonlyMap<Value, unknown>): { slots: Map<Value, number>; bytes: number } {
  const slots = new Map<Value, number>();
  let bytes = 0;
  for (const block of fn.blocks) {
    for (const value of block.values) {
      if (value.op !== "stack_slot" || !uses.has(value)) continue;
      bytes += value.size;
      slots.set(value, bytes);
    }
  }
  return { slots, bytes };
}

class Selector {
  private readonly l: Lowering;
  /** Stands for each IR block until its code is there; empty, so it vanishes. */
  private readonly heads = new Map<Block, MachineBlock>();
  private readonly depths: ReadonlyMap<Block, number>;

  constructor(lowering: Lowering) {
    this.l = lowering;
    this.depths = loopDepths(lowering.dominators);
  }

  run(): MachineBlock[] {
    const { order } = this.l.dominators;
    for (const block of order) this.heads.set(block, this.exit(block, null));
    for (const block of order.toReversed()) this.lowerBlock(block);
    return this.l.builder.finish(this.head(order[0] as Block));
  }

  private head(block: Block): MachineBlock {
    return this.heads.get(block) as MachineBlock;
  }

  private exit(from: Block, place: SourcePlace | null, result = true): MachineBlock {
    return this.l.builder.newBlock({ kind: "exit", result, place }, this.depths.get(from) ?? 0);
  }

  private jumpTo(target: MachineBlock, from: Block, place: SourcePlace | null): MachineBlock {
    return this.l.builder.newBlock({ kind: "jump", target, place }, this.depths.get(from) ?? 0);
  }

  private lowerBlock(block: Block): void {
    let first = this.lowerTerminator(block, block.terminator);
    for (const value of block.values.toReversed()) {
      if (!hasEffect(value) && !this.l.isWanted(value) && value.op !== "packet_at") continue;
      first = this.write(first, value.place, () => this.applyRules(value));
    }
    this.head(block).terminator = { kind: "jump", target: first, place: null };
  }

  /** Runs `rule`, and puts what it writes in front of `block`. */
  private write(block: MachineBlock, place: SourcePlace | null, rule: () => void): MachineBlock {
    this.l.sequence = new Sequence(place);
    rule();
    return this.l.builder.prepend(this.l.sequence, block);
  }

  private applyRules(value: Exclude<Value, Phi>): void {
    const rules = RULES[value.op] as readonly Rule<Value>[];
    if (!rules.some((rule) => rule(this.l, value))) throw new Error(`no rule for "${value.op}"`);
  }

  private lowerTerminator(block: Block, t: Terminator): MachineBlock {
    const { place } = t;
    switch (t.op) {
      case "jump":
        return this.goTo(block, t.target, place);
      case "branch":
        return this.lowerBranch(block, t);
      case "return": {
        const { value } = t;
        if (value !== null) return this.write(this.exit(block, place), place, () => this.returnValue(value));
        if (this.l.fn.entry === null) return this.exit(block, place, false);
        return this.write(this.exit(block, place), place, () => this.l.alu("mov", 32, 0, { imm: 0 }));
      }
      case "trap":
        return this.lowerTrap(block, place);
    }
  }

  /** The kernel reads 32 bits of what a program returns; a caller of ours relies on the upper half. */
  private returnValue(value: Value): void {
    const { l } = this;
    if (l.fn.entry !== null && value.type === "i32" && value.op !== "const") l.move(0, l.low(value, 32));
    else l.copy(0, value);
  }

  private lowerTrap(block: Block, place: SourcePlace | null): MachineBlock {
    const l: Lowering = this.l;
    const { entry } = l.fn;
    if (entry === null) l.fail("C022", `"${l.fn.name}" may fail a run-time check, and is not inlined`, place);
    return this.write(this.exit(block, place), place, () => l.alu("mov", 32, 0, { imm: entry.refuse }));
  }

  private lowerBranch(block: Block, t: Terminator & { op: "branch" }): MachineBlock {
    const packet = testOf(t);
    const fused = packet === null ? undefined : this.l.packets.fused.get(packet.pointer);
    if (packet !== null && fused !== undefined) {
      if (fused.block === block)
        return this.lowerPacketBranch(block, t.place, packet.pointer, fused.present, fused.absent);
      return this.goTo(block, packet.present, t.place);
    }
    if (t.condition.op === "const") return this.goTo(block, t.condition.value === 0n ? t.else : t.then, t.place);
    const then = this.edge(block, t.then, t.place);
    const otherwise = this.edge(block, t.else, t.place);
    return this.branch(block, t.place, () => {
      const { condition, holds } = testNonZero(this.l, t.condition);
      const [left, ways] = holds ? [t.else, { then, else: otherwise }] : [t.then, { then: otherwise, else: then }];
      return { condition, ...ways, elsePlace: left.rounds.get(block) };
    });
  }

  private lowerPacketBranch(
    block: Block,
    place: SourcePlace | null,
    value: PacketAt,
    present: Block,
    absent: Block,
  ): MachineBlock {
    const there = this.edge(block, present, place);
    const notThere = this.edge(block, absent, place);
    return fusedChecks(this.l, value).reduceRight(
      (next, check) => this.branch(block, place, () => ({ condition: check(), then: notThere, else: next })),
      there,
    );
  }

  /** A block of what `write` emits, ending in the branch that it gives. */
  private branch(
    block: Block,
    place: SourcePlace | null,
    write: () => Omit<MachineBlock["terminator"] & { kind: "branch" }, "kind" | "place">,
  ): MachineBlock {
    const end = this.exit(block, place);
    return this.write(end, place, () => {
      end.terminator = { kind: "branch", ...write(), place };
    });
  }

  /** Where a branch goes to reach `to`: through a block of its own when phis need copies. */
  private edge(from: Block, to: Block, place: SourcePlace | null): MachineBlock {
    return to.phis.length === 0 ? this.head(to) : this.goTo(from, to, place);
  }

  /** @param end - the place of what ends `from`; a loop's next round is the loop's, whatever the round ends with */
  private goTo(from: Block, to: Block, end: SourcePlace | null): MachineBlock {
    const place = to.rounds.get(from) ?? end;
    return this.write(this.jumpTo(this.head(to), from, place), place, () => edgeCopies(this.l, from, to));
  }
}

/** How many natural loops each block lies in. */
function loopDepths(dominators: Dominators): Map<Block, number> {
  const depths = new Map<Block, number>(dominators.order.map((b) => [b, 0]));
  for (const header of dominators.order) {
    const body = new Set([header]);
    const work = header.preds.filter((p) => dominators.dominates(header, p));
    if (work.length === 0) continue;
    for (let block = work.pop(); block !== undefined; block = work.pop()) {
      if (body.has(block)) continue;
      body.add(block);
      work.push(...block.preds);
    }
    for (const block of body) depths.set(block, (depths.get(block) ?? 0) + 1);
  }
  return depths;
}
