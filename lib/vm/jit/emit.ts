/**
 * One function of a program as a WebAssembly function.
 *
 * Registers are locals; control flow is nested along the dominator tree (Ramsey, "Beyond Relooper", 2022): a block that
 * several others lead to comes right after a WebAssembly block around all of them, a loop's header opens a loop.
 *
 *   parameters   the registers that the function reads of its caller, then the depth of its frame (i32)
 *   result       r0
 *
 * Whenever something is not as predicted (windows.ts), the limit is reached, or a call chain is too long, the code leaves:
 * it branches to the end of the function, stores the registers, and the interpreter goes on at the same instruction until
 * this function returns. So every fault is the interpreter's.
 */
import { DominatorTree } from "../../graph/index.ts";
import type { Insn, JumpIf, MayGoto, Operand, Reg, Size, Width } from "../../isa/index.ts";
import { LIMITS } from "../../kernel/index.ts";
import { SCRATCH, STACK_BYTES } from "../engine.ts";
import type { ArrayLayout } from "../engine.ts";
import { ATOMIC as ATOMIC_RESULT } from "../semantics.ts";
import { accessOf, keepsWindow, kindOf } from "./access.ts";
import type { Kinds } from "./access.ts";
import { countOf, edgesOf } from "./blocks.ts";
import type { Block, Edge, Placed } from "./blocks.ts";
import type { Fuel, Hoisted } from "./loops.ts";
import { ALU, ATOMIC, JUMP, NEG, OPPOSITE, SWAP } from "./operations.ts";
import type { Value } from "./operations.ts";
import type { Plan } from "./plan.ts";
import { KEPT, SCRATCHED, bit, isTailCall, reads, writes } from "./effects.ts";
import type { Mask } from "./effects.ts";
import { STATE } from "./state.ts";
import { Body } from "./wasm.ts";
import type { Op, Signature, ValueType } from "./wasm.ts";

import type { Needs } from "./windows.ts";

/** What the code of a function refers to in its module. */
export interface Surroundings {
  /** A number for a place: a slot, and how many instructions were executed before it, relative to the counter. */
  site(slot: number, executed: number): number;
  /** The plan of the function at the slot that a local call names. */
  callee(slot: number): Plan;
  /** Is told of a function that is called, and not inlined. */
  calls(plan: Plan): void;
  /** What a 64-bit load gives. */
  loaded(placed: Placed): bigint;
  /** Indexes of functions: of the host, and those that every module has. */
  readonly functions: {
    readonly leave: number;
    readonly tail: number;
    readonly callx: number;
    readonly loadPacket: number;
    readonly window: number;
    readonly clear: number;
    call(placed: Placed): number;
  };
  readonly tailType: number;
  /** Functions of the program may be called back, and see all registers then. */
  readonly callbacks: boolean;
}

/** Registers that a program called by a tail call gets; r2 to r5 hold what calls leave in them. */
export const TAIL_REGISTERS: readonly Reg[] = [0, 1, 6, 7, 8, 9];
const DISPATCH_START = 0;
/** In place of an offset in the frame: the address was checked before (DYNAMIC: it is to be checked). */
const UNCHECKED = -2;

const LOADS: Readonly<Record<"u" | "s", Readonly<Record<1 | 2 | 4 | 8, Op>>>> = {
  u: { 1: "i64.load8_u", 2: "i64.load16_u", 4: "i64.load32_u", 8: "i64.load" },
  s: { 1: "i64.load8_s", 2: "i64.load16_s", 4: "i64.load32_s", 8: "i64.load" },
};
// prettier-ignore
const STORES: Readonly<Record<1 | 2 | 4 | 8, Op>> = { 1: "i64.store8", 2: "i64.store16", 4: "i64.store32", 8: "i64.store" };

export function signatureOf(plan: Plan): Signature {
  return { parameters: [...plan.parameters.map((): ValueType => "i64"), "i32"], results: ["i64"] };
}

export function emitFunction(plan: Plan, around: Surroundings): Body {
  const body = new Body(signatureOf(plan));
  const shared: Shared = {
    body,
    around,
    depth: plan.parameters.length,
    left: body.local("i64"),
    site: body.local("i32"),
    temporaries: {},
    activations: [],
    room: INLINE.total,
  };
  const main = new Emitter(plan, shared, null);
  plan.parameters.forEach((reg, i) => main.bind(reg, i));
  const labels = shared.activations.map(() => body.open("block"));
  // The innermost block is that of the last.
  shared.activations.forEach((activation, i) => (activation.leaveLabel = labels[i] ?? 0));
  main.emit();
  body.op("unreachable");
  for (const activation of shared.activations.toReversed()) {
    body.close();
    activation.emitLeave();
  }
  return body;
}

/** What all activations in one function share. */
interface Shared {
  readonly body: Body;
  readonly around: Surroundings;
  /** Locals: depth of the function's frame, the counter, and the place that `leave` is told. */
  readonly depth: number;
  readonly left: number;
  readonly site: number;
  readonly temporaries: Partial<Record<string, number>>;
  /** The function itself and what is inlined in it, outer ones first. */
  readonly activations: Emitter[];
  /** Instructions that may still be inlined. */
  room: number;
}

