/** Control groups of the test bed: one per pod, below one per node and one per bed, in the cgroup v2 hierarchy wherever it is mounted. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findCgroupRoot } from "ebpf-ts/loader";
import { bedError } from "./diagnostics.ts";

const EMPTY_LIMIT_MS = 3_000;
const POLL_MS = 5;

/** The mount point of cgroup v2; hybrid systems have it at `/sys/fs/cgroup/unified`. Throws H003. */
export function findCgroup2(): string {
  const root = findCgroupRoot();
  if (root !== null) return root;
  throw bedError("H003", "no cgroup v2 hierarchy is mounted", {
    expected: "a mount of type cgroup2 in /proc/self/mountinfo",
  });
}

/** Makes a group (and its parents); gives its path. */
export function createCgroup(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

/**
 * Kills all processes of a group and its children, waits for them to be gone and removes the groups. Missing is fine,
 * and so is another process that removes it meanwhile.
 */
export function removeCgroup(path: string): void {
  for (const step of [killAll, waitUntilEmpty, removeTree]) unlessGone(() => step(path));
}

/** A group that is gone is "no such entry", or "no such device" for a file of it that was open. */
function unlessGone(step: () => void): void {
  try {
    step();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENODEV") throw error;
  }
}

function killAll(path: string): void {
  const kill = join(path, "cgroup.kill"); // since Linux 5.14
  if (existsSync(kill)) {
    writeFileSync(kill, "1");
    return;
  }
  for (const child of childrenOf(path)) killAll(child);
  for (const pid of readFileSync(join(path, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone by itself.
    }
  }
}

function waitUntilEmpty(path: string): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const end = Date.now() + EMPTY_LIMIT_MS;
  while (Date.now() < end && readFileSync(join(path, "cgroup.events"), "utf8").includes("populated 1")) {
    Atomics.wait(pause, 0, 0, POLL_MS);
  }
}

function removeTree(path: string): void {
  for (const child of childrenOf(path)) unlessGone(() => removeTree(child));
  rmdirSync(path);
}

function childrenOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}
