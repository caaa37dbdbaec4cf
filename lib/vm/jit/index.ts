/**
 * The JIT: programs compiled to WebAssembly (compile.ts), which the JavaScript engine compiles to machine code.
 *
 * Compiled code does what can be shown to be right with little effort, and hands over to the reference interpreter
 * (execute.ts) in the middle of a function when something is not as expected: a check that fails, a limit that is reached. The
 * interpreter decides, and traps with its own words where there is something to trap; otherwise it takes the function to its
 * end.
 */
import type { Insn } from "../../isa/index.ts";
import { decodeProgram, placeInsns } from "../code.ts";
import type { Code, Decoded } from "../code.ts";
import { Cpu } from "../cpu.ts";
import { faultOf, overLimit, tooDeep } from "../engine.ts";
import type {
  ArrayLayout,
  BatchExecution,
  CallArguments,
  Engine,
  EngineProgram,
  Execution,
  HelperFunction,
  Linkage,
  Ring,
} from "../engine.ts";
import { Unwinding } from "../fault.ts";
import type { Fault } from "../fault.ts";
import { Functions, functionEntries, functionSlot } from "../functions.ts";
import type { Memory } from "../memory.ts";
import { Stacks } from "../stacks.ts";
import { LIMITS } from "../../kernel/index.ts";
import { MAY_GOTO_TURNS } from "../cpu.ts";
import type { Placed } from "./blocks.ts";
import { compileProgram } from "./compile.ts";
import type { Compiled } from "./compile.ts";
import type { Optimizer } from "./optimize.ts";
import { State } from "./state.ts";
import { IMPORTS } from "./wasm.ts";
import { moduleOf } from "./cache.ts";

/** A run that is going on. */
interface Running {
  readonly limit: number;
  readonly cpu: Cpu;
  /** The interpreter is at it, in place of compiled code. */
  interpreting: boolean;
}

/** What runs of a level have. */
interface Level {
  readonly cpu: Cpu;
  /** Addresses of the frames' stacks. */
  readonly frames: Int32Array;
}

export class Jit implements Engine {
  readonly name = "jit";
  readonly memory: Memory;
  readonly state: State;
  readonly optimizer: Optimizer | null;
  readonly functions = new Functions<Program>();
  /** Programs for tail calls. */
  readonly table = new WebAssembly.Table({ element: "anyfunc", initial: 0 });
  private readonly stacks: Stacks;
  /** 0 for a run, 1 for a run that a helper of it caused, and so on. */
  private readonly levels: Level[] = [];
  private depth = 0;
  private running: Running | null = null;

  /** Stacks are mapped in `memory`. */
  constructor(memory: Memory, optimizer: Optimizer | null) {
    this.memory = memory;
    this.optimizer = optimizer;
    this.state = State.of(memory);
    this.stacks = new Stacks(memory);
  }

  prepare(program: EngineProgram, linkage: Linkage<Program>): Program {
    const prepared = new Program(this, program, linkage, this.functions.next);
    this.functions.add(prepared, program.insns);
    return prepared;
  }

  get batchIndex(): number {
    return this.state.index;
  }

  call(address: bigint, ...args: CallArguments): bigint {
    const { state } = this;
    const { limit, cpu, interpreting } = this.current;
    const { program, slot } = this.functions.at(address);
    if (interpreting) return cpu.callBack(program, slot, args);
    if (state.left < 0) throw overLimit(limit);
    const outer = state.depth;
    if (outer + 1 >= LIMITS.callFrames) throw tooDeep();
    args.forEach((value, i) => (state.registers[i + 1] = value));
    program.callback(slot, outer + 1);
    // What the function calls in the host leaves its own depth there.
    state.depth = outer;
    return state.registers[0]!;
  }

  run(address: bigint, args: CallArguments, limit: number): Execution {
    const { program, slot } = this.functions.at(address);
    // The function may look at registers that it was not given.
    return this.start(args, limit, () => {
      this.state.registers[0] = 0n;
      this.state.registers.fill(0n, 6);
      program.callback(slot, 0);
    });
  }

  /** Executes compiled code as a run of its own. */
  start(args: CallArguments, limit: number, execute: () => void): Execution {
    const { state } = this;
    const restore = state.enter();
    args.forEach((value, i) => (state.registers[i + 1] = value));
    state.left = limit;
    state.mayGoto = MAY_GOTO_TURNS;
    try {
      const fault = this.within(limit, execute);
      return { r0: state.registers[0]!, instructions: limit - state.left, fault };
    } finally {
      state.exit(restore);
    }
  }