/**
 * Calls of a function are inlined when it is small or called in one place only. Engines before Node 24 do not inline.
 * `depth`: most calls within each other.
 */
const INLINE = { small: 48, total: 1024, depth: 4 } as const;

/** A call that is inlined: where it is in the caller. */
interface InlinedCall {
  readonly caller: Emitter;
  readonly slot: number;
}

/** Where a branch may go: the label of a block that is open. */
type Labels = Map<Block, number>;

/** An activation of a function: the WebAssembly function's own, or one that is inlined in it, with registers of its own. */
class Emitter {
  leaveLabel = 0;
  private readonly plan: Plan;
  private readonly shared: Shared;
  private readonly body: Body;
  private readonly around: Surroundings;
  private readonly inlined: InlinedCall | null;
  /** Activations around it. */
  private readonly level: number;
  /** Those in it, by the slot of the call. */
  private readonly calls = new Map<number, Emitter>();
  private readonly left: number;
  private readonly registers: (number | undefined)[] = [];
  private readonly labels: Labels = new Map();
  private readonly tree: DominatorTree<Block>;
  private readonly children: Map<Block, Block[]>;
  private readonly position = new Map<Block, number>();
  private readonly joins = new Set<Block>();
  /** Blocks that a block dominates. */
  private readonly sizes = new Map<Block, number>();
  private readonly headers = new Set<Block>();
  /** Windows: the start, and a limit for each kind, by register. */
  private readonly starts: (number | undefined)[] = [];
  private readonly limits: (number | undefined)[][] = Array.from({ length: 11 }, () => []);
  private frameLocal: number | null = null;
  /** Slots of the frame that are locals, by offset. */
  private readonly slots = new Map<number, number>();
  /** Instructions executed before the function, relative to the counter. */
  private base = 0;
  private returnLabel = 0;
  /** The loop whose turns are not yet taken off the counter. */
  private burning: { readonly fuel: Fuel; readonly given: number; readonly rest: number } | null = null;

  constructor(plan: Plan, shared: Shared, inlined: InlinedCall | null) {
    this.plan = plan;
    this.shared = shared;
    this.body = shared.body;
    this.around = shared.around;
    this.left = shared.left;
    this.inlined = inlined;
    this.level = inlined === null ? 0 : inlined.caller.level + 1;
    this.tree = new DominatorTree(plan.fn.blocks[0], successors);
    this.children = this.tree.children();
    shared.activations.push(this);
    this.findJoins();
    this.findInlined();
  }

  /** Makes a register of a local that is there already. */
  bind(reg: Reg, local: number): void {
    this.registers[reg] = local;
  }

  emit(): void {
    const { body } = this;
    if (this.inlined === null) {
      loadState(body, "i64.load", STATE.left);
      body.set(this.left);
    }
    this.prologue();
    const [entry] = this.plan.fn.blocks;
    if (entry !== undefined) this.emitTree(entry);
  }

  private findInlined(): void {
    for (const { insns } of this.tree.order) {
      for (const { insn, slot } of insns) {
        if (insn.kind !== "call" || insn.target.kind !== "local") continue;
        const callee = this.around.callee(slot + 1 + insn.target.delta);
        if (!this.mayInline(callee)) continue;
        this.shared.room -= callee.size;
        this.calls.set(slot, new Emitter(callee, this.shared, { caller: this, slot }));
      }
    }
  }

  private mayInline(callee: Plan): boolean {
    if (callee.tailCalls || callee.size > this.shared.room || this.level >= INLINE.depth) return false;
    if (callee.size > INLINE.small && callee.callers > 1) return false;
    return !this.isWithin(callee);
  }

  private isWithin(plan: Plan): boolean {
    return this.plan === plan || (this.inlined?.caller.isWithin(plan) ?? false);
  }

  // Control flow.

  private findJoins(): void {
    this.tree.order.forEach((block, i) => this.position.set(block, i));
    const forward = new Map<Block, number>();
    for (const block of this.tree.order) {
      for (const { to } of edgesOf(block)) {
        if (this.isBack(block, to)) this.headers.add(to);
        else forward.set(to, (forward.get(to) ?? 0) + 1);
      }
    }
    for (const [block, edges] of forward) if (edges > 1) this.joins.add(block);
    for (const block of this.tree.order.toReversed()) {
      const inner = this.children.get(block) ?? [];
      this.sizes.set(
        block,
        inner.reduce((sum, child) => sum + (this.sizes.get(child) ?? 0), 1),
      );
    }
  }

  private isBack(from: Block, to: Block): boolean {
    return (this.position.get(to) ?? 0) <= (this.position.get(from) ?? 0);
  }

  /**
   * A block and all that it dominates. Blocks that several others lead to come after WebAssembly blocks around the code that
   * leads there, the last in order around all. Long chains of blocks must not become deep recursion: what comes last is
   * done in the same turn of the loop.
   */
  private emitTree(root: Block): void {
    const { body } = this;
    let loops = 0;
    for (let block: Block | null = root; block !== null;) {
      const joins: readonly Block[] = (this.children.get(block) ?? [])
        .filter((child) => this.joins.has(child))
        .toReversed();
      if (this.headers.has(block)) {
        this.labels.set(block, body.open("loop"));
        loops++;
      }
      for (const join of joins) this.labels.set(join, body.open("block"));
      const fuel = this.plan.windows.fuel.get(block.id);
      const next: Block | null = fuel === undefined ? this.emitBlock(block) : this.emitFuelLoop(block, fuel);
      if (joins.length > 0 && next !== null) this.emitTree(next);
      for (const join of joins.slice(1).toReversed()) {
        this.closeBefore(join);
        this.emitTree(join);
      }
      const last: Block | undefined = joins[0];
      if (last !== undefined) this.closeBefore(last);
      block = last ?? next;
    }
    for (; loops > 0; loops--) body.close();
  }

