/** `ebpf-ts build`: a TypeScript program becomes an ELF object. */
import { writeFileSync } from "node:fs";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import type { CompileOptions, Cpu } from "../codegen/index.ts";
import { link } from "../lib/asm/index.ts";
import { slotsOf } from "../lib/isa/index.ts";
import { formatDiagnostic } from "../lib/diag/index.ts";
import type { Diagnostic } from "../lib/diag/index.ts";
import { writeElf } from "../lib/elf/index.ts";
import type { ObjectSpec } from "../lib/object/index.ts";
import { MANIFEST_SECTION, encodeManifest, manifestOf } from "../lib/verifier/index.ts";
import type { Prediction } from "../lib/verifier/index.ts";
import type { Attach } from "./cli.ts";
import { inputError, usageError } from "./diagnostics.ts";
import { EXIT } from "./exit.ts";
import { readInput } from "./input.ts";
import { TargetKernel } from "./kernel.ts";
import type { Output } from "./output.ts";
import { formatTable } from "./table.ts";
import {
  NEWEST,
  diagnosticOf,
  formatKernels,
  formatRejection,
  kernelOf,
  parseKernel,
  predictProgram,
  verifyProgram,
} from "./verification.ts";

interface BuildOptions {
  readonly output?: string;
  readonly cpu: Cpu;
  readonly dump?: string;
  readonly check?: true;
  readonly verify: boolean;
  readonly kernel: string;
  readonly json?: true;
}

const CPUS: readonly Cpu[] = ["v1", "v2", "v3", "v4"];

const EXAMPLES = `
Examples:
  ebpf-ts build filter.ts                        verify, and write filter.o beside it
  ebpf-ts build filter.ts --kernel 5.15          it has to load on Linux 5.15
  ebpf-ts build filter.ts -o /tmp/f.o --cpu v4
  ebpf-ts build filter.ts --json | jq .programs
  ebpf-ts build filter.ts --dump all             print the compiler's IR after each pass`;

/** For options that take an instruction set version. */
export function parseCpu(text: string): Cpu {
  const cpu = CPUS.find((c) => c === text);
  if (cpu === undefined) throw new InvalidArgumentError(`It is one of ${CPUS.join(", ")}.`);
  return cpu;
}

export function addBuild(program: Command, attach: Attach): void {
  const command = program
    .command("build")
    .description("compile a TypeScript program to an eBPF object (ELF with BTF)")
    .argument("<file.ts>", "the program")
    .option("-o, --output <file>", "where to write the object (default: beside the program, ending in .o)")
    .option("--cpu <version>", "instruction set: v1, v2, v3 (Linux 5.1) or v4 (Linux 6.6)", parseCpu, "v3")
    .option("--kernel <name>", "the kernel whose verifier has to accept it", parseKernel, NEWEST)
    .option("--no-verify", "write the object whatever a verifier would say of it")
    .option("--check", "verify the compiler's IR between passes (slow)")
    .option("--dump <pass>", 'print the IR after this pass where it changed something, or "all"')
    .option("--json", "print the result as JSON on standard output")
    .addHelpText("after", EXAMPLES);
  attach<BuildOptions>(command, ([file = ""], options, out) => build(file, options, out));
}

