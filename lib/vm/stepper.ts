/**
 * One run, instruction by instruction: what a debugger is made of.
 *
 *   const stepper = machine.debug("filter", { packet });
 *   stepper.continue([{ line: 41 }]);
 *   stepper.moment?.registers[0]; stepper.describe(…)
 *   stepper.finish(); stepper.result?.returnValue;
 *
 * Steps go over helpers, with all that they call back and cause. While a run is being stepped, other runs of the machine
 * are runs within it; `stop` gives it up.
 */
import type { SourceLine } from "../object/index.ts";
import { sourceOf } from "./fault.ts";
import type { Memory } from "./memory.ts";
import type { Moment, Watched } from "./observer.ts";
import type { RunResult } from "./machine.ts";

/** Where to stop: a slot or a source line (from its first instruction on); of any program or file unless one is named. */
export type Breakpoint =
  | { readonly slot: number; readonly program?: string }
  | { readonly line: number; readonly file?: string };

/** A call that is going on. */
export interface StackFrame {
  readonly program: string;
  /** The instruction that is next; in outer frames the call. */
  readonly slot: number;
  readonly source: SourceLine | null;
}

/** The run as the stepper drives it; made by `Machine.debug`. */
export interface Stepped {
  /** The instruction that comes next; null when the run has ended. */
  moment(): Moment | null;
  /** Where the frames above the current one called, innermost first. */
  callers(): readonly { readonly code: Watched; readonly slot: number }[];
  /** The packet as it is now; null at hooks without one. */
  packet(): Uint8Array | null;
  step(): void;
  /** Gives up. */
  stop(): void;
  /** What came of it; null until it has ended. */
  result(): RunResult | null;
}

export class Stepper {
  private readonly stepped: Stepped;
  private readonly memory: Memory;

  /** Made by `Machine.debug`. */
  constructor(stepped: Stepped, memory: Memory) {
    this.stepped = stepped;
    this.memory = memory;
  }

  /** The instruction that comes next, with the registers; null when the run has ended. */
  get moment(): Moment | null {
    return this.stepped.moment();
  }
  /** The source line of `moment`; null where the program has none. */
  get source(): SourceLine | null {
    const { moment } = this;
    return moment === null ? null : sourceOf(moment.code, moment.slot);
  }
  /** Calls that are going on, innermost first. */
  get frames(): readonly StackFrame[] {
    const { moment } = this;
    if (moment === null) return [];
    return [moment, ...this.stepped.callers()].map(({ code, slot }) => ({
      program: code.name,
      slot,
      source: sourceOf(code, slot),
    }));
  }
  /** A copy of the packet as it is now; null at hooks without one. */
  get packet(): Uint8Array | null {
    return this.stepped.packet();
  }
  /** What came of the run; null until it has ended. */
  get result(): RunResult | null {
    return this.stepped.result();
  }

  /** Executes an instruction. */
  step(): void {
    this.stepped.step();
  }

  /** Goes on to another source line, or into a function. */
  stepLine(): void {
    const start = this.place();
    this.until((now) => now.depth !== start.depth || now.line !== start.line);
  }

  /** Goes on to another source line of this function, over the functions that it calls, or to its caller. */
  next(): void {
    const start = this.place();
    this.until((now) => now.depth < start.depth || (now.depth === start.depth && now.line !== start.line));
  }

  /** Goes on until this function is left. */
  finish(): void {
    const start = this.place();
    this.until((now) => now.depth < start.depth);
  }

  /** Goes on to a breakpoint, but at least one instruction; to the end when none is met. Gives the one that was met. */
  continue(breakpoints: readonly Breakpoint[] = []): Breakpoint | null {
    let met: Breakpoint | null = null;
    do {
      this.step();
      const { moment } = this;
      met = moment === null ? null : (breakpoints.find((breakpoint) => isAt(breakpoint, moment)) ?? null);
    } while (met === null && this.moment !== null);
    return met;
  }

  /** Ends the run where it is. Without effect when it has ended. */
  stop(): void {
    this.stepped.stop();
  }

  /** Bytes of the program's memory; null where there are none. */
  read(address: number, size: number): Uint8Array | null {
    return this.memory.peek(address, size)?.slice() ?? null;
  }

  /** What a register's value points to: `packet+14`, `value of map flows+8`; null when it is no address. */
  describe(value: bigint): string | null {
    return this.memory.whereIs(value);
  }

  private until(arrived: (now: { depth: number; line: SourceLine | null }) => boolean): void {
    do this.step();
    while (this.moment !== null && !arrived(this.place()));
  }

  private place(): { depth: number; line: SourceLine | null } {
    const { source, moment } = this;
    const lines = moment?.code.lines ?? [];
    // A line has an entry for each of its parts; the first one stands for it.
    const first = lines.find((line) => line.file === source?.file && line.line === source.line) ?? null;
    return { depth: moment?.depth ?? 0, line: first };
  }
}

function isAt(breakpoint: Breakpoint, { code, slot }: Moment): boolean {
  if ("slot" in breakpoint) return breakpoint.slot === slot && (breakpoint.program ?? code.name) === code.name;
  const { line, file } = breakpoint;
  return code.lines.some(
    (entry) => entry.slot === slot && entry.line === line && (file === undefined || entry.file.endsWith(file)),
  );
}
