/**
 * Agents in the bed's nodes: each an ordinary `ebpf-ts mesh up` in its node's network namespace and group, with a bpffs folder
 * and a state folder of its own; all watch one folder of YAML. And the CNI plugin that registers pods with them.
 */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { AgentClient } from "../control/client.ts";
import type { Cni, NodePlace } from "./bed.ts";
import { bedError } from "./diagnostics.ts";
import { spawnIn } from "./process.ts";

const READY_LIMIT_MS = 30_000;
const READY_POLL_MS = 10;
const SHOWN_LOG = 2_000;

/** The command line, compiled: beside this folder, or in dist/ when this file runs from its source. */
const COMMAND = resolve(
  import.meta.dirname,
  import.meta.filename.endsWith(".ts") ? "../../dist/cli/main.js" : "../../cli/main.js",
);

export interface BedAgent {
  readonly node: NodePlace;
  readonly client: AgentClient;
  readonly pid: number;
  /** File with what it writes to its standard error. */
  readonly log: string;
  /** Resolves when the process has ended: with its exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  /** Sends a signal and waits for the end. What it has put into the kernel stays in force. */
  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | string>;
}

export interface BedAgentOptions {
  /** File of compiled programs in place of the package's. */
  readonly programs?: string;
  /** Told as soon as the process is there. */
  readonly started?: (pid: number) => void;
}

/** Starts an agent and waits until it says that it is ready. Throws H005 with the end of its log when it does not get there. */
export async function startAgent(node: NodePlace, folder: string, options: BedAgentOptions = {}): Promise<BedAgent> {
  const socket = join(node.files, "mesh.sock");
  const log = join(node.files, "agent.log");
  const output = openSync(log, "a", 0o600);
  const child = spawnIn(node, process.execPath, [COMMAND, ...upArguments(node, folder, socket, options)], {
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  options.started?.(child.pid ?? 0);
  const ended = new Promise<number | string>((done) => {
    child.on("exit", (code, signal) => done(signal ?? code ?? 0));
  });
  const agent: BedAgent = {
    node,
    client: new AgentClient(socket),
    pid: child.pid ?? 0,
    log,
    ended,
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
  await Promise.race([waitUntilReady(agent), ended.then((how) => Promise.reject(failure(agent, `ended with ${how}`)))]);
  return agent;
}

function upArguments(node: NodePlace, folder: string, socket: string, { programs }: BedAgentOptions): string[] {
  return [
    ...["mesh", "up"],
    ...["--node", node.name],
    ...["--folder", folder],
    ...["--socket", socket],
    ...["--state", join(node.files, "state")],
    ...["--bpffs", node.pins],
    ...["--cgroup", node.group],
    ...(programs === undefined ? [] : ["--programs", programs]),
    ...["--device", node.uplink.name],
  ];
}

async function waitUntilReady(agent: BedAgent): Promise<void> {
  const end = Date.now() + READY_LIMIT_MS;
  let last = "no answer";
  while (Date.now() < end) {
    try {
      const { ready, checks } = await agent.client.readiness();
      if (ready) return;
      last = checks.flatMap((check) => (check.state === "failed" ? [check.message] : [])).join("; ");
    } catch {
      // Its socket is not there yet.
    }
    await sleep(READY_POLL_MS);
  }
  throw failure(agent, `is not ready after ${READY_LIMIT_MS} ms: ${last}`);
}

function failure(agent: BedAgent, what: string): Error {
  const log = readFileSync(agent.log, "utf8").trim().slice(-SHOWN_LOG);
  return bedError("H005", `the agent of ${agent.node.name} ${what}`, log === "" ? {} : { found: log });
}

/** Registers pods with the agent of their node. Host-network pods have nothing to register: they are the node. */
export function agentCni(agentOf: (node: string) => Pick<BedAgent, "client">): Cni {
  return {
    added: async ({ pod, node, nodeDevice, netns, cgroup }) => {
      if (nodeDevice === null) return;
      const { namespace, name, addresses } = pod;
      const registration = { namespace, name, interface: nodeDevice.name, netns, cgroup, addresses };
      await agentOf(node.name).client.register(registration);
    },
    deleted: async ({ pod, node, nodeDevice }) => {
      if (nodeDevice !== null) await agentOf(node.name).client.unregister(pod.namespace, pod.name);
    },
  };
}

/** A folder that agents watch. Files come into it whole: they are written elsewhere and moved. */
export class ClusterFolder {
  readonly path: string;
  private readonly scratch: string;

  /** Makes the folder, below one that the bed removes. */
  constructor(parent: string) {
    this.path = join(parent, "cluster");
    this.scratch = join(parent, "cluster.new");
    for (const folder of [this.path, this.scratch]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Makes or replaces a file. */
  write(name: string, text: string): void {
    writeFileSync(join(this.scratch, name), text);
    renameSync(join(this.scratch, name), join(this.path, name));
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }
}
