/** A program of a machine as the node holds it: run, logged, and its faults turned into refusals. */
import { vmError } from "../diagnostics.ts";
import type { Machine, RunInput, RunResult } from "../machine.ts";
import type { AttachType, ProgramType } from "../../kernel/index.ts";
import type { Kernel } from "./kernel.ts";
import type { Namespace } from "./namespace.ts";

export class Program {
  readonly machine: Machine;
  readonly name: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  private readonly kernel: Kernel;

  /** Throws V012 when the machine's object has no such program. */
  constructor(kernel: Kernel, machine: Machine, name: string) {
    const spec = machine.object.programs.find((program) => program.name === name);
    if (spec === undefined) {
      const expected = machine.object.programs.map((program) => program.name).join(", ");
      throw vmError("V012", `the object has no program ${name}`, { expected, found: name });
    }
    this.kernel = kernel;
    this.machine = machine;
    this.name = name;
    this.type = spec.type;
    this.attach = spec.attach;
  }

  /** The same program of the same machine? */
  is(other: Program): boolean {
    return this.machine === other.machine && this.name === other.name;
  }

  /**
   * Runs it on an event in a namespace, which its helpers ask; `hook` is what the log calls the place. A fault is logged;
   * its verdict is null.
   */
  run(hook: string, namespace: Namespace, input: RunInput): RunResult {
    const result = this.kernel.within(namespace, () => this.machine.run(this.name, input));
    this.kernel.log.add({ kind: "run", program: this.name, hook, verdict: result.returnValue });
    if (result.fault !== null) this.kernel.log.add({ kind: "fault", program: this.name, fault: result.fault });
    return result;
  }
}