  private closeBefore(join: Block): void {
    this.body.close();
    this.labels.delete(join);
  }

  /** A block without those that it dominates; the one that follows in place, if any. */
  private emitBlock(block: Block): Block | null {
    this.emitInsns(block);
    const { end } = block;
    const { body } = this;
    switch (end.kind) {
      case "goto":
        return this.follow(block, end.edge);
      case "branch":
        return this.emitBranch(block, end.at, end.taken, end.next);
      case "exit":
        this.emitExit(this.executedBefore(block) + countOf(block));
        return null;
      case "leave":
        this.mark(end.slot, this.executedBefore(block) + block.insns.length - end.counted);
        body.br(this.leaveLabel);
        return null;
      case "dispatch":
        this.emitDispatch(end.edges);
        return null;
    }
  }

  /** A loop of one block (loops.ts), inside of the WebAssembly loop that its label is. */
  private emitFuelLoop(block: Block, fuel: Fuel): Block | null {
    const { body } = this;
    const { end } = block;
    if (end.kind !== "branch") throw new Error("a tight loop ends in a branch");
    const given = body.local("i64");
    const rest = body.local("i64");
    const done = body.open("block");
    this.refuel(block, fuel, given);
    body.get(given);
    body.set(rest);
    const again = body.open("loop");
    this.burning = { fuel, given, rest };
    this.emitInsns(block);
    this.burning = null;
    this.condition(end.at.insn, true);
    body.brIf(done);
    body.get(rest);
    body.i64(1);
    body.op("i64.sub");
    body.tee(rest);
    body.op("i64.eqz");
    body.op("i32.eqz");
    body.brIf(again);
    body.close();
    this.burn(fuel, given, rest);
    if (end.taken.backFrom !== null) this.checkLimit(end.taken.backFrom, this.executedBefore(block) - 1);
    body.br(this.labelOf(end.taken));
    body.close();
    this.burn(fuel, given, rest);
    return this.follow(block, end.next);
  }

  /** Takes the turns that were made off the counter. */
  private burn({ period }: Fuel, given: number, rest: number): void {
    const { body } = this;
    body.get(this.left);
    body.get(given);
    body.get(rest);
    body.op("i64.sub");
    body.i64(period);
    body.op("i64.mul");
    body.op("i64.sub");
    body.set(this.left);
  }

  /** Computes the turns that are safe: at least one, else leaves. */
  private refuel(block: Block, { period, hoisted }: Fuel, given: number): void {
    const { body } = this;
    const [slot, executed] = [block.insns[0]?.slot, this.executedBefore(block)];
    // Turns until the limit is exceeded at the end of one; it is looked at only there.
    const turns = this.temporary("fuel", "i64");
    this.pushLeft(executed);
    body.i64(period);
    body.op("i64.div_s");
    body.tee(turns);
    body.i64(0);
    body.get(turns);
    body.i64(0);
    body.op("i64.gt_s");
    body.op("select");
    body.i64(1);
    body.op("i64.add");
    body.set(given);
    for (const access of hoisted) {
      if (access === null || slot === undefined) continue;
      this.mark(slot, executed);
      this.pushTurns(access);
      body.tee(turns);
      body.get(given);
      body.get(turns);
      body.get(given);
      body.op("i64.lt_u");
      body.op("select");
      body.set(given);
    }
  }

  /** Turns for which an access stays in its window; leaves when it is not in it. */
  private pushTurns({ window, kind, address, step }: Hoisted): void {
    const { body } = this;
    const distance = this.temporary("distance", "i64");
    this.pushSum(address);
    body.get(this.start(window));
    body.op("i64.sub");
    body.tee(distance);
    body.get(this.limit(window, kind));
    body.op("i64.ge_u");
    body.brIf(this.leaveLabel);
    if (step.registers.length === 0 && step.plus <= 0) {
      if (step.plus === 0) return body.i64(-1);
      body.get(distance);
      body.i64(-step.plus);
    } else {
      body.get(this.limit(window, kind));
      body.i64(1);
      body.op("i64.sub");
      body.get(distance);
      body.op("i64.sub");
      if (step.registers.length === 0) body.i64(step.plus);
      else {
        // A step of zero goes on for ever; one that is negative serves for one turn, being larger than any window.
        const by = this.temporary("step", "i64");
        this.pushSum(step);
        body.tee(by);
        body.i64(1);
        body.get(by);
        body.op("i64.eqz");
        body.op("i32.eqz");
        body.op("select");
      }
    }
    body.op("i64.div_u");
    body.i64(1);
    body.op("i64.add");
  }

