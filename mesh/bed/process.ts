/** Processes in a place of the bed: its network namespace and its group. */
import { spawn } from "node:child_process";
import type { ChildProcess, SpawnOptions } from "node:child_process";
import { join } from "node:path";
import { withNetns } from "ebpf-ts/loader";

/** Where a process runs: a namespace and a group. */
export interface Place {
  readonly name: string;
  /** Path to open for setns, `nsenter --net=` or a netns link. */
  readonly netns: string;
  /** Directory in the cgroup v2 hierarchy. */
  readonly cgroup: string;
}

/** The shell joins the group and becomes the command, so that every socket of the command is born inside it. */
const JOIN = 'echo $$ > "$0" && exec "$@"';

/** Starts a command in a place; nothing of the mount namespace changes. It is ended with the bed at the latest. */
export function spawnIn(
  place: Pick<Place, "netns" | "cgroup">,
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  const shell = ["-c", JOIN, join(place.cgroup, "cgroup.procs"), command, ...args];
  // The child is forked from this thread, so it begins in the namespace that the thread is in.
  return withNetns(place.netns, () => spawn("/bin/sh", shell, options));
}
