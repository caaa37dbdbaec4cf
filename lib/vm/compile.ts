/**
 * Instructions to steps (cpu.ts): one function per kind of instruction, each returning the closure that executes it.
 * What an operation computes is in semantics.ts; here is only where operands come from and where results go.
 *
 * Nothing is refused here: an instruction that cannot be executed becomes a step that traps when it is reached, because
 * a program may well carry such code and never come to it.
 */
import { HELPERS, HELPER_NAMES } from "../kernel/index.ts";
import { slotsOf } from "../isa/index.ts";
// prettier-ignore
import type { Alu, Atomic, Call, Insn, JumpIf, LoadImm64, LoadPacket, Operand, Reg, Store, Width } from "../isa/index.ts";
import type { Code, Cpu, Step } from "./cpu.ts";
import type { EngineProgram, HelperFunction, Linkage } from "./engine.ts";
import { Trap } from "./fault.ts";
import type { FaultKind } from "./fault.ts";
import { functionSlot } from "./functions.ts";
import { ALU, ATOMIC, JUMP, SWAP, immediate, signExtend, truncate } from "./semantics.ts";

/** Where an instruction stands. */
interface Site {
  readonly slot: number;
  /** The slot after it. */
  readonly next: number;
  /** The slot that is `delta` slots from `next`, or null when no instruction starts there. */
  target(delta: number): number | null;
  readonly linkage: Linkage<Code>;
  /** The address of the function at slot 0 (functions.ts). */
  readonly functions: bigint;
}

/** The steps of a program by slot; one more than it has, which traps. `functions`: the address of slot 0 as a function. */
export function compile(insns: EngineProgram["insns"], linkage: Linkage<Code>, functions: bigint): readonly Step[] {
  const starts = new Set<number>();
  let end = 0;
  for (const insn of insns) {
    starts.add(end);
    end += slotsOf(insn);
  }
  const steps: Step[] = Array.from({ length: end + 1 }, (_, slot) => stray(slot, end));
  let slot = 0;
  for (const insn of insns) {
    const next = slot + slotsOf(insn);
    const target = (delta: number): number | null => (starts.has(next + delta) ? next + delta : null);
    steps[slot] = compileInsn(insn, { slot, next, target, linkage, functions });
    slot = next;
  }
  return steps;
}

function stray(slot: number, end: number): Step {
  return slot === end
    ? trapping("jump", "the program ran past its last instruction")
    : trapping("jump", `slot ${slot} is the second half of an instruction`);
}

function trapping(kind: FaultKind, message: string): Step {
  return () => {
    throw new Trap(kind, message);
  };
}

function compileInsn(insn: Insn, site: Site): Step {
  if (writtenRegister(insn) === 10) return trapping("register", "write to r10, the frame pointer, which is read-only");
  const { next } = site;
  switch (insn.kind) {
    case "alu":
      return compileAlu(insn, next);
    case "movsx": {
      const { dst, src, bits, width } = insn;
      return (cpu) => {
        cpu.registers[dst] = truncate(signExtend(cpu.registers[src]!, bits), width);
        return next;
      };
    }
    case "neg": {
      const { dst, width } = insn;
      return (cpu) => {
        cpu.registers[dst] = truncate(-cpu.registers[dst]!, width);
        return next;
      };
    }
    case "swap": {
      const { dst, bits } = insn;
      const swap = SWAP[insn.op];
      return (cpu) => {
        cpu.registers[dst] = swap(cpu.registers[dst]!, bits);
        return next;
      };
    }
    case "load":
    case "load_acquire": {
      const { dst, base, off, size } = insn;
      const signed = insn.kind === "load" && insn.signed;
      return (cpu) => {
        const value = cpu.memory.read(Number(cpu.registers[base]) + off, size);
        cpu.registers[dst] = signed ? signExtend(value, size * 8) : value;
        return next;
      };
    }
    case "store":
      return compileStore(insn, next);
    case "store_release":
      return compileStore({ ...insn, kind: "store", src: { reg: insn.src } }, next);
    case "atomic":
      return compileAtomic(insn, next);
    case "load_imm64":
      return compileLoadImm64(insn, site);
    case "load_packet":
      return compileLoadPacket(insn, site);
    case "jump":
      return jumpStep(site, insn.delta);
    case "jump_if":
      return compileJumpIf(insn, site);
    case "may_goto": {
      const jump = jumpStep(site, insn.delta);
      return (cpu) => (cpu.mayGoOn() ? next : jump(cpu));
    }
    case "call":
      return compileCall(insn, site);
    case "exit":
      return (cpu) => cpu.exit();
    case "addr_space_cast":
      return trapping("unsupported", "addr_space_cast: there are no arenas here");
  }
}

/** The register that the instruction names as destination; r0 of calls is never 10. */
function writtenRegister(insn: Insn): Reg | null {
  if ("dst" in insn && insn.kind !== "jump_if") return insn.dst;
  return insn.kind === "atomic" && ATOMIC[insn.op].fetch === "src" ? insn.src : null;
}

/** Reads the second operand, cut to `width` bits. */
function operand(src: Operand, width: Width): (cpu: Cpu) => bigint {
  if ("reg" in src) {
    const { reg } = src;
    return width === 64 ? (cpu) => cpu.registers[reg]! : (cpu) => truncate(cpu.registers[reg]!, 32);
  }
  const value = immediate(src.imm, width);
  return () => value;
}

