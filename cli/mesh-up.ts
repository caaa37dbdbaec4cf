/** `ebpf-ts mesh up`: the agent of a node, until it is told to end. */
import { once } from "node:events";
import { hostname } from "node:os";
import { InvalidArgumentError } from "commander";
import type { Command } from "commander";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { DEFAULT_SOCKET } from "./mesh-ask.ts";
import type { Output } from "./output.ts";
import { stopOnSignals } from "./signals.ts";

/** Where an agent keeps things unless somebody says otherwise. */
export const DEFAULT_STATE = "/var/lib/ebpf-ts/mesh";
export const DEFAULT_BPFFS = "/sys/fs/bpf/ebpf-ts-mesh";

interface UpOptions {
  readonly node: string;
  readonly folder: string;
  readonly socket: string;
  readonly state: string;
  readonly bpffs: string;
  readonly cgroup?: string;
  readonly device: string[];
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly shortcut: boolean;
  readonly audit?: true;
  readonly json?: true;
}

const MORE = `
Policy is in force for the pods that are registered at the socket (PUT /v1/endpoints/NAMESPACE/NAME), which a CNI plugin does.
The log goes to standard error, one JSON document a line. When the agent ends, by a signal or otherwise, everything stays
in force; "mesh uninstall" takes it out of the kernel.

Examples:
  ebpf-ts mesh up --folder /etc/mesh
  ebpf-ts mesh up --folder /etc/mesh --device eth0 --cgroup /sys/fs/cgroup --metrics 127.0.0.1:9090`;

export function addUp(mesh: Command, attach: Attach): void {
  const command = mesh
    .command("up")
    .description("run the agent of this node")
    .requiredOption("--folder <path>", "folder with the cluster's objects as YAML")
    .option("--node <name>", "the node's name, as Pods have it", hostname())
    .option("--socket <path>", "where commands and CNI plugins reach the agent", DEFAULT_SOCKET)
    .option("--state <path>", "folder for what must survive a restart", DEFAULT_STATE)
    .option("--bpffs <path>", "folder for maps and links, on a bpf file system", DEFAULT_BPFFS)
    .option("--cgroup <path>", "a cgroup above all pods' (default: each pod's own)")
    .option("--device <name...>", "devices of the node where denied prefixes are dropped", [])
    .option("--metrics <address>", "serve /metrics and /readyz at HOST:PORT too", parseAddress)
    .option("--no-shortcut", "same-node TCP takes the way by the veth")
    .option("--audit", "tell and count what policy would deny, and let it pass")
    .addHelpText("after", MORE);
  attach<UpOptions>(command, (_args, options, out) => up(options, out));
}

async function up(options: UpOptions, out: Output): Promise<number> {
  const {
    node,
    folder,
    socket,
    state,
    bpffs,
    cgroup = null,
    device,
    metrics = null,
    shortcut,
    audit = false,
  } = options;
  // Loaded here: the commands that ask an agent have no use for it.
  const [{ startAgent }, { watchFolder }] = await Promise.all([
    import("../mesh/agent/agent.ts"),
    import("../mesh/control/folder.ts"),
  ]);
  const agent = await startAgent({
    node,
    source: watchFolder(folder),
    stateDir: state,
    bpffs,
    socket,
    metricsAddress: metrics,
    site: { devices: device, cgroup },
    shortcut,
    audit: audit === true,
  });
  out.say(`the agent of ${node} is up; commands reach it at ${socket}`);
  const { signal, release } = stopOnSignals();
  await once(signal, "abort");
  release();
  await agent.close();
  return EXIT.ok;
}

function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) throw new InvalidArgumentError("It is HOST:PORT.");
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}
