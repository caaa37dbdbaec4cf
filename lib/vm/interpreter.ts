/** The reference engine: each instruction a closure (compile.ts), run one after the other (cpu.ts). */
import { compile } from "./compile.ts";
import { Cpu } from "./cpu.ts";
import type { Code } from "./cpu.ts";
import type { Engine, EngineProgram, Linkage } from "./engine.ts";
import type { Memory } from "./memory.ts";

export class Interpreter implements Engine {
  readonly name = "interpreter";
  private readonly cpu: Cpu;

  /** Stacks are mapped in `memory`. */
  constructor(memory: Memory) {
    this.cpu = new Cpu(memory);
  }

  prepare({ name, lines, insns }: EngineProgram, linkage: Linkage<Code>): Code {
    const code: Code = {
      name,
      lines,
      steps: compile(insns, linkage),
      run: (r1, r2, limit) => this.cpu.run(code, r1, r2, limit),
    };
    return code;
  }
}
