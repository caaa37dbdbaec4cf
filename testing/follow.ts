/** Follows a run's conditions, so that a failed assertion can tell how the program came to its verdict. */
import type { Insn } from "../lib/isa/index.ts";
import type { SourceLine } from "../lib/object/index.ts";
import type { Moment, Observer, Watched } from "../lib/vm/index.ts";
import type { Step } from "./result.ts";

/** How many conditions a message shows. */
const KEPT = 6;

interface Place {
  readonly code: Watched;
  readonly slot: number;
}

export class Follower implements Observer {
  private readonly others: readonly Observer[];
  private trail: Place[] = [];

  /** `others` are told of everything as well. */
  constructor(others: readonly Observer[]) {
    this.others = others;
  }

  /** Forgets what was before: a run begins. */
  begin(): void {
    this.trail = [];
  }

  before(moment: Moment): void {
    for (const other of this.others) other.before?.(moment);
  }

  after(moment: Moment, next: number): void {
    for (const other of this.others) other.after?.(moment, next);
    if (!isCondition(moment.insn)) return;
    this.trail.push({ code: moment.code, slot: moment.slot });
    if (this.trail.length > KEPT * 4) this.trail = this.trail.slice(-KEPT);
  }

  /** The run has ended: gives its last conditions, without repetitions; programs without source lines have none. */
  end(): () => readonly Step[] {
    const { trail } = this;
    return () => stepsOf(trail);
  }
}

function stepsOf(trail: readonly Place[]): Step[] {
  const lines = trail.flatMap(({ code, slot }) => lineAt(code, slot) ?? []);
  const changed = lines.filter((line, i) => line.file !== lines[i - 1]?.file || line.line !== lines[i - 1]?.line);
  return changed.slice(-KEPT).map(({ file, line, text }) => ({ file, line, text: text.trim() }));
}

function isCondition(insn: Insn | null): boolean {
  return insn?.kind === "jump_if";
}

function lineAt({ lines }: Watched, slot: number): SourceLine | null {
  return lines.findLast((line) => line.slot <= slot) ?? null;
}
