/** The reference engine: instructions are decoded once (code.ts), then executed one after the other (execute.ts). */
import { decodeProgram, placeInsns } from "./code.ts";
import type { Code } from "./code.ts";
import { Cpu } from "./cpu.ts";
import type { BatchExecution, CallArguments, Engine, EngineProgram, Execution, Linkage, Ring } from "./engine.ts";
import { Functions } from "./functions.ts";
import type { Memory } from "./memory.ts";
import type { Observer } from "./observer.ts";
import { Stacks } from "./stacks.ts";

export class Interpreter implements Engine {
  readonly name = "interpreter";
  private readonly memory: Memory;
  private readonly observer: Observer | null;
  private readonly stacks: Stacks;
  private readonly functions = new Functions<Code>();
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
      runBatch: (ring, count, limit) => runOneByOne(code, ring, count, limit),
    };
    this.functions.add(code, insns);
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

  private start(code: Code, slot: number, args: CallArguments, limit: number): Execution {
    const outer = this.current;
    const cpu = (this.cpus[this.level] ??= new Cpu(this.memory, this.stacks.level(this.level), this.observer));
    this.current = cpu;
    this.level++;
    try {
      return cpu.run(code, slot, args, limit);
    } finally {
      this.level--;
      this.current = outer;
    }
  }
}

function runOneByOne(code: Code, { args, results }: Ring, count: number, limit: number): BatchExecution {
  let instructions = 0;
  for (let done = 0; done < count; done++) {
    const at = done & (results.length - 1);
    const execution = code.run(BigInt(args[2 * at] ?? 0), BigInt(args[2 * at + 1] ?? 0), limit);
    instructions += execution.instructions;
    if (execution.fault !== null) return { done, instructions, fault: execution.fault };
    results[at] = execution.r0;
  }
  return { done: count, instructions, fault: null };
}
