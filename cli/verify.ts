/** `ebpf-ts verify`: what a kernel's verifier will say of the programs of an object, and why. */
import { Option } from "commander";
import type { Command } from "commander";
import { formatDiagnostic } from "../lib/diag/index.ts";
import type { ObjectSpec, ProgramSpec } from "../lib/object/index.ts";
import { ROOT } from "../lib/verifier/index.ts";
import type { LineCost, Prediction, Verification } from "../lib/verifier/index.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { selectProgram } from "./input.ts";
import { TargetKernel, addKernelOptions, readForKernel } from "./kernel.ts";
import type { KernelOptions } from "./kernel.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";
import {
  NEWEST,
  UNPRIVILEGED,
  formatKernels,
  formatRejection,
  kernelOf,
  logProgram,
  parseKernel,
  predictProgram,
  verifyProgram,
} from "./verification.ts";
import type { Question } from "./verification.ts";

interface VerifyCommandOptions extends KernelOptions {
  readonly program?: string[];
  readonly kernel: string;
  readonly unprivileged?: true;
  readonly strictAlignment?: true;
  readonly portability?: true;
  readonly costs?: true;
  readonly logLevel: "0" | "1" | "2";
  readonly json?: true;
}

const EXAMPLES = `
Nothing is loaded and no privilege is needed: the walk happens in this process, as the kernel named would do it. What the
model does not know is "unsupported" (exit code 4), never accepted.

Examples:
  ebpf-ts verify filter.ts
  ebpf-ts verify filter.o other.o --kernel 5.15
  ebpf-ts verify filter.ts --portability         which kernels load it, and what it needs of them
  ebpf-ts verify filter.ts --costs               lines by the time that the verifier spends there
  ebpf-ts verify filter.o --log-level 2          every instruction walked, in the kernel's notation
  ebpf-ts verify filter.o --kernel running --json | jq .programs`;

export function addVerify(program: Command, attach: Attach): void {
  const command = program
    .command("verify")
    .description("say what a kernel's verifier will say of programs, without loading them")
    .argument("<file...>", "TypeScript programs or object files")
    .option("--program <name...>", "only these programs")
    .option("--kernel <name>", "5.10 to 6.18, a distribution's such as 5.14+rhel9.6, or running", parseKernel, NEWEST);
  addKernelOptions(command)
    .option("--unprivileged", "as for one who loads without CAP_BPF and CAP_PERFMON")
    .option("--strict-alignment", "demand that every access is aligned")
    .option("--portability", "ask for all kernels from 5.10 on")
    .option("--costs", "print the source lines where most instructions are walked")
    .addOption(
      new Option("--log-level <level>", "the walk as the kernel logs it").choices(["0", "1", "2"]).default("0"),
    )
    .option("--json", "print the answers as JSON on standard output, a document for each file")
    .addHelpText("after", EXAMPLES);
  attach<VerifyCommandOptions>(command, (files, options, out) => verifyFiles(files, options, out));
}

async function verifyFiles(files: readonly string[], options: VerifyCommandOptions, out: Output): Promise<number> {
  const target = new TargetKernel(options);
  const question: Question = {
    kernel: kernelOf(options.kernel, target),
    target,
    privileges: options.unprivileged === true ? UNPRIVILEGED : ROOT,
    strictAlignment: options.strictAlignment === true,
  };
  let exit: number = EXIT.ok;
  for (const file of files) exit = worst(exit, await verifyFile(file, options, question, out));
  return exit;
}

/** A rejection counts more than what is not known. */
function worst(a: number, b: number): number {
  if (a === EXIT.input || b === EXIT.input) return EXIT.input;
  return Math.max(a, b);
}

/** What is said of one program. */
interface Answer {
  readonly spec: ProgramSpec;
  readonly verification: Verification;
  /** Asked for with --portability or --costs. */
  readonly prediction: Prediction | null;
}