async function build(file: string, options: BuildOptions, out: Output): Promise<number> {
  if (!file.endsWith(".ts")) throw usageError(`build takes a TypeScript program (.ts), not ${file}`);
  const dump = createDump(options.dump, out);
  const { object, timings, diagnostics } = await readInput(file, {
    cpu: options.cpu,
    check: options.check === true,
    ...dump.options,
  });
  dump.finish();
  const path = options.output ?? file.replace(/\.ts$/, "").concat(".o");
  const verified = options.verify ? verifyObject(object, options.kernel, out) : null;
  if (verified?.accepted === false) return EXIT.input;
  const predictions = verified?.predictions ?? new Map<string, Prediction>();
  const manifest = { name: MANIFEST_SECTION, bytes: encodeManifest(manifestOf(predictions)) };
  const bytes = writeElf(object, predictions.size === 0 ? [] : [manifest]);
  writeBytes(path, bytes);
  for (const diagnostic of diagnostics) out.note(formatDiagnostic(diagnostic));
  const programs = object.programs.map((p) => ({
    name: p.name,
    section: p.section,
    type: p.type,
    instructions: countInstructions(object, p.name),
    walked: predictions.get(p.name)?.statistics.processed ?? null,
    firstKernel: predictions.get(p.name)?.firstKernel ?? null,
  }));
  const maps = object.maps.map((m) => ({ name: m.name, type: m.type, maxEntries: m.maxEntries }));
  out.say(
    formatTable(
      ["program", "section", "instructions", "walked", "loads on"],
      programs.map((p) => {
        const prediction = predictions.get(p.name);
        return [
          p.name,
          p.section,
          p.instructions,
          p.walked ?? "",
          prediction === undefined ? "not asked" : formatKernels(prediction),
        ];
      }),
    ),
  );
  const ms = timings.reduce((sum, t) => sum + t.ms, 0);
  out.say(`${path}: ${bytes.length} bytes, ${programs.length} programs, ${maps.length} maps, ${ms.toFixed(0)} ms`);
  out.emit({ ok: true, output: path, bytes: bytes.length, cpu: options.cpu, programs, maps, timings, diagnostics });
  return EXIT.ok;
}

/** Asks for the kernel that counts, then for all of them. What is not known is a warning: it may well load. */
function verifyObject(
  object: ObjectSpec,
  kernelName: string,
  out: Output,
): { readonly accepted: boolean; readonly predictions: ReadonlyMap<string, Prediction> } {
  const target = new TargetKernel({});
  const kernel = kernelOf(kernelName, target);
  const rejected: Diagnostic[] = [];
  for (const { name } of object.programs) {
    const { error, unsupported } = verifyProgram(object, name, { kernel, target });
    if (unsupported !== null)
      out.note(`warning: program ${name} is not verified: the model does not know ${unsupported}`);
    if (error === null) continue;
    out.note(formatRejection(name, error));
    rejected.push(diagnosticOf(name, error));
  }
  if (rejected.length > 0) {
    out.emit({ ok: false, kernel: kernel.name, diagnostics: rejected });
    return { accepted: false, predictions: new Map() };
  }
  return {
    accepted: true,
    predictions: new Map(object.programs.map(({ name }) => [name, predictProgram(object, name, target)])),
  };
}

function writeBytes(file: string, bytes: Uint8Array): void {
  try {
    writeFileSync(file, bytes);
  } catch (error) {
    throw inputError("I005", `${file} cannot be written`, {
      found: error instanceof Error ? error.message : String(error),
    });
  }
}

/** Prints the compiler's IR after the pass that is wanted; says so when there was none to print. */
function createDump(
  wanted: string | undefined,
  out: Output,
): { options: Pick<CompileOptions, "dump">; finish: () => void } {
  if (wanted === undefined) return { options: {}, finish: () => undefined };
  const passes = new Set<string>();
  const dump: CompileOptions["dump"] = (pass, name, text) => {
    passes.add(pass);
    if (wanted === "all" || wanted === pass) out.note(`; ${name} after ${pass}\n${text}`);
  };
  const finish = (): void => {
    if (wanted !== "all" && !passes.has(wanted))
      out.note(`no pass ${wanted} changed anything; these did: ${[...passes].join(", ")}`);
  };
  return { options: { dump }, finish };
}

/** Instructions of a program with its subprograms, in 8-byte slots, as the kernel counts them. */
export function countInstructions(object: ObjectSpec, program: string): number {
  return link(object, program).insns.reduce((slots, insn) => slots + slotsOf(insn), 0);
}
