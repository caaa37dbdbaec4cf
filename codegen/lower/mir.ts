/**
 * The machine IR: eBPF instructions over virtual registers, between instruction selection and emission.
 *
 * Registers are numbers: 0..10 are r0..r10, FIRST_VIRTUAL and above are virtual. A virtual register may be written in
 * several places (two-address arithmetic; phis become copies), so this is no SSA. All are 64 bits wide; one that holds an
 * i32 has zeros in its upper half unless all its readers ignore them.
 *
 * Instructions are `Insn<number>` without control flow, which lives in terminators until emission knows positions, plus
 * `frame_address` (dst = r10 + off), one instruction here so that the allocator can repeat it instead of spilling it.
 */
import type { Exit, Insn, Jump, JumpIf, JumpOp, MayGoto, Operand, Width } from "../../lib/isa/index.ts";
import type { SourcePlace } from "../ir/ir.ts";

/** A physical (0..10) or virtual register. */
export type MachineReg = number;
export const FIRST_VIRTUAL = 16;
export const FRAME_POINTER = 10;

export function isVirtual(reg: MachineReg): boolean {
  return reg >= FIRST_VIRTUAL;
}

/** dst = r10 + off. */
// prettier-ignore
export interface FrameAddress<R = MachineReg> { readonly kind: "frame_address"; readonly dst: R; readonly off: number }

/** What stands inside of a block. */
export type Body<R = MachineReg> = Exclude<Insn<R>, Jump | JumpIf<R> | MayGoto | Exit> | FrameAddress<R>;

/** What a `load_imm64` or `call` refers to by name. */
export type Target =
  | { readonly kind: "map"; readonly map: string }
  | { readonly kind: "map_value"; readonly map: string; readonly offset: number }
  | { readonly kind: "call" | "func"; readonly func: string }
  | { readonly kind: "kfunc"; readonly kfunc: string };

export interface MachineInsn {
  readonly body: Body;
  readonly target: Target | null;
  /** Argument registers that a call reads: r1 up to this one. */
  readonly argCount: number;
  readonly place: SourcePlace | null;
}

/** Taken when `dst op src`. */
// prettier-ignore
export interface Condition<R = MachineReg> { readonly op: JumpOp; readonly width: Width; readonly dst: R; readonly src: Operand<R> }

// prettier-ignore
export type MachineTerminator<R = MachineReg> =
  | { readonly kind: "jump"; readonly target: MachineBlock; readonly place: SourcePlace | null }
  /** `elsePlace`: of the jump that may lead to `else`, where that is not `place`. */
  | { readonly kind: "branch"; readonly condition: Condition<R>; readonly then: MachineBlock; readonly else: MachineBlock; readonly elsePlace?: SourcePlace | undefined; readonly place: SourcePlace | null }
  /** `result`: r0 is read. */
  | { readonly kind: "exit"; readonly result: boolean; readonly place: SourcePlace | null };

export interface MachineBlock {
  id: number;
  readonly insns: MachineInsn[];
  terminator: MachineTerminator;
  /** Nesting of loops around the block; weighs spill costs. */
  readonly loopDepth: number;
}

export interface MachineFunction {
  /** The entry first. */
  readonly blocks: MachineBlock[];
  /** Registers r1.. that hold parameters at the entry. */
  readonly paramCount: number;
  /** Virtual registers are below this number. */
  readonly registerEnd: number;
  /** Bytes below r10 that stack objects take. */
  readonly stackBytes: number;
}

/** What an instruction does to registers. `clobbers`: written with something that nobody may read. */
export interface Effects {
  readonly uses: readonly MachineReg[];
  readonly defs: readonly MachineReg[];
  readonly clobbers: readonly MachineReg[];
}

const CALLER_SAVED: readonly MachineReg[] = [1, 2, 3, 4, 5];
const NONE: readonly MachineReg[] = [];

/** Registers that an instruction reads and writes. r10 is left out: it never changes. */
export function effectsOf(insn: MachineInsn): Effects {
  const { body } = insn;
  const effects = rawEffects(body, insn.argCount);
  return effects.uses.includes(FRAME_POINTER)
    ? { ...effects, uses: effects.uses.filter((r) => r !== FRAME_POINTER) }
    : effects;
}

