/**
 * A test bed on the real kernel: network namespaces, veth pairs and cgroups with names of their own, processes inside
 * them, all removed at the end, also when a test fails or the run is interrupted.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { canLoad, findCgroupRoot, withNetns } from "../../loader/index.ts";

/** Null, or why tests on the kernel cannot run here. */
export function whySkipped(): string | null {
  const loadable = canLoad();
  if (!loadable.ok) return loadable.reason;
  if (spawnSync("ip", ["-V"]).status !== 0) return "the ip command is missing (package iproute2)";
  return null;
}

const reason = whySkipped();
if (reason !== null) process.stderr.write(`skipped: tests on the kernel: ${reason}\n`);

/** For `describe.skipIf`: tests on the kernel cannot run here; why has been printed. */
export const noKernel: boolean = reason !== null;

let beds = 0;
const open = new Set<Bed>();
process.on("exit", () => {
  for (const bed of open) bed.close();
});

export class Bed implements AsyncDisposable {
  private readonly prefix = `ebts${process.pid}n${beds++}`;
  private readonly undo: (() => void)[] = [];

  constructor() {
    open.add(this);
  }

  /** Makes a network namespace with its loopback up; returns its path. */
  netns(label: string): string {
    const name = `${this.prefix}${label}`;
    ip("netns", "add", name);
    this.undo.push(() => ip("netns", "del", name));
    ip("-n", name, "link", "set", "lo", "up");
    return `/run/netns/${name}`;
  }

  /** Joins two namespaces by a veth pair, `veth0` on both sides, with these addresses (`10.0.0.1/24`). Offloads are off. */
  veth(left: string, leftAddress: string, right: string, rightAddress: string): void {
    const [a, b] = [left, right].map((path) => path.slice("/run/netns/".length)) as [string, string];
    ip("-n", a, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", b);
    for (const [name, address] of [
      [a, leftAddress],
      [b, rightAddress],
    ] as const) {
      ip("-n", name, "addr", "add", address, "dev", "veth0", "nodad");
      ip("-n", name, "link", "set", "veth0", "up");
    }
  }

  /** Makes a cgroup below the root of the unified hierarchy; returns its path. */
  cgroup(): string {
    const root = findCgroupRoot();
    if (root === null) throw new Error("no cgroup2 file system is mounted");
    const path = join(root, `${this.prefix}c${this.undo.length}`);
    mkdirSync(path);
    this.undo.push(() => removeCgroup(path));
    return path;
  }

  /** Mounts a bpffs of its own; returns its path. */
  bpffs(): string {
    const path = mkdtempSync(join(tmpdir(), this.prefix));
    execFileSync("mount", ["-t", "bpf", "bpf", path]);
    this.undo.push(() => {
      execFileSync("umount", [path]);
      rmdirSync(path);
    });
    return path;
  }

  /** Runs JavaScript in a process of its own, in a namespace and cgroup, and returns what it wrote; at most `ms`. */
  run(script: string, at: Site = {}, ms = 10_000): string {
    const [command, args] = commandOf(script, at);
    return withNetns(at.netns, () => execFileSync(command, args, { encoding: "utf8", timeout: ms })).trim();
  }

  /** Starts JavaScript in a process of its own; resolves when it has written its first line. Ends with the bed. */
  async start(script: string, at: Site = {}): Promise<Running> {
    const [command, args] = commandOf(script, at);
    const child = withNetns(at.netns, () => spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] }));
    this.undo.push(() => child.kill("SIGKILL"));
    const running = new Running(child);
    running.first = await running.line();
    return running;
  }

  close(): void {
    open.delete(this);
    for (let step = this.undo.pop(); step !== undefined; step = this.undo.pop()) {
      try {
        step();
      } catch (failure) {
        process.stderr.write(`test bed: ${String(failure)}\n`);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

export interface Site {
  readonly netns?: string;
  readonly cgroup?: string;
}

/** A child process whose output is read line by line. */
export class Running {
  readonly child: ChildProcess;
  /** The first line that it wrote. */
  first = "";
  private lines: string[] = [];
  private rest = "";
  private wake: (() => void) | null = null;
  private ended = false;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (this.rest + text).split("\n");
      this.rest = parts.pop() ?? "";
      this.lines.push(...parts);
      this.wake?.();
    });
    child.on("exit", () => {
      this.ended = true;
      this.wake?.();
    });
  }

  /** The next line that it writes. */
  async line(): Promise<string> {
    for (;;) {
      const line = this.lines.shift();
      if (line !== undefined) return line;
      if (this.ended) throw new Error("the process ended without another line");
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}

function commandOf(script: string, { cgroup }: Site): [string, string[]] {
  if (cgroup === undefined) return [process.execPath, ["-e", script]];
  // The shell enters the cgroup and becomes the script's process, so the script never runs outside.
  const enter = 'echo $$ > "$1/cgroup.procs" && exec "$2" -e "$3"';
  return ["/bin/sh", ["-c", enter, "sh", cgroup, process.execPath, script]];
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** A cgroup stays busy for a moment after its last process was killed. */
function removeCgroup(path: string): void {
  for (const until = Date.now() + 2000; ;) {
    try {
      return rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY" || Date.now() > until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}