  /** Executes the batch function of a module. */
  startBatch({ args, results }: Ring, count: number, limit: number, execute: Exports["batch"]): BatchExecution {
    const { state } = this;
    const restore = state.enter();
    state.arguments.set(args);
    state.limit = limit;
    state.total = 0;
    try {
      const fault = this.within(limit, () => execute(count, results.length - 1));
      const { total } = state;
      if (fault === null) return { done: count, instructions: total, fault };
      return { done: state.index, instructions: total + limit - state.left, fault };
    } finally {
      for (let i = 0; i < Math.min(count, results.length); i++) results[i] = state.results[i]!;
      state.exit(restore);
    }
  }

  /** Executes compiled code at the next level; the fault that ended it, or null. */
  private within(limit: number, execute: () => void): Fault | null {
    const outer = this.running;
    const level = (this.levels[this.depth] ??= this.newLevel(this.depth));
    this.running = { limit, cpu: level.cpu, interpreting: false };
    this.depth++;
    this.state.setFrames(level.frames);
    try {
      execute();
      return null;
    } catch (error) {
      if (error instanceof Unwinding) return error.fault;
      throw error;
    } finally {
      this.depth--;
      this.running = outer;
    }
  }

  private newLevel(depth: number): Level {
    const stacks = this.stacks.level(depth);
    return { cpu: new Cpu(this.memory, stacks, null), frames: Int32Array.from(stacks, ({ start }) => start) };
  }

  /**
   * Takes a function, whose frame is at `depth`, to its end with the interpreter, from `slot` on, with the registers in the
   * state. `inlined`: how many calls within the function the slot is in.
   */
  interpret(program: Program, at: { slot: number; depth: number; inlined: number; executed: number }): void {
    const { slot, depth, inlined, executed } = at;
    const { state } = this;
    const running = this.current;
    const { cpu, limit } = running;
    const registers = [...state.registers];
    running.interpreting = true;
    try {
      state.registers[0] = cpu.resume({
        code: program,
        slot,
        depth,
        outer: state.inlined(inlined),
        registers,
        count: limit - state.left + executed,
        limit,
        mayGoto: state.mayGoto,
      });
    } finally {
      running.interpreting = false;
      state.left = limit - cpu.count;
      state.mayGoto = cpu.turnsLeft;
    }
  }

  get current(): Running {
    if (this.running === null) throw new Error("a helper called back outside a run");
    return this.running;
  }
}

/** What the module of a program exports. */
interface Exports {
  readonly start: () => void;
  readonly batch: (count: number, mask: number) => void;
  readonly tail: () => void;
  readonly [name: `function_${number}`]: (depth: number) => void;
}

export class Program implements Code {
  readonly name: string;
  readonly lines: EngineProgram["lines"];
  private readonly engine: Jit;
  private readonly insns: readonly Insn[];
  private readonly bySlot: ReadonlyMap<number, Insn>;
  readonly linkage: Linkage<Program>;
  private readonly functions: bigint;
  private compiled: { readonly exports: Exports; readonly sites: Compiled["sites"] } | null = null;
  private interpreted: Decoded | null = null;
  private tableIndex: number | null = null;

  constructor(engine: Jit, { name, lines, insns }: EngineProgram, linkage: Linkage<Program>, functions: bigint) {
    this.engine = engine;
    this.name = name;
    this.lines = lines;
    this.insns = insns;
    this.linkage = linkage;
    this.functions = functions;
    this.bySlot = placeInsns(insns);
  }

  insnAt(slot: number): Insn | null {
    return this.bySlot.get(slot) ?? null;
  }

  /** For the interpreter. */
  get decoded(): Decoded {
    return (this.interpreted ??= decodeProgram(this.bySlot, this.linkage, this.functions));
  }

  run(r1: bigint, r2: bigint, limit: number): Execution {
    const { exports } = this.code;
    return this.engine.start([r1, r2, 0n, 0n, 0n], limit, exports.start);
  }

  runBatch(ring: Ring, count: number, limit: number): BatchExecution {
    return this.engine.startBatch(ring, count, limit, this.code.exports.batch);
  }

  callback(slot: number, depth: number): void {
    this.code.exports[`function_${slot}`]?.(depth);
  }

