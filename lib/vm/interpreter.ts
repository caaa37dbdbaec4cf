/** The reference engine: instructions are decoded once (code.ts), then executed one after the other (execute.ts). */
import { decodeProgram, placeInsns } from "./code.ts";
import type { Code } from "./code.ts";
import { Cpu } from "./cpu.ts";
// prettier-ignore
import type { BatchExecution, CallArguments, Engine, EngineProgram, Executable, Execution, Linkage, Ring } from "./engine.ts";
import { Functions } from "./functions.ts";
import type { Memory } from "./memory.ts";
import type { Moment, Observer } from "./observer.ts";
import { Stacks } from "./stacks.ts";

export class Interpreter implements Engine {
  readonly name = "interpreter";
  batchIndex = 0;
  private readonly memory: Memory;
  private readonly observer: Observer | null;
  private readonly stacks: Stacks;
  private readonly functions = new Functions<Code>();
  private readonly prepared = new WeakSet<Executable>();
  /** By level: 0 for a run, 1 for a run that a helper of it caused, and so on. */
  private readonly cpus: Cpu[] = [];
  /** The run that is going on; null when none is. */
  private current: Cpu | null = null;
  private level = 0;

  /** Stacks are mapped in `memory`; `observer` is told of every instruction of every run. */
  constructor(memory: Memory, observer: Observer | null = null) {
    this.memory = memory;
    this.observer = observer;
    this.stacks = new Stacks(memory);
  }

  prepare({ name, lines, insns }: EngineProgram, linkage: Linkage<Code>): Code {
    const placed = placeInsns(insns);
    const code: Code = {
      name,
      lines,
      linkage,
      insnAt: (slot) => placed.get(slot) ?? null,
      decoded: decodeProgram(placed, linkage, this.functions.next),
      run: (r1, r2, limit) => this.start(code, 0, [r1, r2, 0n, 0n, 0n], limit),
      runBatch: (ring, count, limit) => this.runOneByOne(code, ring, count, limit),
    };
    this.functions.add(code, insns);
    this.prepared.add(code);
    return code;
  }

  call(address: bigint, ...args: CallArguments): bigint {
    if (this.current === null) throw new Error("a helper called back outside a run");
    const { program, slot } = this.functions.at(address);
    return this.current.callBack(program, slot, args);
  }

  run(address: bigint, args: CallArguments, limit: number): Execution {
    const { program, slot } = this.functions.at(address);
    return this.start(program, slot, args, limit);
  }

  /** A run from the first slot, to be stepped. Until it has ended or is stopped, other runs are runs within it. */
  debug(code: Executable, args: CallArguments, limit: number): SteppedExecution {
    if (!this.prepared.has(code)) throw new Error(`${code.name} was prepared by another engine`);
    const level = this.level++;
    const cpu = this.cpuOf(level);
    cpu.start(code as Code, args, limit);
    return new SteppedExecution(cpu, {
      within: (step) => this.within(cpu, step),
      left: () => (this.level = level),
    });
  }

  // prettier-ignore
  private runOneByOne(code: Code, { args, results }: Ring, count: number, limit: number): BatchExecution {
    const outer = this.batchIndex;
    let instructions = 0;
    try {
      for (let done = 0; done < count; done++) {
        this.batchIndex = done;
        const at = done & (results.length - 1);
        const execution = code.run(BigInt(args[2 * at] ?? 0), BigInt(args[2 * at + 1] ?? 0), limit);
        instructions += execution.instructions;
        if (execution.fault !== null) return { done, instructions, fault: execution.fault };
        results[at] = execution.r0;
      }
      return { done: count, instructions, fault: null };
    } finally {
      this.batchIndex = outer;
    }
  }

  private start(code: Code, slot: number, args: CallArguments, limit: number): Execution {
    const cpu = this.cpuOf(this.level);
    this.level++;
    try {
      return this.within(cpu, () => cpu.run(code, slot, args, limit));
    } finally {
      this.level--;
    }
  }

  /** Lets helpers call back there meanwhile. */
  private within<T>(cpu: Cpu, execute: () => T): T {
    const outer = this.current;
    this.current = cpu;
    try {
      return execute();
    } finally {
      this.current = outer;
    }
  }

  private cpuOf(level: number): Cpu {
    return (this.cpus[level] ??= new Cpu(this.memory, this.stacks.level(level), this.observer));
  }
}

/** An execution that goes on when it is told to. */
export class SteppedExecution {
  private readonly cpu: Cpu;
  private readonly surroundings: Surroundings;
  private slot = 0;
  /** Null until it has ended. */
  execution: Execution | null = null;

  constructor(cpu: Cpu, surroundings: Surroundings) {
    this.cpu = cpu;
    this.surroundings = surroundings;
  }

  /** The instruction that comes next. */
  get moment(): Moment | null {
    return this.execution === null ? this.cpu.moment(this.slot) : null;
  }

  /** Where the frames above the current one called, innermost first. */
  get callers(): ReturnType<Cpu["callers"]> {
    return this.cpu.callers();
  }

  step(): void {
    const after = this.surroundings.within(() => this.cpu.step(this.slot));
    if (typeof after === "number") this.slot = after;
    else this.end(after);
  }

  /** Ends it here, with what r0 is. */
  stop(): void {
    this.end({ r0: this.moment?.registers[0] ?? 0n, instructions: this.cpu.count, fault: null });
  }

  private end(execution: Execution): void {
    this.execution = execution;
    this.surroundings.left();
  }
}

interface Surroundings {
  within<T>(step: () => T): T;
  left(): void;
}