  private pushSum({ registers, plus }: { readonly registers: readonly Reg[]; readonly plus: number }): void {
    const { body } = this;
    body.i64(plus);
    for (const reg of registers) {
      this.get(reg);
      body.op("i64.add");
    }
  }

  private emitExit(executed: number): void {
    const { body } = this;
    if (this.inlined !== null) {
      // What the caller's code knows of is the call; the counter is told of the rest.
      this.pushLeft(executed - this.base);
      body.set(this.left);
      return body.br(this.returnLabel);
    }
    this.storeLeft(executed);
    this.get(0);
    body.op("return");
  }

  /** The arm that is only a branch, or else the smaller one, goes inside; the other one follows in place. */
  private emitBranch(block: Block, at: Placed<JumpIf | MayGoto>, taken: Edge, next: Edge): Block | null {
    const { body } = this;
    const swapped = this.isBare(block, next)
      ? !this.isBare(block, taken)
      : !this.isBare(block, taken) && this.sizeOf(taken) > this.sizeOf(next);
    const [inner, outer] = swapped ? [next, taken] : [taken, next];
    this.condition(at.insn, swapped);
    if (this.isBare(block, inner)) {
      body.brIf(this.labelOf(inner));
      return this.follow(block, outer);
    }
    body.open("if");
    const inside = this.follow(block, inner);
    if (inside !== null) this.emitTree(inside);
    body.close();
    return this.follow(block, outer);
  }

  /** Blocks that are emitted where the edge is. */
  private sizeOf({ to }: Edge): number {
    return this.labels.has(to) ? 0 : (this.sizes.get(to) ?? 0);
  }

  /** Leaves an i32 on the stack: whether the jump is taken, or with `not` whether it is not. */
  private condition(insn: JumpIf | MayGoto, not: boolean): void {
    const { body } = this;
    if (insn.kind === "jump_if") {
      const { width } = insn;
      const opposite = OPPOSITE[insn.op];
      const op = not && opposite !== null ? opposite : insn.op;
      JUMP[op](body, width, this.value({ reg: insn.dst }, width), this.value(insn.src, width));
      if (not && opposite === null) body.op("i32.eqz");
      return;
    }
    const turns = this.temporary("turns", "i32");
    body.i32(0);
    loadState(body, "i32.load", STATE.mayGoto);
    body.tee(turns);
    body.i32(1);
    body.op("i32.sub");
    body.memory("i32.store", STATE.mayGoto);
    body.get(turns);
    body.i32(0);
    body.op(not ? "i32.gt_s" : "i32.le_s");
  }

  private emitDispatch(edges: readonly Edge[]): void {
    // Every target is a join or header of its own block around, or is emitted in place when only the dispatcher leads there.
    const { body } = this;
    const inPlace: { readonly edge: Edge; readonly label: number }[] = [];
    const labels = edges.map((edge) => this.labels.get(edge.to));
    edges.forEach((edge, i) => {
      if (labels[i] === undefined) inPlace.push({ edge, label: body.open("block") });
    });
    const targets = edges.map((edge, i) => labels[i] ?? inPlace.find((p) => p.edge === edge)?.label ?? DISPATCH_START);
    body.get(this.temporary("dispatch", "i32"));
    body.brTable(targets);
    for (const { edge } of inPlace.reverse()) {
      body.close();
      this.emitTree(edge.to);
    }
  }

  /** An edge that needs nothing but the branch. */
  private isBare(from: Block, edge: Edge): boolean {
    return (
      this.labels.has(edge.to) &&
      edge.backFrom === null &&
      edge.label === null &&
      this.plan.counts.increment(from, edge) === 0
    );
  }

  private labelOf(edge: Edge): number {
    const label = this.labels.get(edge.to);
    if (label === undefined) throw new Error("a branch to a block that is not open");
    return label;
  }

  /** What passing the edge means, then the branch; or the block that is to follow in place, when nothing else leads to it. */
  private follow(from: Block, edge: Edge): Block | null {
    const { body } = this;
    const increment = this.plan.counts.increment(from, edge);
    if (increment !== 0) {
      this.pushLeft(increment);
      body.set(this.left);
    }
    if (edge.backFrom !== null) this.checkLimit(edge.backFrom, this.executedBefore(edge.to) - 1);
    if (edge.label !== null) {
      body.i32(edge.label);
      body.set(this.temporary("dispatch", "i32"));
    }
    const label = this.labels.get(edge.to);
    if (label === undefined) return edge.to;
    body.br(label);
    return null;
  }

  /** Leaves at a jump or call when with it more instructions are executed than may be. */
  private checkLimit(slot: number, executed: number): void {
    const { body } = this;
    this.mark(slot, executed);
    body.get(this.left);
    body.i64(executed + 1);
    body.op("i64.lt_s");
    body.brIf(this.leaveLabel);
  }

  /** Notes where the code is, for `leave` and for functions of the host. */
  private mark(slot: number, executed: number): void {
    this.body.i32(this.around.site(slot, executed));
    this.body.set(this.shared.site);
  }

  private executedBefore(block: Block): number {
    return this.base + (this.plan.counts.potential[block.id] ?? 0);
  }

  /** The counter less what was executed since. */
  private pushLeft(executed: number): void {
    this.body.get(this.left);
    if (executed === 0) return;
    this.body.i64(executed);
    this.body.op("i64.sub");
  }

