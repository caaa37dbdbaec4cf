/** The verifier refused a program: its log explained (lib/verifier), thrown as the loader's errors are. */
import type { Diagnostic } from "../lib/diag/index.ts";
import type { LinkedProgram } from "../lib/object/index.ts";
import { explainLog, subjectOfProgram } from "../lib/verifier/index.ts";
import type { PathStep, ToldError } from "../lib/verifier/index.ts";
import { KernelError } from "./errors.ts";
import { describeErrno } from "./sys/errno.ts";

/** The message's first line is the place and the reason; `log` is everything that the kernel said. */
export class VerifierError extends KernelError {
  readonly program: string;
  /** `R210`: docs/verifier has a section on each; R000 for words of the kernel that nobody knew. */
  readonly code: string;
  /** Why, in one sentence with the names of the source. */
  readonly reason: string;
  /** The kernel's own words. */
  readonly words: string;
  /** The source line, where line info tells it. */
  readonly at: { readonly file: string; readonly line: number; readonly column: number; readonly text: string } | null;
  /** Slot of the instruction from the start of the linked program, or null. */
  readonly slot: number | null;
  /** How the walk came there, oldest first. */
  readonly path: readonly PathStep[];
  /** What to do about it. */
  readonly suggestion: string;
  /** The whole verifier log. */
  readonly log: string;

  constructor(program: LinkedProgram, errno: number, log: string) {
    const { name, text } = describeErrno(errno);
    const told = explainLog(subjectOfProgram(program), log, `${text} (${name})`);
    super(errno, diagnose(program.name, told));
    this.name = "VerifierError";
    this.program = program.name;
    this.code = told.code;
    this.reason = told.reason;
    this.words = told.words;
    const { at } = told;
    this.at = at.kind === "source" ? { file: at.file, line: at.line, column: at.column, text: at.text ?? "" } : null;
    this.slot = told.slot;
    this.path = told.path;
    this.suggestion = told.suggestion;
    this.log = log;
  }
}

function diagnose(program: string, told: ToldError): Diagnostic {
  const { code, reason, at, words, suggestion } = told;
  return {
    code,
    severity: "error",
    message: `the verifier rejected program ${JSON.stringify(program)}: ${reason}`,
    place: at,
    ...(words === "" ? {} : { found: words }),
    remedy: suggestion,
  };
}
