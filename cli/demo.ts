/** `ebpf-ts demo`: the whole way, from TypeScript to packets that the kernel drops, on pods that the demo makes. */
import type { Command } from "commander";
import { whyNoBed } from "../mesh/bed/bed.ts";
import type { Attach } from "./cli.ts";
import { runOnKernel } from "./demo/kernel.ts";
import { runOnSimulator } from "./demo/simulator.ts";
import { createStory } from "./demo/story.ts";
import { EXIT } from "./exit.ts";
import type { Output } from "./output.ts";

interface DemoOptions {
  readonly simulate?: true;
  readonly json?: true;
}

const MORE = `
Compiles programs/examples, makes three pods as network namespaces, attaches the programs and sends TCP connections from
real processes; prints what was expected and what was observed. Exits with 1 when they differ. Everything it makes is
removed at the end, on Ctrl-C, and by the next run when it was killed. Without privilege the same story runs on the
interpreter.`;

export function addDemo(program: Command, attach: Attach): void {
  const command = program
    .command("demo")
    .description("show the example programs at work: on the kernel as root, else on the interpreter")
    .option("--simulate", "use the interpreter even where the kernel could be used")
    .option("--json", "print the steps, checks, counters and events as JSON on standard output")
    .addHelpText("after", MORE);
  attach<DemoOptions>(command, (_args, options, out) => demo(options, out));
}

async function demo(options: DemoOptions, out: Output): Promise<number> {
  const story = createStory(out);
  const obstacle = options.simulate === true ? "asked for with --simulate" : whyNotKernel();
  if (obstacle === null) {
    await runOnKernel(story);
    return story.finish("kernel") ? EXIT.ok : EXIT.input;
  }
  out.say(`On the interpreter, not on the kernel: ${obstacle}\n`);
  await runOnSimulator(story);
  return story.finish("simulator") ? EXIT.ok : EXIT.input;
}

/** In words for people, remedy included; null when the kernel can be used. */
function whyNotKernel(): string | null {
  const reason = whyNoBed();
  return reason === null ? null : [reason.message, reason.remedy].filter((part) => part !== undefined).join("; ");
}
