/** What all commands that ask the agent have in common: where it is, and how it is asked. */
import type { Command } from "commander";
import { AgentClient } from "../mesh/control/client.ts";

/** Where an agent's socket is unless somebody says otherwise. */
export const DEFAULT_SOCKET = "/run/ebpf-ts/mesh.sock";
/** What it keeps across restarts, and its maps and links. */
export const DEFAULT_STATE = "/var/lib/ebpf-ts/mesh";
export const DEFAULT_BPFFS = "/sys/fs/bpf/ebpf-ts-mesh";

/** Options of every command that asks the agent. */
export interface AskOptions {
  readonly socket: string;
  readonly json?: true;
}

/** Adds them; `json` says what is printed with it. */
export function addAskOptions(command: Command, json: string): Command {
  return command.option("--socket <path>", "the agent's socket", DEFAULT_SOCKET).option("--json", json);
}

export const clientOf = ({ socket }: AskOptions): AgentClient => new AgentClient(socket);
