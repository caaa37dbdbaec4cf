/**
 * Removing a bed: everything of it has a name that starts with its run id, in one of a few places. So nothing has to be
 * remembered, and a bed whose process was killed can be removed by the next one. Synchronous, to work in an exit handler.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCgroup2, removeCgroup } from "./cgroup.ts";
import { isLeftover, runIdOf } from "./run-id.ts";
import { runIp } from "./tools.ts";

export const NETNS_FOLDER = "/run/netns";
const BPFFS_FOLDER = "/sys/fs/bpf";

/** Where a bed may keep files: sockets and state of agents. */
export const filesOf = (id: string): string => join(tmpdir(), id);
/** Where its agents may pin. */
export const pinsOf = (id: string): string => join(BPFFS_FOLDER, id);

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** Removes the beds of processes that are gone; gives their run ids. */
export function removeLeftovers(): string[] {
  const names = [NETNS_FOLDER, findCgroup2(), BPFFS_FOLDER, tmpdir()].flatMap(namesIn);
  const ids = new Set(names.map(runIdOf).filter((id) => id !== null));
  const gone = [...ids].filter(isLeftover);
  for (const id of gone) removeBed(id);
  return gone;
}

/**
 * Ends its processes, then removes its namespaces, groups, pins and files. Several runs may find the same leftover and
 * remove it at the same time: what another was quicker with is no error, only what is still there afterwards.
 */
export function removeBed(id: string): void {
  removeCgroup(join(findCgroup2(), id));
  removeNamespaces(id);
  for (const folder of [pinsOf(id), filesOf(id)]) rmSync(folder, { recursive: true, force: true });
}

const namespacesOf = (id: string): string[] => namesIn(NETNS_FOLDER).filter((name) => runIdOf(name) === id);

function removeNamespaces(id: string): void {
  const commands = namespacesOf(id).map((name) => `netns delete ${name}`);
  try {
    runIp(commands, "-force"); // goes on behind a command that failed
  } catch (error) {
    if (namespacesOf(id).length > 0) throw error;
  }
}

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Sees to it that the bed goes when the process does; gives the function that removes it earlier, once. */
export function removeAtExit(id: string): () => void {
  const onSignal = (signal: keyof typeof SIGNALS): void => process.exit(SIGNALS[signal]); // runs the exit handlers
  const signals = Object.keys(SIGNALS) as (keyof typeof SIGNALS)[];
  const remove = (): void => {
    process.off("exit", remove);
    for (const signal of signals) process.off(signal, onSignal);
    removeBed(id);
  };
  process.on("exit", remove);
  for (const signal of signals) process.on(signal, onSignal);
  let open = true;
  return () => {
    if (!open) return;
    open = false;
    remove();
  };
}
