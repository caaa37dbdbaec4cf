/** The engines by name. */
import { vmError } from "./diagnostics.ts";
import type { Engine, EngineName } from "./engine.ts";
import { Interpreter } from "./interpreter.ts";
import { Jit } from "./jit/index.ts";
import type { Memory } from "./memory.ts";
import type { Observer } from "./observer.ts";

export const ENGINE_NAMES: readonly EngineName[] = ["interpreter", "jit"];

/** `observer`: told of every instruction; V015 with another engine than the interpreter. */
export function createEngine(name: EngineName, memory: Memory, observer: Observer | null = null): Engine {
  switch (name) {
    case "interpreter":
      return new Interpreter(memory, observer);
    case "jit":
      if (observer !== null) throw vmError("V015", "an observer for compiled code", { found: name });
      return new Jit(memory);
  }
}
