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
import type { Insn, JumpIf, MayGoto, Operand, Reg, Width } from "../../isa/index.ts";
import { LIMITS } from "../../kernel/index.ts";
import { SCRATCH, STACK_BYTES } from "../engine.ts";
import { ATOMIC as ATOMIC_RESULT } from "../semantics.ts";
import { countOf, edgesOf } from "./blocks.ts";
import type { Block, Edge, Placed } from "./blocks.ts";
import { DYNAMIC, accessOf } from "./frame.ts";
import { ALU, ATOMIC, JUMP, NEG, OPPOSITE, SWAP } from "./operations.ts";
import type { Value } from "./operations.ts";
import type { Plan } from "./plan.ts";
import { KEPT, SCRATCHED, bit, isTailCall, reads, writes } from "./registers.ts";
import type { Mask } from "./registers.ts";
import { STATE } from "./state.ts";
import { Body } from "./wasm.ts";
import type { Op, Signature, ValueType } from "./wasm.ts";
import { keepsWindow, kindOf } from "./windows.ts";
import type { Kinds, Needs } from "./windows.ts";

/** What the code of one function refers to in its module. */
export interface Surroundings {
  /** A number for a place: a slot, and how many instructions were executed before it, relative to the counter. */
  site(slot: number, executed: number): number;
  /** The plan of the function at the slot that a local call names. */
  callee(slot: number): Plan;
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
  return new Emitter(plan, around).emit();
}

/** Where a branch may go: the label of a block that is open. */
type Labels = Map<Block, number>;

class Emitter {
  private readonly plan: Plan;
  private readonly around: Surroundings;
  private readonly body: Body;
  private readonly registers: (number | undefined)[] = [];
  private readonly depth: number;
  private readonly left: number;
  private readonly site: number;
  private readonly labels: Labels = new Map();
  private readonly tree: DominatorTree<Block>;
  private readonly children: Map<Block, Block[]>;
  private readonly position = new Map<Block, number>();
  private readonly joins = new Set<Block>();
  private readonly headers = new Set<Block>();
  /** Windows: the start, and a limit for each kind, by register. */
  private readonly starts: (number | undefined)[] = [];
  private readonly limits: (number | undefined)[][] = Array.from({ length: 11 }, () => []);
  private readonly temporaries: Partial<Record<string, number>> = {};
  private leaveLabel = 0;

  constructor(plan: Plan, around: Surroundings) {
    this.plan = plan;
    this.around = around;
    this.body = new Body(signatureOf(plan));
    plan.parameters.forEach((reg, i) => (this.registers[reg] = i));
    this.depth = plan.parameters.length;
    this.left = this.body.local("i64");
    this.site = this.body.local("i32");
    this.tree = new DominatorTree(plan.fn.blocks[0], successors);
    this.children = this.tree.children();
    this.findJoins();
  }

  emit(): Body {
    const { body } = this;
    this.leaveLabel = body.open("block");
    this.prologue();
    const [entry] = this.plan.fn.blocks;
    if (entry !== undefined) this.emitTree(entry);
    body.op("unreachable");
    body.close();
    this.emitLeave();
    return body;
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
  }

  private isBack(from: Block, to: Block): boolean {
    return (this.position.get(to) ?? 0) <= (this.position.get(from) ?? 0);
  }

  /** A block and all that it dominates. */
  private emitTree(block: Block): void {
    const joins = (this.children.get(block) ?? []).filter((child) => this.joins.has(child)).reverse();
    if (!this.headers.has(block)) return this.emitWithin(block, joins, 0);
    this.labels.set(block, this.body.open("loop"));
    this.emitWithin(block, joins, 0);
    this.body.close();
  }

  /** A block inside of WebAssembly blocks, after which its joins follow; the last in order is outermost. */
  private emitWithin(block: Block, joins: readonly Block[], from: number): void {
    const join = joins[from];
    if (join === undefined) return this.emitBlock(block);
    this.labels.set(join, this.body.open("block"));
    this.emitWithin(block, joins, from + 1);
    this.body.close();
    this.labels.delete(join);
    this.emitTree(join);
  }

