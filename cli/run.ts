/** `ebpf-ts run`: one program on one event, or on each packet of a capture, without privilege. */
import { Option } from "commander";
import type { Command } from "commander";
import { createMachine, ENGINE_NAMES } from "../lib/vm/index.ts";
import type { EngineName } from "../lib/vm/index.ts";
import type { Attach } from "./cli.ts";
import { usageError } from "./diagnostics.ts";
import { addEventOptions, checkEventOptions, fillMaps, readContext, readPackets } from "./events.ts";
import type { EventOptions } from "./events.ts";
import { EXIT } from "./exit.ts";
import { selectProgram } from "./input.ts";
import { TargetKernel, readForKernel } from "./kernel.ts";
import { Listing } from "./listing.ts";
import type { Output } from "./output.ts";
import { contentsOf, tellMaps, tellRun } from "./results.ts";
import { createTracer } from "./trace.ts";

interface RunOptions extends EventOptions {
  readonly engine?: EngineName;
  readonly trace?: true;
  readonly json?: true;
}

const EXAMPLES = `
Time, CPU and random numbers are simulated: the same command prints the same thing each time.

Examples:
  ebpf-ts run filter.ts filter --packet "ffffffffffff 020000000001 0806"
  ebpf-ts run filter.o filter --pcap traffic.pcap --maps '{"blocked":[[23,{"value":0}]]}'
  ebpf-ts run filter.ts filter --pcap traffic.pcap --trace
  ebpf-ts run filter.ts filter --pcap traffic.pcap --json | jq -r .verdict | sort | uniq -c
  ebpf-ts run redirect.ts redirect --context '{"user_ip4":"10.96.0.10","user_port":80,"protocol":6}'`;

export function addRun(program: Command, attach: Attach): void {
  const command = program
    .command("run")
    .description("run a program without privilege: on a packet, a capture, or an event of a socket")
    .argument("<file>", "a TypeScript program or an object file")
    .argument("<program>", "its name in the object");
  addEventOptions(command, "run on each packet of this capture")
    .addOption(new Option("--engine <name>", "what executes it").choices([...ENGINE_NAMES]).default("interpreter"))
    .option("--trace", "print each instruction with what it changes, under its source line; not with --engine jit")
    .option("--json", "print one JSON document for each packet, then one with the maps, on standard output")
    .addHelpText("after", EXAMPLES);
  attach<RunOptions>(command, ([file = "", name = ""], options, out) => run(file, name, options, out));
}

async function run(file: string, name: string, options: RunOptions, out: Output): Promise<number> {
  if (options.trace === true && options.engine === "jit") throw usageError("--trace needs the interpreter");
  checkEventOptions(options);
  const { object } = await readForKernel(file, new TargetKernel(options));
  const program = selectProgram(object, name);
  const packets = readPackets(program, options);
  const context = readContext(options.context);
  const tracer =
    options.trace === true ? createTracer(new Listing(object), (value) => machine.describe(value), out) : null;
  const machine = createMachine(object, {
    engine: options.engine ?? "interpreter",
    ...(tracer === null ? {} : { observer: tracer }),
  });
  fillMaps(machine, options.maps);
  let faults = 0;
  for (const [i, packet] of packets.entries()) {
    const result = machine.run(name, { ...context, ...(packet === null ? {} : { packet }) });
    tracer?.end();
    if (result.fault !== null) faults++;
    tellRun(program, machine, { number: i + 1, packet, result }, out);
  }
  const maps = contentsOf(machine);
  tellMaps(maps, out);
  out.emit({ ok: faults === 0, program: name, runs: packets.length, faults, maps });
  return faults === 0 ? EXIT.ok : EXIT.input;
}
