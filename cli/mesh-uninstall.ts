/** `ebpf-ts mesh uninstall`: takes everything of the mesh out of the kernel, with or without an agent or its state. */
import type { Command } from "commander";
import { DiagnosticError } from "../lib/diag/index.ts";
import { AGENT_ABSENT } from "../mesh/control/api-diagnostics.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { DEFAULT_BPFFS, DEFAULT_STATE, addAskOptions, clientOf } from "./mesh-ask.ts";
import type { AskOptions } from "./mesh-ask.ts";
import type { Output } from "./output.ts";

interface UninstallOptions extends AskOptions {
  readonly bpffs: string;
  readonly state: string;
  readonly force?: true;
}

const MORE = `
Pods keep their traffic; from then on nothing is denied. An agent that runs is asked to uninstall and end. Without one, and with
--force, the bpffs folder alone says what there is to remove.

Examples:
  ebpf-ts mesh uninstall
  ebpf-ts mesh uninstall --force --bpffs /sys/fs/bpf/ebpf-ts-mesh`;

export function addUninstall(mesh: Command, attach: Attach): void {
  const command = mesh
    .command("uninstall")
    .description("detach all programs and remove all maps and state of a node")
    .option("--bpffs <path>", "the agent's folder on the bpf file system", DEFAULT_BPFFS)
    .option("--state <path>", "the agent's state folder", DEFAULT_STATE)
    .option("--force", "although an agent runs that does not answer: end it before, or it repairs what it misses");
  addAskOptions(command, "print {ok, asked} as a JSON document").addHelpText("after", MORE);
  attach<UninstallOptions>(command, (_args, options, out) => run(options, out));
}

async function run(options: UninstallOptions, out: Output): Promise<number> {
  const { bpffs, state, force = false } = options;
  const [{ uninstall }, { removeState }, { endLeftWaypoint }] = await Promise.all([
    import("../mesh/datapath/uninstall.ts"),
    import("../mesh/agent/state.ts"),
    import("../mesh/waypoint/supervisor.ts"),
  ]);
  const asked = force ? false : await askAgent(options);
  // After an agent that was asked too: it may be another node's, with other folders.
  await uninstall(bpffs, { force });
  endLeftWaypoint(state);
  removeState(state);
  out.say(`${asked ? "the agent has ended; " : ""}nothing of the mesh is left in ${bpffs} and ${state}`);
  out.emit({ ok: true, asked });
  return EXIT.ok;
}

/** Whether there was one. */
async function askAgent(options: AskOptions): Promise<boolean> {
  try {
    await clientOf(options).uninstall();
    return true;
  } catch (error) {
    if (error instanceof DiagnosticError && AGENT_ABSENT.has(error.diagnostics[0]?.code ?? "")) return false;
    throw error;
  }
}