  private storeLeft(executed: number): void {
    storeState(this.body, "i64.store", STATE.left, () => this.pushLeft(executed));
  }

  // Entry and the way out.

  private prologue(): void {
    const { body, plan } = this;
    for (const [offset, { zeroed }] of plan.frame.slots) {
      const local = body.local("i64");
      this.slots.set(offset, local);
      if (!zeroed) continue;
      body.i64(0);
      body.set(local);
    }
    if (plan.usesFrame) {
      this.setFrame();
      if (!plan.main) emitClear(body, this.frame, plan.frame.clear, this.around.functions.clear);
    }
    if (plan.usesFramePointer) {
      body.get(this.frame);
      body.i32(STACK_BYTES);
      body.op("i32.add");
      body.op("i64.extend_i32_u");
      body.set(this.register(10));
    }
    plan.windows.atEntry.forEach((kinds, reg) => this.lookUp(reg as Reg, kinds));
  }

  private setFrame(): void {
    const { body } = this;
    this.pushDepth();
    body.i32(2);
    body.op("i32.shl");
    body.memory("i32.load", STATE.frames);
    body.set(this.frame);
  }

  private get frame(): number {
    return (this.frameLocal ??= this.body.local("i32"));
  }

  /** The depth of the activation's frame. */
  private pushDepth(): void {
    const { body } = this;
    body.get(this.shared.depth);
    if (this.level === 0) return;
    body.i32(this.level);
    body.op("i32.add");
  }

  /** The end of the function that is reached by leaving from this activation: the interpreter finishes the whole function. */
  emitLeave(): void {
    const { body } = this;
    this.registers.forEach((local, reg) => {
      if (reg !== 10) storeState(body, "i64.store", STATE.registers + 8 * reg, () => body.get(local ?? 0));
    });
    this.storeSlots();
    for (let at: InlinedCall | null = this.inlined; at !== null; at = at.caller.inlined) at.caller.storeFrame(at.slot);
    storeState(body, "i64.store", STATE.left, () => body.get(this.left));
    body.get(this.shared.site);
    body.get(this.shared.depth);
    body.i32(this.level);
    body.call(this.around.functions.leave);
    loadState(body, "i64.load", STATE.registers);
    body.op("return");
  }

  /** Brings slots that are locals to the frame. */
  private storeSlots(): void {
    const { body } = this;
    if (this.slots.size === 0) return;
    if (!this.plan.usesFrame) this.setFrame();
    for (const [offset, local] of this.slots) {
      body.get(this.frame);
      body.get(local);
      body.memory(STORES[this.plan.frame.slots.get(offset)!.size as Size], offset);
    }
  }

  /** What the interpreter needs to return to this activation from an inlined call. */
  private storeFrame(call: number): void {
    const { body } = this;
    const at = STATE.inlined.start + STATE.inlined.size * this.level;
    this.storeSlots();
    storeState(body, "i32.store", at, () => body.i32(call + 1));
    for (const reg of [6, 7, 8, 9] as const) {
      const local = this.registers[reg];
      if (local !== undefined) storeState(body, "i64.store", at + 8 * (reg - 5), () => body.get(local));
    }
  }

  // Registers and operands.

  private register(reg: Reg): number {
    return (this.registers[reg] ??= this.body.local("i64"));
  }
  private get(reg: Reg): void {
    this.body.get(this.register(reg));
  }
  private set(reg: Reg): void {
    this.body.set(this.register(reg));
  }
  private temporary(name: string, type: ValueType): number {
    return (this.shared.temporaries[name] ??= this.body.local(type));
  }

  private value(operand: Operand, width: Width): Value {
    const { body } = this;
    if ("imm" in operand) {
      const { imm } = operand;
      return { constant: imm, push: () => (width === 64 ? body.i64(imm) : body.i32(imm)) };
    }
    const local = this.register(operand.reg);
    return {
      constant: null,
      push: () => {
        body.get(local);
        if (width === 32) body.op("i32.wrap_i64");
      },
    };
  }

  /** Sets a register to the value on the stack, of the operation's width. */
  private setResult(reg: Reg, width: Width): void {
    if (width === 32) this.body.op("i64.extend_i32_u");
    this.set(reg);
  }

  // Instructions.

  private emitInsns(block: Block): void {
    const live = this.liveAfter(block);
    const executed = this.executedBefore(block);
    block.insns.forEach((placed, i) => {
      const needs = this.plan.windows.after[block.id]![i]!;
      const hoisted = this.burning?.fuel.hoisted[i] ?? null;
      const offset = hoisted === null ? this.plan.frame.offsets[block.id]![i]! : UNCHECKED;
      this.emitInsn(placed, offset, executed + i, live[i]!, needs);
      this.setWindows(placed, this.plan.windows.fromSource[block.id]![i] === 1, needs);
    });
  }

  /** Registers alive after each instruction of the block. */
  private liveAfter({ id, insns, end }: Block): Mask[] {
    const after: Mask[] = [];
    let live = this.plan.liveness.atEnd[id]!;
    if (end.kind === "branch") live |= reads(end.at.insn, 0);
    if (end.kind === "exit") live |= bit(0);
    for (let i = insns.length - 1; i >= 0; i--) {
      const { insn, slot } = insns[i]!;
      after[i] = live;
      live = (live & ~writes(insn)) | reads(insn, this.plan.calleeReads(slot));
    }
    return after;
  }