async function verifyFile(
  file: string,
  options: VerifyCommandOptions,
  question: Question,
  out: Output,
): Promise<number> {
  const { object, diagnostics } = await readForKernel(file, question.target, question.kernel.name);
  for (const warning of diagnostics) out.note(formatDiagnostic(warning));
  const chosen = options.program?.map((name) => selectProgram(object, name)) ?? object.programs;
  const answers = chosen.map((spec) => answerFor(object, spec, options, question, out));
  print(file, answers, options, question, out);
  const verdicts = answers.map(({ verification }) => verification.verdict);
  out.emit({
    ok: verdicts.every((verdict) => verdict === "accept"),
    file,
    kernel: question.kernel.name,
    programs: answers.map(documentOf),
  });
  if (verdicts.includes("reject")) return EXIT.input;
  return verdicts.includes("unsupported") ? EXIT.unsupported : EXIT.ok;
}

function answerFor(
  object: ObjectSpec,
  spec: ProgramSpec,
  { portability, costs, logLevel }: VerifyCommandOptions,
  question: Question,
  out: Output,
): Answer {
  const { name } = spec;
  if (logLevel !== "0") {
    const level = logLevel === "1" ? 1 : 2;
    out.say(`${name}:`);
    logProgram(object, name, question, { level, line: (text) => out.say(text) });
  }
  const wanted = portability === true || costs === true;
  return {
    spec,
    verification: verifyProgram(object, name, question),
    prediction: wanted ? predictProgram(object, name, question.target, question.privileges) : null,
  };
}

function print(
  file: string,
  answers: readonly Answer[],
  options: VerifyCommandOptions,
  question: Question,
  out: Output,
): void {
  for (const { spec, verification } of answers)
    if (verification.error !== null) out.note(formatRejection(spec.name, verification.error));
  out.say(`${file} on Linux ${question.kernel.name}:`);
  out.say(
    formatTable(
      ["program", "section", "verdict", "walked", "states", "stack"],
      answers.map(({ spec, verification }) => [
        spec.name,
        spec.section,
        verdictOf(verification),
        verification.statistics.processed,
        verification.statistics.totalStates,
        verification.statistics.stackDepth.join("+"),
      ]),
    ),
  );
  for (const { spec, prediction } of answers) {
    if (prediction === null) continue;
    if (options.portability === true) out.say(`\n${spec.name}: ${formatPortability(prediction)}`);
    if (options.costs === true) out.say(`\n${spec.name}:\n${formatCosts(prediction.lines)}`);
  }
}

function verdictOf({ verdict, error, unsupported }: Verification): string {
  if (error !== null) return `reject (${error.code})`;
  return unsupported === null ? verdict : `unsupported: ${unsupported}`;
}

function formatPortability(prediction: Prediction): string {
  const kernels = formatTable(
    ["kernel", "verdict", "why"],
    prediction.verdicts.map(({ kernel, verdict, error, unsupported }) => [
      kernel,
      verdict,
      error === null ? (unsupported ?? "") : `${error.code}: ${error.reason}`,
    ]),
  );
  const needs = prediction.needs.map(({ feature, since }) => [feature, since]);
  const needed = needs.length === 0 ? "" : `\n${formatTable(["needs", "since"], needs)}`;
  return `loads on ${formatKernels(prediction)}\n${kernels}${needed}`;
}

const MOST_LINES = 20;

function formatCosts(lines: readonly LineCost[]): string {
  return formatTable(
    ["walked", "line", "source"],
    lines.slice(0, MOST_LINES).map(({ processed, file, line, text }) => [processed, `${file}:${line}`, text.trim()]),
  );
}

function documentOf({ spec, verification, prediction }: Answer): object {
  const { verdict, error, unsupported, statistics } = verification;
  const { processed, totalStates, peakStates, maxStatesPerInsn, stackDepth } = statistics;
  return {
    name: spec.name,
    section: spec.section,
    type: spec.type,
    verdict,
    error,
    unsupported,
    statistics: { processed, totalStates, peakStates, maxStatesPerInsn, stackDepth },
    ...(prediction === null
      ? {}
      : {
          firstKernel: prediction.firstKernel,
          kernels: prediction.verdicts,
          needs: prediction.needs,
          functions: prediction.functions,
          lines: prediction.lines,
        }),
  };
}
