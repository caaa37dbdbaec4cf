/** The engines by name. */
import type { Engine, EngineName } from "./engine.ts";
import { Interpreter } from "./interpreter.ts";
import { Jit } from "./jit/index.ts";
import type { Memory } from "./memory.ts";
import type { Observer } from "./observer.ts";

export const ENGINE_NAMES: readonly EngineName[] = ["interpreter", "jit"];

/** `observer`: told of every instruction; the interpreter only. */
export function createEngine(name: EngineName, memory: Memory, observer: Observer | null = null): Engine {
  switch (name) {
    case "interpreter":
      return new Interpreter(memory, observer);
    case "jit":
      return new Jit(memory);
  }
}