  private emitInsn(placed: Placed, offset: number, executed: number, live: Mask, needs: Needs): void {
    const { insn, slot } = placed;
    const { body } = this;
    switch (insn.kind) {
      case "alu":
        ALU[insn.op](body, insn.width, this.value({ reg: insn.dst }, insn.width), this.value(insn.src, insn.width));
        return this.setResult(insn.dst, insn.width);
      case "movsx":
        return this.emitMovsx(insn);
      case "neg":
        NEG(body, insn.width, this.value({ reg: insn.dst }, insn.width));
        return this.setResult(insn.dst, insn.width);
      case "swap":
        SWAP[insn.op](body, insn.bits, () => this.get(insn.dst));
        return this.set(insn.dst);
      case "load":
      case "load_acquire": {
        const signed = insn.kind === "load" && insn.signed;
        const local = this.slots.get(offset);
        if (local === undefined) {
          const at = this.address(placed, offset, executed);
          body.memory(LOADS[signed ? "s" : "u"][insn.size], at);
        } else {
          body.get(local);
          if (signed) this.extend(insn.size);
        }
        return this.set(insn.dst);
      }
      case "store":
      case "store_release": {
        const value = this.value(insn.kind === "store" ? insn.src : { reg: insn.src }, 64);
        const local = this.slots.get(offset);
        if (local !== undefined) {
          value.push();
          this.cut(insn.size);
          return body.set(local);
        }
        const at = this.address(placed, offset, executed);
        value.push();
        return body.memory(STORES[insn.size], at);
      }
      case "atomic":
        return this.emitAtomic(placed, insn, offset, executed);
      case "load_imm64":
        body.i64(this.around.loaded(placed));
        return this.set(insn.dst);
      case "load_packet":
        return this.emitLoadPacket(insn, slot, executed, live);
      case "call":
        return placed.array === undefined
          ? this.emitCall(placed, executed, live, needs)
          : this.emitLookup(placed, placed.array, offset, executed, live, needs);
      case "addr_space_cast":
      case "jump":
      case "jump_if":
      case "may_goto":
      case "exit":
        throw new Error(`${insn.kind} inside of a block`);
    }
  }

  private emitMovsx({ dst, src, bits, width }: Extract<Insn, { kind: "movsx" }>): void {
    const { body } = this;
    this.get(src);
    this.extend(bits / 8);
    if (width === 32) {
      body.op("i32.wrap_i64");
      body.op("i64.extend_i32_u");
    }
    this.set(dst);
  }

  /** Sign-extends the i64 on the stack from so many bytes. */
  private extend(size: number): void {
    if (size < 8) this.body.op(size === 1 ? "i64.extend8_s" : size === 2 ? "i64.extend16_s" : "i64.extend32_s");
  }

  /** Zeroes what is above so many bytes of the i64 on the stack. */
  private cut(size: number): void {
    if (size === 8) return;
    this.body.i64(2 ** (8 * size) - 1);
    this.body.op("i64.and");
  }

  // prettier-ignore
  private emitAtomic(placed: Placed, insn: Extract<Insn, { kind: "atomic" }>, offset: number, executed: number): void {
    const { body } = this;
    const { op, size, src } = insn;
    const place = this.temporary("place", "i32");
    const old = this.temporary("old", "i64");
    const at = this.address(placed, offset, executed);
    body.tee(place);
    body.memory(LOADS.u[size], at);
    body.set(old);
    body.get(place);
    const lowering = ATOMIC[op];
    if (lowering === "compare") {
      this.get(src);
      body.get(old);
      body.get(old);
      this.get(0);
      if (size === 4) {
        body.i64(0xffff_ffff);
        body.op("i64.and");
      }
      body.op("i64.eq");
      body.op("select");
    } else if (lowering === "src") {
      this.get(src);
    } else {
      body.get(old);
      this.get(src);
      body.op(lowering);
    }
    body.memory(STORES[size], at);
    const { fetch } = ATOMIC_RESULT[op];
    if (fetch === null) return;
    body.get(old);
    this.set(fetch === "r0" ? 0 : src);
  }

  // prettier-ignore
  private emitLoadPacket(insn: Extract<Insn, { kind: "load_packet" }>, slot: number, executed: number, live: Mask): void {
    const { body } = this;
    this.storeRegister(6);
    this.enterHost(slot, executed);
    // In 64 bits, as the sum may be more than 32 hold: the host takes it from where r1 is.
    body.i32(0);
    body.i64(insn.imm);
    if (insn.src !== null) {
      this.get(insn.src);
      body.op("i64.extend32_s");
      body.op("i64.add");
    }
    body.memory("i64.store", STATE.registers + 8);
    body.i32(insn.size);
    body.call(this.around.functions.loadPacket);
    this.loadResult();
    this.reloadLeft(executed + 1);
    this.scratch(live);
    body.op("i32.eqz");
    body.open("if");
    this.emitExit(executed + 1);
    body.close();
  }

  // Memory.

