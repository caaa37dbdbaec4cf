/** `ebpf-ts debug`: one run in the interpreter, step by step, with commands from the terminal or through a pipe. */
import type { Command } from "commander";
import type { ProgramSpec } from "../lib/object/index.ts";
import { createMachine } from "../lib/vm/index.ts";
import type { Attach } from "./cli.ts";
import { Debugger } from "./debugger.ts";
import { usageError } from "./diagnostics.ts";
import { addEventOptions, checkEventOptions, fillMaps, readContext, readPackets } from "./events.ts";
import type { EventOptions } from "./events.ts";
import { EXIT } from "./exit.ts";
import { selectProgram } from "./input.ts";
import { TargetKernel, readForKernel } from "./kernel.ts";
import { INTERRUPTED } from "./output.ts";
import type { Conversation, Output } from "./output.ts";

interface DebugOptions extends EventOptions {
  readonly number?: string;
  readonly json?: true;
}

const EXAMPLES = `
Commands: step, next, finish, continue, break, delete, print, list, backtrace, run, help, quit; "help" explains them.

Examples:
  ebpf-ts debug filter.ts filter --pcap traffic.pcap --number 3
  printf 'break 41\\ncontinue\\nprint registers\\n' | ebpf-ts debug filter.ts filter --packet "ffffffffffff 020000000001 0806"`;

export function addDebug(program: Command, attach: Attach): void {
  const command = program
    .command("debug")
    .description("step through a run of a program, without privilege")
    .argument("<file>", "a TypeScript program or an object file")
    .argument("<program>", "its name in the object");
  addEventOptions(command, "take the packet from this capture")
    .option("--number <n>", "which packet of the capture, from 1 (default: the first)")
    .addHelpText("after", EXAMPLES);
  attach<DebugOptions>(command, ([file = "", name = ""], options, out) => debug(file, name, options, out));
}

async function debug(file: string, name: string, options: DebugOptions, out: Output): Promise<number> {
  checkEventOptions(options);
  const { object } = await readForKernel(file, new TargetKernel(options));
  const program = selectProgram(object, name);
  const packet = choosePacket(program, options);
  const context = readContext(options.context);
  const machine = createMachine(object);
  fillMaps(machine, options.maps);
  const input = { ...context, ...(packet === null ? {} : { packet }) };
  return talk(out.conversation(), new Debugger(machine, program, input, out), out);
}

function choosePacket(program: ProgramSpec, options: DebugOptions): Uint8Array | null {
  const packets = readPackets(program, options);
  const number = Number(options.number ?? 1);
  const packet = packets[number - 1];
  if (packet === undefined) throw usageError(`--number ${options.number}: the input has ${packets.length} packets`);
  return packet;
}

/** Commands one after the other until `quit` or the end of the input. An empty line repeats the last. */
async function talk(conversation: Conversation, debugged: Debugger, out: Output): Promise<number> {
  try {
    debugged.where();
    let last = "";
    for (;;) {
      const line = await conversation.ask("(debug) ");
      if (line === INTERRUPTED) return EXIT.interrupted;
      if (line === null) return EXIT.ok;
      last = line.trim() === "" ? last : line.trim();
      // What comes through a pipe is not to be seen otherwise.
      if (!conversation.interactive) out.say(`(debug) ${last}`);
      if (!debugged.obey(last)) return EXIT.ok;
    }
  } finally {
    conversation.close();
  }
}