function rawEffects(body: Body, argCount: number): Effects {
  switch (body.kind) {
    case "alu": {
      const src = sourceRegs(body.src);
      return { uses: body.op === "mov" ? src : [body.dst, ...src], defs: [body.dst], clobbers: NONE };
    }
    case "movsx":
    case "addr_space_cast":
      return { uses: [body.src], defs: [body.dst], clobbers: NONE };
    case "neg":
    case "swap":
      return { uses: [body.dst], defs: [body.dst], clobbers: NONE };
    case "load":
    case "load_acquire":
      return { uses: [body.base], defs: [body.dst], clobbers: NONE };
    case "store":
      return { uses: [body.base, ...sourceRegs(body.src)], defs: NONE, clobbers: NONE };
    case "store_release":
      return { uses: [body.base, body.src], defs: NONE, clobbers: NONE };
    case "atomic":
      return atomicEffects(body);
    case "load_imm64":
    case "frame_address":
      return { uses: NONE, defs: [body.dst], clobbers: NONE };
    case "load_packet":
      return { uses: body.src === null ? [6] : [6, body.src], defs: [0], clobbers: CALLER_SAVED };
    case "call": {
      const target = body.target.kind === "reg" ? [body.target.reg] : NONE;
      return { uses: [...CALLER_SAVED.slice(0, argCount), ...target], defs: [0], clobbers: CALLER_SAVED };
    }
  }
}

function atomicEffects(body: Body & { kind: "atomic" }): Effects {
  const uses = [body.base, body.src];
  if (body.op === "cmpxchg") return { uses: [...uses, 0], defs: [0], clobbers: NONE };
  const fetches = body.op === "xchg" || body.op.startsWith("fetch_");
  return { uses, defs: fetches ? [body.src] : NONE, clobbers: NONE };
}

/** The register of an operand, if it is one. */
export function sourceRegs<R>(operand: Operand<R>): readonly R[] {
  return "reg" in operand ? [operand.reg] : [];
}

/** Registers that a terminator reads. */
export function terminatorUses(t: MachineTerminator): readonly MachineReg[] {
  if (t.kind === "branch") return [t.condition.dst, ...sourceRegs(t.condition.src)].filter((r) => r !== FRAME_POINTER);
  return t.kind === "exit" && t.result ? [0] : NONE;
}

export function machineSuccessors(block: MachineBlock): MachineBlock[] {
  const t = block.terminator;
  if (t.kind === "jump") return [t.target];
  return t.kind === "branch" ? [t.then, t.else] : [];
}

/** The instruction with other registers. A register that is read and written stays one register. */
export function mapRegisters<A, B>(body: Body<A>, map: (reg: A) => B): Body<B> {
  switch (body.kind) {
    case "alu":
      return { ...body, dst: map(body.dst), src: mapOperand(body.src, map) };
    case "movsx":
    case "addr_space_cast":
      return { ...body, dst: map(body.dst), src: map(body.src) };
    case "neg":
    case "swap":
    case "load_imm64":
    case "frame_address":
      return { ...body, dst: map(body.dst) };
    case "load":
    case "load_acquire":
      return { ...body, dst: map(body.dst), base: map(body.base) };
    case "store":
      return { ...body, base: map(body.base), src: mapOperand(body.src, map) };
    case "store_release":
    case "atomic":
      return { ...body, base: map(body.base), src: map(body.src) };
    case "load_packet":
      return { ...body, src: body.src === null ? null : map(body.src) };
    case "call": {
      const { target } = body;
      return { kind: "call", target: target.kind === "reg" ? { kind: "reg", reg: map(target.reg) } : target };
    }
  }
}

export function mapOperand<A, B>(operand: Operand<A>, map: (reg: A) => B): Operand<B> {
  return "reg" in operand ? { reg: map(operand.reg) } : operand;
}

export function mapTerminator<B>(t: MachineTerminator, map: (reg: MachineReg) => B): MachineTerminator<B> {
  if (t.kind !== "branch") return t;
  const { condition } = t;
  return { ...t, condition: { ...condition, dst: map(condition.dst), src: mapOperand(condition.src, map) } };
}

/** The source of a full-width register copy, or null. */
export function copySource(body: Body): MachineReg | null {
  if (body.kind !== "alu" || body.op !== "mov" || body.width !== 64 || !("reg" in body.src)) return null;
  return body.src.reg === FRAME_POINTER ? null : body.src.reg;
}

/** True for definitions that depend on no register and can be repeated anywhere. */
export function isRemakable(body: Body): boolean {
  if (body.kind === "alu") return body.op === "mov" && "imm" in body.src;
  return body.kind === "load_imm64" || body.kind === "frame_address";
}
