/** Tells what each instruction did: the observer that `ebpf-ts run --trace` prints. */
import type { Insn } from "../isa/index.ts";
import type { SourceLine } from "../object/index.ts";
import { SCRATCH } from "./engine.ts";
import { sourceOf } from "./fault.ts";
import type { Moment, Observer } from "./observer.ts";

/** The memory that an instruction itself reads or writes; what helpers do is not seen. */
export interface TracedAccess {
  /** `both`: an atomic operation. */
  readonly kind: "read" | "write" | "both";
  /** As computed; a wild one may be anything in 0..2^64-1. */
  readonly address: bigint;
  readonly size: number;
}

export interface TraceRow {
  readonly program: string;
  readonly slot: number;
  readonly insn: Insn | null;
  readonly source: SourceLine | null;
  /** Frames above the current one. */
  readonly depth: number;
  readonly access: TracedAccess | null;
  /**
   * Registers that it changed and what they hold now, by number; r1 to r5 that a call overwrote are left out. Null for the
   * instruction that faulted.
   */
  readonly changed: ReadonlyMap<number, bigint> | null;
}

interface Begun {
  readonly moment: Moment;
  readonly registers: readonly bigint[];
  readonly access: TracedAccess | null;
}

const REGISTERS = 11;

export class Tracer implements Observer {
  private readonly emit: (row: TraceRow) => void;
  /** More than one while a helper calls back or causes another run: its row comes after theirs. */
  private readonly begun: Begun[] = [];

  constructor(emit: (row: TraceRow) => void) {
    this.emit = emit;
  }

  before(moment: Moment): void {
    this.begun.push({ moment, registers: copy(moment), access: accessOf(moment) });
  }

  after(): void {
    const begun = this.begun.pop();
    if (begun === undefined) return;
    const now = copy(begun.moment);
    const changed = now.flatMap((value, i) =>
      value === begun.registers[i] || value === SCRATCH ? [] : [[i, value] as const],
    );
    this.emit(rowOf(begun, new Map(changed)));
  }

  /** Tells of the instructions that were begun and did not end, the innermost first: to be called after a fault. */
  end(): void {
    for (let begun = this.begun.pop(); begun !== undefined; begun = this.begun.pop()) this.emit(rowOf(begun, null));
  }
}

function rowOf({ moment, access }: Begun, changed: TraceRow["changed"]): TraceRow {
  const { code, slot, insn, depth } = moment;
  return { program: code.name, slot, insn, source: sourceOf(code, slot), depth, access, changed };
}

function copy({ registers }: Moment): readonly bigint[] {
  return Array.from({ length: REGISTERS }, (_, i) => registers[i] ?? 0n);
}

function accessOf({ insn, registers }: Moment): TracedAccess | null {
  if (insn === null || !("base" in insn)) return null;
  const address = BigInt.asUintN(64, (registers[insn.base] ?? 0n) + BigInt(insn.off));
  const kind = insn.kind === "atomic" ? "both" : insn.kind.startsWith("store") ? "write" : "read";
  return { kind, address, size: insn.size };
}