  private emitBlock(block: Block): void {
    this.emitInsns(block);
    const { end } = block;
    const { body } = this;
    switch (end.kind) {
      case "goto":
        return this.follow(block, end.edge);
      case "branch":
        return this.emitBranch(block, end.at, end.taken, end.next);
      case "exit":
        this.storeLeft(this.executedBefore(block) + countOf(block));
        this.get(0);
        return body.op("return");
      case "leave":
        this.mark(end.slot, this.executedBefore(block) + block.insns.length - end.counted);
        return body.br(this.leaveLabel);
      case "dispatch":
        return this.emitDispatch(end.edges);
    }
  }

  private emitBranch(block: Block, at: Placed<JumpIf | MayGoto>, taken: Edge, next: Edge): void {
    const { body } = this;
    const opposite = at.insn.kind === "jump_if" ? OPPOSITE[at.insn.op] : null;
    if (!this.isBare(block, taken) && this.isBare(block, next) && opposite !== null) {
      this.condition({ ...(at.insn as JumpIf), op: opposite });
      body.brIf(this.labelOf(next));
      return this.follow(block, taken);
    }
    this.condition(at.insn);
    if (this.isBare(block, taken)) {
      body.brIf(this.labelOf(taken));
      return this.follow(block, next);
    }
    body.open("if");
    this.follow(block, taken);
    body.close();
    this.follow(block, next);
  }

