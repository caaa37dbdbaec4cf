/** The engines by name. */
import type { Engine, EngineName } from "./engine.ts";
import { Interpreter } from "./interpreter.ts";
import type { Memory } from "./memory.ts";

const ENGINES: Readonly<Record<EngineName, new (memory: Memory) => Engine>> = { interpreter: Interpreter };

export function createEngine(name: EngineName, memory: Memory): Engine {
  return new ENGINES[name](memory);
}
