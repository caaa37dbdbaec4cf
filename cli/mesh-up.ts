/** `ebpf-ts mesh up`: the agent of a node, until it is told to end. */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { LEVELS, createLog, logFrom } from "../mesh/agent/log.ts";
import type { Level } from "../mesh/agent/log.ts";
import type { Attach } from "./cli.ts";
import { EXIT } from "./exit.ts";
import { DEFAULT_BPFFS, DEFAULT_SOCKET, DEFAULT_STATE } from "./mesh-ask.ts";
import type { Output } from "./output.ts";
import { stopOnSignals } from "./signals.ts";

interface UpOptions {
  readonly node: string;
  readonly folder: string;
  readonly socket: string;
  readonly state: string;
  readonly bpffs: string;
  readonly cgroup?: string;
  readonly device: string[];
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly programs?: string;
  readonly shortcut: "annotated" | "all" | "off";
  readonly audit?: true;
  readonly logLevel: Level;
  readonly uninstallOnExit?: true;
  readonly json?: true;
}

const MORE = `
Policy is in force for the pods that are registered at the socket (PUT /v1/endpoints/NAMESPACE/NAME), which a CNI plugin does.
The log goes to standard error, one JSON document a line. When the agent ends, by Ctrl-C or otherwise, everything stays in
force in the kernel, and the next agent goes on from there; "mesh uninstall" or --uninstall-on-exit take it out.

Examples:
  ebpf-ts mesh up --folder /etc/mesh
  ebpf-ts mesh up --folder /etc/mesh --device eth0 --cgroup /sys/fs/cgroup --metrics 127.0.0.1:9090`;

export function addUp(mesh: Command, attach: Attach): void {
  const command = mesh
    .command("up")
    .description("run the agent of this node")
    .requiredOption("--folder <path>", "folder with the cluster's objects as YAML, policies among them")
    .option("--node <name>", "the node's name, as Pods have it", hostname())
    .option("--socket <path>", "where commands and CNI plugins reach the agent", DEFAULT_SOCKET)
    .option("--state <path>", "folder for what must survive a restart", DEFAULT_STATE)
    .option("--bpffs <path>", "folder for maps and links, on a bpf file system", DEFAULT_BPFFS)
    .option("--cgroup <path>", "a cgroup above all pods' (default: each pod's own)")
    .option("--device <name...>", "devices of the node where denied prefixes are dropped", [])
    .option("--metrics <address>", "serve /metrics, /healthz and /readyz at HOST:PORT too", parseAddress)
    .option("--programs <file>", "compiled programs in place of the package's")
    .addOption(
      new Option("--shortcut <pods>", "whose same-node TCP goes from socket to socket: see docs/mesh-services.md")
        .choices(["annotated", "all", "off"])
        .default("annotated"),
    )
    .option("--audit", "tell and count what policy would deny, and let it pass")
    .addOption(
      new Option("--log-level <level>", "the least important lines of the log").choices(LEVELS).default("info"),
    )
    .option("--uninstall-on-exit", "when it is told to end, take everything out of the kernel")
    .option("--json", "print {up, node, socket} and {ended, inForce} as JSON documents")
    .addHelpText("after", MORE);
  attach<UpOptions>(command, (_args, options, out) => up(options, out));
}

/**
 * The agent waits most of the time, and runs on every node: the heap grows in small steps, and the part for what is new not at
 * all, which saves 30 MB of 150 with 10,000 pods of other nodes. (`--optimize-for-size` saves no more and takes twice the time.)
 */
const MEMORY_FLAGS = ["--semi-space-growth-factor=1", "--heap-growing-percent=20"];

/** What reading the cluster has left behind goes at once: the heap would keep that size for good. Takes 80 ms with 10,000 pods. */
function tidy(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

async function up(options: UpOptions, out: Output): Promise<number> {
  for (const flag of MEMORY_FLAGS) setFlagsFromString(flag);
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
  mkdirSync(dirname(socket), { recursive: true, mode: 0o755 });
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
    ...(options.programs === undefined ? {} : { object: options.programs }),
    log: logFrom(options.logLevel, createLog()),
  });
  tidy();
  out.say(`the agent of ${node} is up; commands reach it at ${socket}`);
  out.emit({ up: true, node, socket });
  const { signal, release } = stopOnSignals();
  // Somebody may have asked it to uninstall itself.
  const ended = await Promise.race([once(signal, "abort").then(() => "told" as const), agent.closed]);
  release();
  const uninstall = ended !== "told" || options.uninstallOnExit === true;
  if (ended === "told") await (uninstall ? agent.uninstall() : agent.close());
  out.say(uninstall ? GONE : IN_FORCE);
  out.emit({ ended: true, inForce: !uninstall });
  return EXIT.ok;
}

const GONE = "the agent has ended, and nothing of the mesh is left in the kernel: pods have no policy";
const IN_FORCE = "the agent has ended; policy stays in force in the kernel (`ebpf-ts mesh uninstall` takes it out)";

function parseAddress(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  if (host === "" || Number(port) > 65_535) throw new InvalidArgumentError("It is HOST:PORT.");
  return { host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port) };
}
