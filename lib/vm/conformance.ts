/**
 * The calling rule of ISA conformance cases (the format of the bpf_conformance corpus, as JSON): r1 = memory, r2 = its
 * length, helper 5 returns its first argument, the result is all of r0.
 */
import { decode } from "../asm/index.ts";
import { DiagnosticError } from "../diag/index.ts";
import type { EngineName } from "./engine.ts";
import { formatFault } from "./fault.ts";
import { runRaw } from "./raw.ts";

export interface ConformanceCase {
  readonly name: string;
  /** Hex. */
  readonly insns: string;
  readonly mem?: string;
  /** Expected r0 in hex; absent or null when the program must be refused or fault. */
  readonly expect?: string | null;
  /** Not null when it must be refused or fault whatever `expect` says. */
  readonly expect_error?: string | null;
}

export interface ConformanceOutcome {
  readonly name: string;
  readonly ok: boolean;
  /** Hex; null when the program was refused or faulted. */
  readonly r0: string | null;
  /** Why it was refused or what went wrong, else null. */
  readonly fault: string | null;
}

const UNWIND_HELPER = 5;

export function runCase(test: ConformanceCase, engine: EngineName = "interpreter"): ConformanceOutcome {
  const { r0, fault } = execute(test, engine);
  const expected = (test.expect_error ?? null) === null ? (test.expect ?? null) : null;
  const ok = expected === null ? fault !== null : fault === null && r0 === BigInt(`0x${expected}`);
  return { name: test.name, ok, r0: r0?.toString(16) ?? null, fault };
}

function execute(
  { insns, mem = "" }: ConformanceCase,
  engine: EngineName,
): { r0: bigint | null; fault: string | null } {
  try {
    const program = decode(fromHex(insns));
    const { r0, fault } = runRaw(program, { memory: fromHex(mem), helpers: { [UNWIND_HELPER]: (r1) => r1 }, engine });
    return fault === null ? { r0, fault: null } : { r0: null, fault: formatFault(fault) };
  } catch (error) {
    if (!(error instanceof DiagnosticError)) throw error;
    return { r0: null, fault: error.message };
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
