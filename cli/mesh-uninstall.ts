/** `ebpf-ts mesh uninstall`: takes everything of the mesh out of the kernel, with or without an agent's state. */
import { rmSync } from "node:fs";
import type { Command } from "commander";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { DEFAULT_BPFFS, DEFAULT_STATE } from "./mesh-up.ts";
import type { Output } from "./output.ts";

interface UninstallOptions {
  readonly bpffs: string;
  readonly state: string;
  readonly force?: true;
  readonly json?: true;
}

const MORE = `
Pods keep their traffic; from then on nothing is denied. End the agent first; --force does not ask, and needs nothing but the
bpffs folder.

Examples:
  ebpf-ts mesh uninstall
  ebpf-ts mesh uninstall --force --bpffs /sys/fs/bpf/ebpf-ts-mesh`;

export function addUninstall(mesh: Command, attach: Attach): void {
  const command = mesh
    .command("uninstall")
    .description("detach all programs and remove all maps and state of a node")
    .option("--bpffs <path>", "the agent's folder on the bpf file system", DEFAULT_BPFFS)
    .option("--state <path>", "the agent's state folder", DEFAULT_STATE)
    .option("--force", "although an agent runs")
    .addHelpText("after", MORE);
  attach<UninstallOptions>(command, (_args, options, out) => run(options, out));
}

async function run({ bpffs, state, force }: UninstallOptions, out: Output): Promise<number> {
  const { uninstall } = await import("../mesh/datapath/uninstall.ts");
  await uninstall(bpffs, { force: force === true });
  rmSync(state, { recursive: true, force: true });
  out.say(`nothing of the mesh is left in ${bpffs} and ${state}`);
  return EXIT.ok;
}