  /** map_lookup_elem of an array: the address of a value, or 0 for an index that is too large. */
  private emitLookup(
    placed: Placed,
    array: ArrayLayout,
    offset: number,
    executed: number,
    live: Mask,
    needs: Needs,
  ): void {
    const { body } = this;
    const index = this.temporary("key", "i64");
    const local = this.slots.get(offset);
    if (local === undefined) body.memory("i64.load32_u", this.address(placed, offset, executed));
    else body.get(local);
    body.tee(index);
    body.i64(array.stride);
    body.op("i64.mul");
    body.i64(array.start);
    body.op("i64.add");
    body.i64(0);
    body.get(index);
    body.i64(array.entries);
    body.op("i64.lt_u");
    body.op("select");
    this.set(0);
    this.scratch(live);
    this.setElementWindow(array, needs[0]!);
    for (let reg = 1; reg <= 5; reg++) this.lookUp(reg as Reg, needs[reg]!);
  }

  /** The window of r0, a value of the array or a null pointer. */
  private setElementWindow({ size, writable }: ArrayLayout, kinds: Kinds): void {
    if (kinds === 0) return;
    const { body } = this;
    this.get(0);
    body.set(this.start(0));
    forKinds(kinds, (kind) => {
      const places = kind >= 4 && !writable ? 0 : Math.max(size - (1 << (kind & 3)) + 1, 0);
      body.i64(places);
      body.i64(0);
      this.get(0);
      body.op("i64.eqz");
      body.op("i32.eqz");
      body.op("select");
      body.set(this.limit(0, kind));
    });
  }

  /** Checks an access; leaves its address on the stack and gives the offset to go with it. */
  private address(placed: Placed, fixed: number, executed: number): number {
    const { body } = this;
    const { slot } = placed;
    const access = accessOf(placed);
    if (access === null) throw new Error(`${placed.insn.kind} has no address`);
    const { base, off, size, stores } = access;
    if (fixed >= 0) {
      body.get(this.frame);
      return fixed;
    }
    if (fixed !== UNCHECKED) {
      this.mark(slot, executed);
      this.get(base);
      body.get(this.start(base));
      body.op("i64.sub");
      if (off !== 0) {
        body.i64(off);
        body.op("i64.add");
      }
      body.get(this.limit(base, kindOf(size, stores)));
      body.op("i64.ge_u");
      this.leaveIf();
    }
    this.get(base);
    body.op("i32.wrap_i64");
    if (off >= 0) return off;
    body.i32(off);
    body.op("i32.add");
    return 0;
  }

  /** Leaves when the i32 on the stack is not zero. */
  private leaveIf(): void {
    const { body, burning } = this;
    if (burning === null) return body.brIf(this.leaveLabel);
    body.open("if");
    this.burn(burning.fuel, burning.given, burning.rest);
    body.br(this.leaveLabel);
    body.close();
  }

  private start(reg: Reg): number {
    return (this.starts[reg] ??= this.body.local("i64"));
  }
  private limit(reg: Reg, kind: number): number {
    return (this.limits[reg]![kind] ??= this.body.local("i64"));
  }

  /** Sees to the windows that an instruction gives a register. */
  private setWindows({ insn }: Placed, fromSource: boolean, needs: Needs): void {
    if (insn.kind === "call") return;
    if (keepsWindow(insn)) {
      if ("reg" in insn.src && (insn.op === "mov" || fromSource))
        this.copyWindow(insn.src.reg, insn.dst, needs[insn.dst]!);
      return;
    }
    const written = writes(insn);
    for (let reg = 0; reg < 10; reg++) if ((written >> reg) & 1) this.lookUp(reg as Reg, needs[reg]!);
  }

  private copyWindow(from: Reg, to: Reg, kinds: Kinds): void {
    if (kinds === 0 || from === to) return;
    const { body } = this;
    body.get(this.start(from));
    body.set(this.start(to));
    forKinds(kinds, (kind) => {
      body.get(this.limit(from, kind));
      body.set(this.limit(to, kind));
    });
  }

  /** Looks up the window that a register's value is in, for these kinds of access. */
  private lookUp(reg: Reg, kinds: Kinds): void {
    if (kinds === 0) return;
    const { body } = this;
    const length = this.temporary("length", "i64");
    const writable = this.temporary("writable", "i64");
    this.get(reg);
    body.call(this.around.functions.window);
    body.set(writable);
    body.set(length);
    body.set(this.start(reg));
    forKinds(kinds, (kind) => {
      const size = 1 << (kind & 3);
      const from = kind < 4 ? length : writable;
      body.get(from);
      if (size > 1) {
        body.i64(size - 1);
        body.op("i64.sub");
        body.i64(0);
        body.get(from);
        body.i64(size);
        body.op("i64.ge_u");
        body.op("select");
      }
      body.set(this.limit(reg, kind));
    });
  }

  // Calls.

