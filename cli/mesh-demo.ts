/** `ebpf-ts mesh demo`: policy, services and HTTP rules at work on a cluster that the demo makes. */
import type { Command } from "commander";
import type { Attach } from "./cli.ts";
import { createStory } from "./demo/story.ts";
import { EXIT } from "./exit.ts";
import type { Output } from "./output.ts";

interface MeshDemoOptions {
  readonly simulate?: true;
  readonly json?: true;
}

const MORE = `
Makes two nodes with pods as network namespaces, starts an agent on each, and applies a CiliumNetworkPolicy with HTTP rules;
then real processes try what it allows and what not. Prints what was expected and what happened, and exits with 1 when they
differ. Everything it makes is removed at the end, on Ctrl-C, and by the next run when it was killed. Without root only the
policy engine is asked about the same flows.`;

export function addMeshDemo(mesh: Command, attach: Attach): void {
  const command = mesh
    .command("demo")
    .description("show policy, services and HTTP rules at work on a cluster that it makes")
    .option("--simulate", "ask only the policy engine, even where the kernel could be used")
    .option("--json", "print the steps, checks, flows and metrics as JSON on standard output")
    .addHelpText("after", MORE);
  attach<MeshDemoOptions>(command, (_args, options, out) => demo(options, out));
}

async function demo(options: MeshDemoOptions, out: Output): Promise<number> {
  const story = createStory(out);
  const obstacle = options.simulate === true ? "asked for with --simulate" : await whyNotKernel();
  if (obstacle === null) {
    const { runOnKernel } = await import("./mesh-demo/kernel.ts");
    await runOnKernel(story);
    return story.finish("kernel") ? EXIT.ok : EXIT.input;
  }
  out.say(`By the policy engine alone, no packet is sent: ${obstacle}\n`);
  const { runOnEngine } = await import("./mesh-demo/engine.ts");
  await runOnEngine(story);
  return story.finish("policy engine") ? EXIT.ok : EXIT.input;
}

/** In words for people, remedy included; null when the kernel can be used. */
async function whyNotKernel(): Promise<string | null> {
  const { whyNoBed } = await import("../mesh/bed/bed.ts");
  const reason = whyNoBed();
  return reason === null ? null : [reason.message, reason.remedy].filter((part) => part !== undefined).join("; ");
}
