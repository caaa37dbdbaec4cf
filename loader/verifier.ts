/**
 * Why the verifier rejected a program, in terms of the TypeScript source.
 *
 * The kernel's log is a protocol of the walk; the cause is the last thing it says before the statistics:
 *
 *     ; return load<u32>(pointer); @ filter.ts:12      <- source line, from our line info (Linux 6.10 names the file)
 *     3: (61) r0 = *(u32 *)(r1 +0)                      <- instruction that was being looked at
 *     R1 invalid mem access 'scalar'                    <- the cause
 *     processed 4 insns (limit 1000000) ...             <- statistics, never the cause
 *
 * The source line is looked up by instruction in the program's own line table, which knows the column too; the log's
 * comment serves where the program has none.
 */
import type { Diagnostic, Place } from "../lib/diag/index.ts";
import { slotsOf } from "../lib/isa/index.ts";
import type { LinkedProgram, SourceLine } from "../lib/object/index.ts";
import { KernelError } from "./errors.ts";
import { describeErrno } from "./sys/errno.ts";

export interface LogSummary {
  /** The kernel's words; several lines of them are joined with "; ". Empty where the log says nothing. */
  readonly cause: string;
  /** Slot of the instruction that the verifier looked at last, or null. */
  readonly slot: number | null;
  /** The last source comment; `file` is null before Linux 6.10. */
  readonly source: { readonly text: string; readonly file: string | null; readonly line: number } | null;
}

const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\)/;
const SOURCE = /^; (.*)$/;
const SOURCE_PLACE = /^(?:(.*) )?@ (.+):(\d+)$/;
/** Lines that say where the walk is or how much it did. */
const PROTOCOL =
  /^(\s|$|\d+: (R\d|frame|safe)|from \d+ to \d+|processed \d+ insns|verification time|stack depth|(max|total|peak)_states|mark_precise|last_idx|regs=|parent |propagating|func#\d|Func#\d|Validating |caller:|callee:|returning from callee|to caller at|safe$|reg type unsupported for arg|BPF program_type)/;
/** Errors about the program's shape name the instruction themselves. */
const NAMED_SLOT = /insn (\d+)/;

/** Reads a verifier log; survives any text. */
export function summarizeLog(log: string): LogSummary {
  let cause: string[] = [];
  let slot: number | null = null;
  let source: LogSummary["source"] = null;
  for (const line of log.replaceAll("\0", "").split("\n")) {
    const instruction = INSTRUCTION.exec(line);
    const comment = SOURCE.exec(line);
    if (instruction !== null) {
      slot = Number(instruction[1]);
      cause = [];
    } else if (comment !== null) {
      source = placeOf(comment[1] ?? "");
      cause = [];
    } else if (!PROTOCOL.test(line)) {
      cause.push(line.trim());
    }
  }
  const named = NAMED_SLOT.exec(cause.join(" "));
  return { cause: cause.join("; "), slot: named === null ? slot : Number(named[1]), source };
}

function placeOf(comment: string): LogSummary["source"] {
  const place = SOURCE_PLACE.exec(comment);
  if (place === null) return { text: comment, file: null, line: 0 };
  return { text: place[1] ?? "", file: place[2] ?? null, line: Number(place[3]) };
}

/** Common causes, and what to do in the TypeScript source. The first that matches counts. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/_or_null/, "compare the result with null before using it"],
  [/invalid access to packet/, "check that the packet reaches that far (ctx.at() returns null where it does not)"],
  [/invalid mem access '(scalar|inv)'/, "a number is used as a pointer: the pointer's origin was lost on the way"],
  [/invalid access to map value/, "the access goes beyond the value: check the index against the size first"],
  [/invalid bpf_context access/, "this kernel does not let this program type read or write that context field"],
  [/infinite loop|back-edge/, "bound the loop with a constant"],
  [/program is too large|too many (jumps|states)/, "the verifier gave up: fewer branches, shorter loops"],
  [/stack size|invalid.*stack/, "at most 512 bytes of local data on the way from the program to the deepest function"],
  [
    /program of this type cannot use helper|unknown func|invalid func/,
    "this kernel has no such helper for this program type",
  ],
  [/GPL/, "declare a GPL-compatible licence"],
  [/At program exit/, "return one of the values that this hook allows"],
];

/** The verifier rejected a program. The message's first line is the place and the cause; `log` is everything. */
export class VerifierError extends KernelError {
  readonly program: string;
  /** The kernel's words. */
  readonly reason: string;
  /** The source line, where line info tells it. */
  readonly at: { readonly file: string; readonly line: number; readonly column: number; readonly text: string } | null;
  /** Slot of the instruction from the start of the linked program, or null. */
  readonly slot: number | null;
  /** The whole verifier log, at log level 1. */
  readonly log: string;

  constructor(program: LinkedProgram, errno: number, log: string) {
    const { cause, slot: seen, source } = summarizeLog(log);
    const slot = seen ?? (/last insn/.test(cause) ? slotCount(program) - 1 : null);
    const { name, text } = describeErrno(errno);
    const said = cause === "" ? `${text} (${name})` : cause;
    const line = slot === null ? undefined : lineAt(program.lines, slot);
    const at = line ?? (source?.file ? { file: source.file, line: source.line, column: 1, text: source.text } : null);
    super(errno, diagnose(program.name, said, at));
    this.name = "VerifierError";
    this.program = program.name;
    this.reason = said;
    this.at = at === null ? null : { file: at.file, line: at.line, column: at.column, text: at.text };
    this.slot = slot;
    this.log = log;
  }
}

function diagnose(program: string, cause: string, at: Omit<SourceLine, "slot"> | null): Diagnostic {
  const place: Place =
    at === null ? { kind: "none" } : { kind: "source", file: at.file, line: at.line, column: at.column, text: at.text };
  const remedy = REMEDIES.find(([pattern]) => pattern.test(cause))?.[1];
  return {
    code: "L003",
    severity: "error",
    message: `the verifier rejected program ${JSON.stringify(program)}: ${cause}`,
    place,
    ...(remedy === undefined ? {} : { remedy }),
  };
}

function slotCount(program: LinkedProgram): number {
  return program.insns.reduce((sum, insn) => sum + slotsOf(insn), 0);
}

/** The source line that covers a slot: the last that starts at or before it. */
function lineAt(lines: readonly SourceLine[], slot: number): SourceLine | undefined {
  return lines.findLast((line) => line.slot <= slot);
}
