/**
 * Bare instructions on bare memory, without an object: what conformance tests and experiments want.
 * r1 = the memory's address (0 when there is none), r2 = its length, one frame of 512 bytes of stack.
 */
import type { Insn } from "../isa/index.ts";
import { compile } from "./compile.ts";
import { Cpu } from "./cpu.ts";
import type { Execution, HelperFunction } from "./cpu.ts";
import { Memory } from "./memory.ts";

export interface RawInput {
  /** Used in place: what the program stores is in it afterwards. */
  readonly memory?: Uint8Array;
  /** Helpers by number. */
  readonly helpers?: Readonly<Record<number, HelperFunction>>;
  /** Default 10 million. */
  readonly instructionLimit?: number;
}

/** Runs from the first instruction until the program ends or faults. Never throws for what the program does. */
export function runRaw(insns: readonly Insn[], input: RawInput = {}): Execution {
  const { memory: bytes = new Uint8Array(0), helpers = {}, instructionLimit = 10_000_000 } = input;
  const memory = new Memory();
  const address = bytes.length === 0 ? 0 : memory.map("memory", bytes).start;
  const code = compile(insns, {
    name: "program",
    lines: [],
    helper: (id) => helpers[id] ?? null,
    pseudo: () => null,
    tailCall: () => null,
    loadPacket: () => null,
  });
  return new Cpu(memory).run(code, BigInt(address), BigInt(bytes.length), instructionLimit);
}