  private get code(): { readonly exports: Exports; readonly sites: Compiled["sites"] } {
    return (this.compiled ??= this.instantiate());
  }

  private instantiate(): { readonly exports: Exports; readonly sites: Compiled["sites"] } {
    const { bytes, sites, calls } = compileProgram(this.insns, {
      hasHelper: (id) => this.linkage.helper(id) !== null,
      hasKfunc: (btfId, slot) => this.linkage.kfunc(btfId, slot) !== null,
      loaded: (placed) => this.loaded(placed),
      arrayOf: (placed) => this.arrayOf(placed),
      entries: functionEntries(this.insns),
    });
    const { memory, table } = this.engine;
    const imports: WebAssembly.Imports[string] = {
      memory: memory.wasm,
      table,
      leave: (site: number, depth: number, inlined: number) => this.leave(site, depth, inlined),
      tail: () => this.tail(),
      callx: (id: number) => this.callx(id),
      load_packet: (size: 1 | 2 | 4) => this.loadPacket(size),
    };
    for (const [name, placed] of calls) {
      const called = this.hostFunction(placed);
      if (called !== null) imports[name] = () => this.call(called);
      else imports[name] = () => undefined;
    }
    const instance = new WebAssembly.Instance(moduleOf(bytes, this.engine.optimizer), { [IMPORTS]: imports });
    return { exports: instance.exports as unknown as Exports, sites };
  }

  private loaded({ insn, slot }: Placed<Extract<Insn, { kind: "load_imm64" }>>): bigint | null {
    if (insn.pseudo === "none") return insn.imm;
    if (insn.pseudo !== "func") return this.linkage.pseudo(insn, slot);
    const entry = functionSlot(insn, slot);
    return this.bySlot.has(entry) ? this.functions + BigInt(entry) : null;
  }

  private arrayOf({ insn, slot }: Placed): ArrayLayout | null {
    const address = insn.kind === "load_imm64" ? this.loaded({ insn, slot }) : null;
    return address === null ? null : this.linkage.arrayAt(address);
  }

  private hostFunction({ insn, slot }: Placed): HelperFunction | null {
    if (insn.kind !== "call") return null;
    if (insn.target.kind === "helper") return this.linkage.helper(insn.target.id);
    return insn.target.kind === "kfunc" ? this.linkage.kfunc(insn.target.btfId, slot) : null;
  }

  // What compiled code calls.

  private call(called: HelperFunction): void {
    const { registers: r, site } = this.engine.state;
    try {
      r[0] = called(r[1]!, r[2]!, r[3]!, r[4]!, r[5]!);
    } catch (error) {
      throw this.located(error, site);
    }
  }

  /** The error as a fault at a site. The counter stays: callbacks of the helper may have taken from it. */
  private located(error: unknown, site: number): Error {
    if (error instanceof Unwinding) return error;
    return new Unwinding(faultOf(error, this, this.code.sites[site]?.slot ?? 0));
  }

  private callx(id: number): number {
    const called = this.linkage.helper(id >>> 0);
    if (called === null) return 0;
    this.call(called);
    return 1;
  }

  private loadPacket(size: 1 | 2 | 4): number {
    const { registers: r, site } = this.engine.state;
    try {
      const value = this.linkage.loadPacket(Number(BigInt.asIntN(64, r[1]!)), size, r[6]!);
      r[0] = value ?? 0n;
      return value === null ? 0 : 1;
    } catch (error) {
      throw this.located(error, site);
    }
  }

  /** The index in the table of the program that the tail call in the state leads to, or -1. */
  private tail(): number {
    const { engine } = this;
    const { registers: r, site, left } = engine.state;
    try {
      const target = this.linkage.tailCall(r[2]!, r[3]!);
      if (target === null) return -1;
      if (left < 0) throw overLimit(engine.current.limit);
      return target.indexInTable();
    } catch (error) {
      throw this.located(error, site);
    }
  }

  private indexInTable(): number {
    if (this.tableIndex !== null) return this.tableIndex;
    const { table } = this.engine;
    this.tableIndex = table.grow(1);
    table.set(this.tableIndex, this.code.exports.tail);
    return this.tableIndex;
  }

  private leave(site: number, depth: number, inlined: number): void {
    const { slot, executed } = this.code.sites[site] ?? { slot: 0, executed: 0 };
    this.engine.interpret(this, { slot, depth, inlined, executed });
  }
}