// The four combinations are spelled out: arithmetic is most of what a program does, and a closure less per instruction
// is worth a third of its time.
function compileAlu({ op, width, dst, src }: Alu, next: number): Step {
  const compute = ALU[op];
  if ("imm" in src) {
    const b = immediate(src.imm, width);
    if (width === 32) {
      return (cpu) => {
        const r = cpu.registers;
        r[dst] = BigInt.asUintN(32, compute(BigInt.asUintN(32, r[dst]!), b, 32));
        return next;
      };
    }
    return (cpu) => {
      const r = cpu.registers;
      r[dst] = BigInt.asUintN(64, compute(r[dst]!, b, 64));
      return next;
    };
  }
  const { reg } = src;
  if (width === 32) {
    return (cpu) => {
      const r = cpu.registers;
      r[dst] = BigInt.asUintN(32, compute(BigInt.asUintN(32, r[dst]!), BigInt.asUintN(32, r[reg]!), 32));
      return next;
    };
  }
  return (cpu) => {
    const r = cpu.registers;
    r[dst] = BigInt.asUintN(64, compute(r[dst]!, r[reg]!, 64));
    return next;
  };
}

function compileJumpIf({ op, width, dst, src, delta }: JumpIf, site: Site): Step {
  const holds = JUMP[op];
  const a = operand({ reg: dst }, width);
  const b = operand(src, width);
  const { next } = site;
  const jump = jumpStep(site, delta);
  return (cpu) => (holds(a(cpu), b(cpu), width) ? jump(cpu) : next);
}

function jumpStep(site: Site, delta: number): Step {
  const to = site.target(delta);
  if (to === null) return badJump(site, delta);
  return to <= site.slot ? (cpu) => cpu.jumpBack(to) : () => to;
}

function badJump({ next }: Site, delta: number): Step {
  return trapping("jump", `jump to slot ${next + delta}, where no instruction starts`);
}

function compileStore({ size, base, off, src }: Store, next: number): Step {
  const value = operand(src, 64);
  return (cpu) => {
    cpu.memory.write(Number(cpu.registers[base]) + off, size, value(cpu));
    return next;
  };
}

function compileAtomic({ op, size, base, off, src }: Atomic, next: number): Step {
  const { store, fetch } = ATOMIC[op];
  const bits = size * 8;
  const result = fetch === "r0" ? 0 : src;
  return (cpu) => {
    const r = cpu.registers;
    const address = Number(r[base]) + off;
    const old = cpu.memory.read(address, size);
    cpu.memory.write(address, size, truncate(store(old, truncate(r[src]!, bits), truncate(r[0]!, bits)), bits));
    if (fetch !== null) r[result] = old;
    return next;
  };
}

function compileLoadImm64(insn: LoadImm64, site: Site): Step {
  const { next } = site;
  const value = loadedValue(insn, site);
  if (value === null) return trapping("unsupported", `a 64-bit load of kind ${insn.pseudo}, which has no meaning here`);
  const { dst } = insn;
  return (cpu) => {
    cpu.registers[dst] = value;
    return next;
  };
}

function loadedValue(insn: LoadImm64, site: Site): bigint | null {
  if (insn.pseudo === "none") return truncate(insn.imm, 64);
  if (insn.pseudo !== "func") return site.linkage.pseudo(insn, site.slot);
  const entry = site.target(functionSlot(insn, site.slot) - site.next);
  return entry === null ? null : site.functions + BigInt(entry);
}

function compileLoadPacket({ size, imm, src }: LoadPacket, { next, linkage }: Site): Step {
  return (cpu) => {
    const r = cpu.registers;
    const index = src === null ? 0 : Number(BigInt.asIntN(32, r[src]!));
    const value = linkage.loadPacket(imm + index, size, r[6]!);
    cpu.scratch();
    r[0] = value ?? 0n;
    return value === null ? cpu.exit() : next;
  };
}

function compileCall({ target }: Call, site: Site): Step {
  switch (target.kind) {
    case "helper":
      return target.id === HELPERS.tail_call.id ? compileTailCall(site) : compileHelper(target.id, site);
    case "local": {
      const to = site.target(target.delta);
      const { next } = site;
      return to === null ? badJump(site, target.delta) : (cpu) => cpu.call(to, next);
    }
    case "reg": {
      // RFC 9669 section 4.3.1: the register holds a helper's number.
      const { reg } = target;
      return (cpu) => compileHelper(Number(truncate(cpu.registers[reg]!, 32)), site)(cpu);
    }
    case "kfunc":
      return compileKfunc(target.btfId, site);
  }
}

function compileHelper(id: number, site: Site): Step {
  const helper = site.linkage.helper(id);
  if (helper === null) return trapping("helper", `helper ${describeHelper(id)} is not simulated`);
  return callStep(helper, site);
}

function compileKfunc(btfId: number, site: Site): Step {
  const kfunc = site.linkage.kfunc(btfId, site.slot);
  if (kfunc === null) return trapping("helper", `kernel function with BTF id ${btfId} is not simulated`);
  return callStep(kfunc, site);
}

function callStep(helper: HelperFunction, { next }: Site): Step {
  return (cpu) => {
    const r = cpu.registers;
    const result = helper(r[1]!, r[2]!, r[3]!, r[4]!, r[5]!);
    cpu.scratch();
    r[0] = truncate(result, 64);
    return next;
  };
}

function describeHelper(id: number): string {
  const name = HELPER_NAMES[id];
  return name === undefined ? String(id) : `${name} (${id})`;
}

/** Goes on in another program with the same frame and context; when there is none, after the call. */
function compileTailCall({ next, linkage }: Site): Step {
  return (cpu) => {
    const r = cpu.registers;
    const target = linkage.tailCall(r[2]!, r[3]!);
    if (target === null) return next;
    return cpu.tailCall(target, r[1]!);
  };
}
