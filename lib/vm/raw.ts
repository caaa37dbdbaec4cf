/**
 * Bare instructions on bare memory, without an object: what conformance tests and experiments want.
 * r1 = the memory's address (0 when there is none), r2 = its length, one frame of 512 bytes of stack.
 */
import type { Insn } from "../isa/index.ts";
import type { EngineName, Execution, HelperFunction } from "./engine.ts";
import { createEngine } from "./engines.ts";
import { Memory } from "./memory.ts";

export interface RawInput {
  /** What r1 points to; what the program stores is in it afterwards. */
  readonly memory?: Uint8Array;
  /** Helpers by number. */
  readonly helpers?: Readonly<Record<number, HelperFunction>>;
  /** Default 10 million. */
  readonly instructionLimit?: number;
  /** Default "interpreter". */
  readonly engine?: EngineName;
}

/** Runs from the first instruction until the program ends or faults. Never throws for what the program does. */
export function runRaw(insns: readonly Insn[], input: RawInput = {}): Execution {
  const {
    memory: bytes = new Uint8Array(0),
    helpers = {},
    instructionLimit = 10_000_000,
    engine = "interpreter",
  } = input;
  const memory = new Memory();
  const region = bytes.length === 0 ? null : memory.map("memory", bytes.length);
  region?.bytes.set(bytes);
  const program = createEngine(engine, memory).prepare(
    { name: "program", lines: [], insns },
    {
      helper: (id) => helpers[id] ?? null,
      kfunc: () => null,
      pseudo: () => null,
      tailCall: () => null,
      arrayAt: () => null,
      loadPacket: () => null,
    },
  );
  const execution = program.run(BigInt(region?.start ?? 0), BigInt(bytes.length), instructionLimit);
  if (region !== null) bytes.set(region.bytes);
  return execution;
}