  private emitCall(placed: Placed, executed: number, live: Mask, needs: Needs): void {
    const { insn, slot } = placed;
    if (insn.kind !== "call") return;
    const { body } = this;
    const { functions } = this.around;
    if (isTailCall(insn)) return this.emitTailCall(slot, executed);
    if (insn.target.kind === "local") {
      this.emitLocalCall(slot + 1 + insn.target.delta, slot, executed);
    } else {
      for (let reg = 1; reg <= 5; reg++) this.storeRegister(reg as Reg);
      if (this.around.callbacks) for (const reg of [0, 6, 7, 8, 9] as const) this.storeIfKnown(reg);
      this.enterHost(slot, executed);
      if (insn.target.kind === "reg") {
        this.mark(slot, executed);
        this.get(insn.target.reg);
        body.op("i32.wrap_i64");
        body.call(functions.callx);
        body.op("i32.eqz");
        body.brIf(this.leaveLabel);
      } else {
        body.call(functions.call(placed));
      }
      this.loadResult();
      this.reloadLeft(executed + 1);
    }
    this.scratch(live);
    const changed = this.plan.moves(placed) ? KEPT | SCRATCHED | 1 : SCRATCHED | 1;
    for (let reg = 0; reg < 10; reg++) if ((changed >> reg) & 1) this.lookUp(reg as Reg, needs[reg]!);
  }

  private storeRegister(reg: Reg): void {
    storeState(this.body, "i64.store", STATE.registers + 8 * reg, () => this.get(reg));
  }
  private storeIfKnown(reg: Reg): void {
    if (this.registers[reg] !== undefined) this.storeRegister(reg);
  }

  /** r0 of a function of the host. */
  private loadResult(): void {
    loadState(this.body, "i64.load", STATE.registers);
    this.set(0);
  }

  /** Tells a function of the host where the run is. */
  private enterHost(slot: number, executed: number): void {
    const { body } = this;
    storeState(body, "i32.store", STATE.site, () => body.i32(this.around.site(slot, executed)));
    storeState(body, "i32.store", STATE.depth, () => this.pushDepth());
    this.storeLeft(executed + 1);
  }

  /** The counter as a call left it. */
  private reloadLeft(executed: number): void {
    const { body } = this;
    loadState(body, "i64.load", STATE.left);
    body.i64(executed);
    body.op("i64.add");
    body.set(this.left);
  }

  /** Calls overwrite r1 to r5. */
  private scratch(live: Mask): void {
    const { body } = this;
    for (let reg = 1; reg <= 5; reg++) {
      if (((live >> reg) & 1) === 0) continue;
      body.i64(SCRATCH);
      this.set(reg as Reg);
    }
  }

  private emitLocalCall(target: number, slot: number, executed: number): void {
    const { body } = this;
    const callee = this.around.callee(target);
    this.checkLimit(slot, executed);
    body.get(this.shared.depth);
    body.i32(LIMITS.callFrames - 1 - this.level);
    body.op("i32.ge_s");
    body.brIf(this.leaveLabel);
    const inlined = this.calls.get(slot);
    if (inlined !== undefined) return inlined.emitInlined(this, executed + 1);
    this.storeLeft(executed + 1);
    for (const reg of callee.parameters) this.get(reg);
    this.pushDepth();
    body.i32(1);
    body.op("i32.add");
    this.around.calls(callee);
    body.call(callee.index);
    this.set(0);
    this.reloadLeft(executed + 1);
  }

  /** This activation in place of a call, after which the caller has executed so many instructions but for the callee's. */
  private emitInlined(caller: Emitter, executed: number): void {
    const { body } = this;
    this.base = executed;
    this.returnLabel = body.open("block");
    for (const reg of this.plan.parameters) {
      caller.get(reg);
      this.set(reg);
    }
    this.emit();
    body.close();
    this.get(0);
    caller.set(0);
  }

  private emitTailCall(slot: number, executed: number): void {
    const { body } = this;
    const index = this.temporary("index", "i32");
    for (const reg of [1, 2, 3] as const) this.storeRegister(reg);
    this.enterHost(slot, executed);
    body.call(this.around.functions.tail);
    body.tee(index);
    body.i32(0);
    body.op("i32.ge_s");
    body.open("if");
    for (const reg of TAIL_REGISTERS) this.get(reg);
    this.pushDepth();
    body.get(index);
    body.callIndirect(this.around.tailType);
    body.op("return");
    body.close();
  }
}

function successors(block: Block): readonly Block[] {
  return edgesOf(block).map(({ to }) => to);
}

export function loadState(body: Body, op: Op, address: number): void {
  body.i32(0);
  body.memory(op, address);
}

export function storeState(body: Body, op: Op, address: number, push: () => void): void {
  body.i32(0);
  push();
  body.memory(op, address);
}

function forKinds(kinds: Kinds, visit: (kind: number) => void): void {
  for (let kind = 0; kind < 8; kind++) if ((kinds >> kind) & 1) visit(kind);
}

/** Zeroes the bytes of `bytes` in the frame whose address is in a local; `all`: the function that zeroes all of it. */
export function emitClear(body: Body, frame: number, bytes: bigint, all: number): void {
  const words: number[] = [];
  for (let offset = 0; offset < STACK_BYTES; offset += 8) {
    if (((bytes >> BigInt(offset)) & 0xffn) !== 0n) words.push(offset);
  }
  if (words.length > 8) {
    body.get(frame);
    return body.call(all);
  }
  for (const offset of words) {
    body.get(frame);
    body.i64(0);
    body.memory("i64.store", offset);
  }
}