  /** Leaves an i32 on the stack: whether the jump is taken. */
  private condition(insn: JumpIf | MayGoto): void {
    if (insn.kind === "jump_if")
      return JUMP[insn.op](
        this.body,
        insn.width,
        this.value({ reg: insn.dst }, insn.width),
        this.value(insn.src, insn.width),
      );
    const { body } = this;
    const turns = this.temporary("turns", "i32");
    body.i32(0);
    body.i32(0);
    body.memory("i32.load", STATE.mayGoto);
    body.tee(turns);
    body.i32(1);
    body.op("i32.sub");
    body.memory("i32.store", STATE.mayGoto);
    body.get(turns);
    body.i32(0);
    body.op("i32.le_s");
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

  /** What passing the edge means, then the branch, or the block itself when nothing else leads to it. */
  private follow(from: Block, edge: Edge): void {
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
    if (label === undefined) this.emitTree(edge.to);
    else body.br(label);
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
    this.body.set(this.site);
  }

  private executedBefore(block: Block): number {
    return this.plan.counts.potential[block.id] ?? 0;
  }

  /** The counter less what was executed since. */
  private pushLeft(executed: number): void {
    this.body.get(this.left);
    if (executed === 0) return;
    this.body.i64(executed);
    this.body.op("i64.sub");
  }

  private storeLeft(executed: number): void {
    this.body.i32(0);
    this.pushLeft(executed);
    this.body.memory("i64.store", STATE.left);
  }

  // Entry and the way out.

  private prologue(): void {
    const { body, plan } = this;
    body.i32(0);
    body.memory("i64.load", STATE.left);
    body.set(this.left);
    if (plan.usesFrame) {
      body.get(this.depth);
      body.i32(2);
      body.op("i32.shl");
      body.memory("i32.load", STATE.frames);
      body.set(this.frame);
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

  private get frame(): number {
    return this.temporary("frame", "i32");
  }

  /** The end of the function that is reached only by leaving. */
  private emitLeave(): void {
    const { body } = this;
    this.registers.forEach((local, reg) => {
      if (reg === 10) return;
      body.i32(0);
      body.get(local ?? 0);
      body.memory("i64.store", STATE.registers + 8 * reg);
    });
    body.i32(0);
    body.get(this.left);
    body.memory("i64.store", STATE.left);
    body.get(this.site);
    body.get(this.depth);
    body.call(this.around.functions.leave);
    body.i32(0);
    body.memory("i64.load", STATE.registers);
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
    return (this.temporaries[name] ??= this.body.local(type));
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
      this.emitInsn(placed, this.plan.frame.offsets[block.id]![i]!, executed + i, live[i]!, needs);
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
        const at = this.address(insn, slot, offset, executed);
        body.memory(LOADS[insn.kind === "load" && insn.signed ? "s" : "u"][insn.size], at);
        return this.set(insn.dst);
      }
      case "store":
      case "store_release": {
        const at = this.address(insn, slot, offset, executed);
        this.value(insn.kind === "store" ? insn.src : { reg: insn.src }, 64).push();
        return body.memory(STORES[insn.size], at);
      }
      case "atomic":
        return this.emitAtomic(insn, slot, offset, executed);
      case "load_imm64":
        body.i64(this.around.loaded(placed));
        return this.set(insn.dst);
      case "load_packet":
        return this.emitLoadPacket(insn, slot, executed, live);
      case "call":
        return this.emitCall(placed, executed, live, needs);
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
    body.op(bits === 8 ? "i64.extend8_s" : bits === 16 ? "i64.extend16_s" : "i64.extend32_s");
    if (width === 32) {
      body.op("i32.wrap_i64");
      body.op("i64.extend_i32_u");
    }
    this.set(dst);
  }

  // prettier-ignore
  private emitAtomic(insn: Extract<Insn, { kind: "atomic" }>, slot: number, offset: number, executed: number): void {
    const { body } = this;
    const { op, size, src } = insn;
    const place = this.temporary("place", "i32");
    const old = this.temporary("old", "i64");
    const at = this.address(insn, slot, offset, executed);
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
    body.op("i32.eqz");
    body.open("if");
    body.i64(0);
    body.op("return");
    body.close();
    this.loadResult();
    this.afterCall(executed + 1, live);
  }

  // Memory.

  /** Checks an access; leaves its address on the stack and gives the offset to go with it. */
  private address(insn: Insn, slot: number, fixed: number, executed: number): number {
    const { body } = this;
    const access = accessOf(insn);
    if (access === null) throw new Error(`${insn.kind} has no address`);
    const { base, off, size, stores } = access;
    if (fixed !== DYNAMIC) {
      body.get(this.frame);
      return fixed;
    }
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
    body.brIf(this.leaveLabel);
    this.get(base);
    body.op("i32.wrap_i64");
    if (off >= 0) return off;
    body.i32(off);
    body.op("i32.add");
    return 0;
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
    }
    this.afterCall(executed + 1, live);
    const changed = this.plan.moves(placed) ? KEPT | SCRATCHED | 1 : SCRATCHED | 1;
    for (let reg = 0; reg < 10; reg++) if ((changed >> reg) & 1) this.lookUp(reg as Reg, needs[reg]!);
  }

  private storeRegister(reg: Reg): void {
    this.body.i32(0);
    this.get(reg);
    this.body.memory("i64.store", STATE.registers + 8 * reg);
  }
  private storeIfKnown(reg: Reg): void {
    if (this.registers[reg] !== undefined) this.storeRegister(reg);
  }

  /** r0 of a function of the host. */
  private loadResult(): void {
    this.body.i32(0);
    this.body.memory("i64.load", STATE.registers);
    this.set(0);
  }

  /** Tells a function of the host where the run is. */
  private enterHost(slot: number, executed: number): void {
    const { body } = this;
    body.i32(0);
    body.i32(this.around.site(slot, executed));
    body.memory("i32.store", STATE.site);
    body.i32(0);
    body.get(this.depth);
    body.memory("i32.store", STATE.depth);
    this.storeLeft(executed + 1);
  }

  /** What calls have in common afterwards: the counter comes back, r1 to r5 are overwritten. */
  private afterCall(executed: number, live: Mask): void {
    const { body } = this;
    body.i32(0);
    body.memory("i64.load", STATE.left);
    body.i64(executed);
    body.op("i64.add");
    body.set(this.left);
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
    body.get(this.depth);
    body.i32(LIMITS.callFrames - 1);
    body.op("i32.ge_u");
    body.brIf(this.leaveLabel);
    this.storeLeft(executed + 1);
    for (const reg of callee.parameters) this.get(reg);
    body.get(this.depth);
    body.i32(1);
    body.op("i32.add");
    body.call(callee.index);
    this.set(0);
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
    body.get(this.depth);
    body.get(index);
    body.callIndirect(this.around.tailType);
    body.op("return");
    body.close();
  }
}

function successors(block: Block): readonly Block[] {
  return edgesOf(block).map(({ to }) => to);
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
