/** Counts what is executed, by slot: the observer that profiles and source coverage are made from. */
import { slotsOf } from "../isa/index.ts";
import type { Moment, Observer, Watched } from "./observer.ts";

export interface BranchCount {
  taken: number;
  notTaken: number;
}

/** Counts of one program. Slots that were never reached are missing. */
export interface ProgramCounts {
  /** Executions by slot of the instruction. */
  readonly executed: ReadonlyMap<number, number>;
  /** By slot of the conditional jump (`may_goto` too). One to the next instruction counts as not taken. */
  readonly branches: ReadonlyMap<number, Readonly<BranchCount>>;
}

interface Tally extends ProgramCounts {
  readonly executed: Map<number, number>;
  readonly branches: Map<number, BranchCount>;
}

/** `K`: what tells programs apart; counters that outlive machines take something else than the program, which keeps its machine. */
export class Counters<K = Watched> implements Observer {
  private readonly tallies = new Map<K, Tally>();
  private readonly keyOf: (code: Watched) => K;

  constructor(keyOf: (code: Watched) => K = (code) => code as K) {
    this.keyOf = keyOf;
  }

  /** By program; programs that never ran are missing. Live. */
  get programs(): ReadonlyMap<K, ProgramCounts> {
    return this.tallies;
  }

  /** Back to nothing counted. */
  reset(): void {
    this.tallies.clear();
  }

  before({ code, slot }: Moment): void {
    const { executed } = this.tallyOf(code);
    executed.set(slot, (executed.get(slot) ?? 0) + 1);
  }

  after({ code, slot, insn }: Moment, next: number): void {
    if (insn?.kind !== "jump_if" && insn?.kind !== "may_goto") return;
    const { branches } = this.tallyOf(code);
    const count = branches.get(slot) ?? { taken: 0, notTaken: 0 };
    if (next === slot + slotsOf(insn)) count.notTaken++;
    else count.taken++;
    branches.set(slot, count);
  }

  private tallyOf(code: Watched): Tally {
    const key = this.keyOf(code);
    const known = this.tallies.get(key);
    if (known !== undefined) return known;
    const tally: Tally = { executed: new Map(), branches: new Map() };
    this.tallies.set(key, tally);
    return tally;
  }
}
