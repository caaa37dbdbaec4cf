/**
 * A kernel's verifier log, of any release from 5.10 on: the path that fails, the kernel's words for the cause, and where.
 *
 * The log is a protocol of the walk; the cause is what it says last before the statistics:
 *
 *     ; return load<u32>(pointer); @ filter.ts:12                 <- source line, from line info (Linux 6.10 names the file)
 *     3: (61) r0 = *(u32 *)(r1 +0)          ; R0_w=scalar()       <- instruction, and what changed by it (before 5.18: before the next)
 *     from 1 to 3: R0_w=map_value_or_null(id=1) R10=fp0           <- the walk goes on with a path that it had put aside
 *     R1 invalid mem access 'scalar'                              <- the cause, often two lines of it
 *     Verification failed: ...                                    <- Linux 7.3: a report on it (report.ts)
 *     processed 4 insns (limit 1000000) ...                       <- statistics, never the cause
 *
 * At level 1 the log holds the failing path only, at level 2 all paths before it, too. Any bytes are survived.
 */
import type { Known } from "./known.ts";
import { knownOfWords } from "./known.ts";
import type { Report } from "./report.ts";
import { readReport } from "./report.ts";
import type { Step, Trail } from "./trail.ts";

export interface KernelLog {
  /** The kernel's words for the cause, a line each; empty where the log says nothing. */
  readonly cause: readonly string[];
  /** The instruction looked at last, null where the walk had not begun. */
  readonly slot: number | null;
  /** The last source comment; `file` is null before Linux 6.10. */
  readonly source: { readonly text: string; readonly file: string | null; readonly line: number } | null;
  readonly trail: Trail;
  /** The structured report of Linux 7.3. */
  readonly report: Report | null;
}

