/** `ebpf-ts dis`: programs in the kernel's notation, with their subprograms and the source lines in between. */
import type { Command } from "commander";
import { disassemble, formatListing, link } from "../lib/asm/index.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { selectProgram } from "./input.ts";
import { TargetKernel, addKernelOptions, readForKernel } from "./kernel.ts";
import type { KernelOptions } from "./kernel.ts";
import type { Output } from "./output.ts";

interface DisOptions extends KernelOptions {
  readonly program?: string;
  readonly json?: true;
}

const EXAMPLES = `
Each program is printed as it is loaded, linked with the subprograms that it calls.

Examples:
  ebpf-ts dis filter.o
  ebpf-ts dis filter.ts --program filter         compile, then look at one program
  ebpf-ts dis filter.o --json | jq -r '.programs[].instructions[].text'`;

export function addDis(program: Command, attach: Attach): void {
  const command = program
    .command("dis")
    .description("print the instructions of an object, or of a program after compiling it, with their source lines")
    .argument("<file>", "an object file or a TypeScript program")
    .option("--program <name>", "only this program");
  addKernelOptions(command)
    .option("--json", "print the instructions as JSON on standard output")
    .addHelpText("after", EXAMPLES);
  attach<DisOptions>(command, ([file = ""], options, out) => dis(file, options, out));
}

async function dis(file: string, options: DisOptions, out: Output): Promise<number> {
  const { object } = await readForKernel(file, new TargetKernel(options));
  const chosen = options.program === undefined ? object.programs : [selectProgram(object, options.program)];
  const programs = chosen.map(({ name, section, type }) => {
    const linked = link(object, name);
    return { name, section, type, instructions: disassemble(linked.insns, { lines: linked.lines, symbols: linked }) };
  });
  for (const { name, section, instructions } of programs)
    out.say(`${name} (${section}):\n${formatListing(instructions)}`);
  out.emit({ ok: true, license: object.license, programs });
  return EXIT.ok;
}
