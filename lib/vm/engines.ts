/** The engines by name. */
import { vmError } from "./diagnostics.ts";
import type { Engine, EngineName } from "./engine.ts";
import { Interpreter } from "./interpreter.ts";
import { Jit } from "./jit/index.ts";
import type { Optimizer } from "./jit/optimize.ts";
import type { Memory } from "./memory.ts";
import type { Observer } from "./observer.ts";

export const ENGINE_NAMES: readonly EngineName[] = ["interpreter", "jit"];

/** What an engine may be given, each null when not. */
export interface EngineExtras {
  /** Told of every instruction; V015 with another engine than the interpreter. */
  readonly observer: Observer | null;
  /** Goes over what the JIT compiles. */
  readonly optimizer: Optimizer | null;
}

const NONE: EngineExtras = { observer: null, optimizer: null };

export function createEngine(name: EngineName, memory: Memory, { observer, optimizer } = NONE): Engine {
  switch (name) {
    case "interpreter":
      return new Interpreter(memory, observer);
    case "jit":
      if (observer !== null) throw vmError("V015", "an observer for compiled code", { found: name });
      return new Jit(memory, optimizer);
  }
}