const INSTRUCTION = /^(\d+): \(([0-9a-f]{2})\) (.*)$/;
/** The state before an instruction, at a place of its own line. */
const STATE = /^(\d+): ((?:frame\d+: ?)?R\d+.*)$/;
const FROM = /^from (\d+) to (\d+)(?: \(speculative execution\))?: ?(.*)$/;
const SOURCE = /^; (.*)$/;
const SOURCE_PLACE = /^(?:(.*) )?@ (.+):(\d+)$/;
/** Lines that say where the walk is or how much it did. */
const PROTOCOL =
  /^(\s|$|\d+: (R\d|frame|safe|\([0-9a-f]{2}\))|R\d+(_\w+)?=|frame\d+: R\d|processed \d+ insns|verification time|stack depth|(max|total|peak)_states|mark_precise|force_precise|last_idx|regs=|parent |propagating|frame ?\d+:? propagating|func#\d|Func#\d|Validating |caller:|callee:|returning from callee|to caller at|safe$|cur state|old state|SCC |\(\d+(,\d+)*\) |REG INVARIANTS|mark_reg_|live regs|Live regs|reg type unsupported for arg|BPF program_type|pruning|Note, )/;
/** A conditional jump's line may go on with what stopped the walk there: too many instructions, too many branches. */
const RUN_ON = / goto pc[+-]\d+ +([A-Za-z].*)$/;
/** Errors about the program's shape name the instruction themselves. */
const NAMED_SLOT = /insn (\d+)/;
/** Where a state in the kernel's notation begins on an instruction's line. */
const STATE_PART = /\s(?:;|\d+:) (?=(?:frame\d+: ?)?(?:R\d+|fp-\d+)(?:_\w+)?=)/;
const VALUE = /(R\d+|fp-\d+)(?:_[a-zA-Z]+)?=([^\s(]*(?:\((?:[^()]|\([^()]*\))*\))?)/g;

/** Characters of a log that are read. */
const LONGEST = 1 << 24;

/** Reads a log; survives any text. */
export function readLog(text: string): KernelLog {
  const path = new LogPath();
  let cause: string[] = [];
  let source: KernelLog["source"] = null;
  let walked: number | null = null;
  const lines = endOf(text).replaceAll("\0", "").split(/\r?\n/);
  const { report, rest } = readReport(lines);
  for (const line of rest) {
    const instruction = INSTRUCTION.exec(line);
    if (instruction !== null) {
      walked = Number(instruction[1]);
      path.step(walked, instruction[3] ?? "");
      const words = RUN_ON.exec(line)?.[1] ?? "";
      cause = words === "" || PROTOCOL.test(words) ? [] : [words.trim()];
      continue;
    }
    const comment = SOURCE.exec(line);
    if (comment !== null) {
      source = readSource(comment[1] ?? "");
      cause = [];
      continue;
    }
    const from = FROM.exec(line);
    if (from !== null) path.goBack(Number(from[1]), from[3] ?? "");
    else if (line.startsWith("Validating ")) path.restart();
    else if (STATE.test(line)) path.learn(line);
    else if (!PROTOCOL.test(line)) cause.push(line.trim());
  }
  const named = NAMED_SLOT.exec(cause.join(" "));
  const slot = named === null || walked !== null ? walked : Number(named[1]);
  return { cause, slot: slot ?? report?.slot ?? null, source, trail: path, report };
}

/** Whole lines. A longer log is of a walk of a million instructions, which repeat themselves. */
function endOf(text: string): string {
  if (text.length <= LONGEST) return text;
  const from = text.indexOf("\n", text.length - LONGEST);
  return text.slice(from + 1);
}

function readSource(comment: string): KernelLog["source"] {
  const place = SOURCE_PLACE.exec(comment);
  if (place === null) return { text: comment, file: null, line: 0 };
  return { text: place[1] ?? "", file: place[2] ?? null, line: Number(place[3]) };
}

interface LogStep extends Step {
  readonly isCall: boolean;
  readonly isExit: boolean;
  /** The state that the kernel printed after it. */
  after: string;
  /** The path that was put aside here has been taken up. */
  isTaken: boolean;
}

/** The path as far as the log has told it. */
class LogPath implements Trail {
  steps: LogStep[] = [];

  step(slot: number, line: string): void {
    const previous = this.steps.at(-1);
    const part = STATE_PART.exec(line);
    const insn = part === null ? line : line.slice(0, part.index);
    const after = part === null ? "" : line.slice(part.index);
    this.steps.push({
      slot,
      frame: frameAfter(previous, slot),
      isCall: insn.startsWith("call "),
      isExit: insn.trim() === "exit",
      after,
      isTaken: false,
    });
  }

  /** A state on a line of its own: what older kernels know before the next instruction. */
  learn(state: string): void {
    const last = this.steps.at(-1);
    if (last !== undefined) last.after += ` ${state}`;
  }

  /** The walk goes on at a branch: the one that was passed last and not taken yet. */
  goBack(slot: number, state: string): void {
    const at = this.steps.findLastIndex((step) => step.slot === slot && !step.isTaken);
    if (at < 0) return;
    this.steps.length = at + 1;
    const branch = this.steps[at] as LogStep;
    branch.isTaken = true;
    branch.after = ` ${state}`;
  }

  /** Another function is verified by itself. */
  restart(): void {
    this.steps = [];
  }

  changed(step: number, register: number): Known | null {
    return this.read(step, `R${register}`);
  }

  stackChanged(step: number, slot: number): Known | null {
    return this.read(step, `fp-${(slot + 1) * 8}`);
  }

  before(step: number, register: number): Known | null {
    const frame = this.steps[step]?.frame;
    for (let i = step - 1; i >= 0; i--) {
      if (this.steps[i]?.frame !== frame) continue;
      const known = this.changed(i, register);
      if (known !== null) return known;
    }
    return null;
  }

  private read(step: number, name: string): Known | null {
    const after = this.steps[step]?.after ?? "";
    if (!after.includes(`${name}_`) && !after.includes(`${name}=`)) return null;
    let known: Known | null = null;
    for (const [, found, words = ""] of after.matchAll(VALUE)) if (found === name) known = knownOfWords(words);
    return known;
  }
}

/** Depth of the function at `slot`: a call that does not go on behind itself has entered one. */
function frameAfter(previous: LogStep | undefined, slot: number): number {
  if (previous === undefined) return 0;
  if (previous.isCall && slot !== previous.slot + 1) return previous.frame + 1;
  if (previous.isExit) return Math.max(previous.frame - 1, 0);
  return previous.frame;
}
