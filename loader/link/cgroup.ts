/** Attaching to a cgroup of the unified hierarchy: socket addresses, sockops, skb, sock, sockopt, device, sysctl. */
import { closeSync, constants, openSync, readFileSync, statfsSync } from "node:fs";
import { ATTACH_TYPES } from "../../lib/kernel/index.ts";
import { loaderError } from "../errors.ts";
import type { Program } from "../program.ts";
import { mustBpf } from "../sys/calls.ts";
import { Link, POSITION_FLAGS, requireType } from "./link.ts";
import type { Position } from "./link.ts";

/**
 * Attaches to the cgroup at `path` and, as links do, to all below it. Several programs may be attached; `position` among
 * those of this cgroup needs Linux 6.17.
 */
export function attachCgroup(program: Program, path: string, position: Position = "last"): Link {
  requireType(
    program,
    "cgroup_sock_addr",
    "sock_ops",
    "cgroup_skb",
    "cgroup_sock",
    "cgroup_sockopt",
    "cgroup_device",
    "cgroup_sysctl",
  );
  if (program.attach === null) throw loaderError("L004", `${program.what} does not say which cgroup hook it is for`);
  const cgroup = openCgroup(path);
  try {
    const attachType = ATTACH_TYPES[program.attach];
    const where = `${program.attach} on ${path}`;
    const what = `attach ${program.what} as ${where}`;
    const flags = POSITION_FLAGS[position];
    const link = mustBpf(what, "link_create", { prog_fd: program.fd, target: cgroup, attach_type: attachType, flags });
    return new Link(link, where);
  } finally {
    closeSync(cgroup);
  }
}

// CGROUP2_SUPER_MAGIC, include/uapi/linux/magic.h.
const CGROUP2 = 0x63677270;

function openCgroup(path: string): number {
  const remedy = `cgroups are folders below ${findCgroupRoot() ?? "the cgroup2 file system, which is not mounted"}`;
  let cgroup: number;
  try {
    cgroup = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (cause) {
    throw loaderError("L004", `cannot open cgroup ${path}: ${String(cause)}`, { remedy });
  }
  // The kernel would say "bad file descriptor".
  if (statfsSync(path).type === CGROUP2) return cgroup;
  closeSync(cgroup);
  throw loaderError("L004", `${path} is not a cgroup of the unified hierarchy`, { remedy });
}

/** Where the unified cgroup hierarchy is mounted, or null. Usually /sys/fs/cgroup, or /sys/fs/cgroup/unified. */
export function findCgroupRoot(): string | null {
  return cgroupRootIn(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** The mount point of the first cgroup2 file system in a mountinfo(5) text. Spaces come as `\040`. */
export function cgroupRootIn(mountinfo: string): string | null {
  for (const line of mountinfo.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    if (after.startsWith("cgroup2 ")) return before.split(" ")[4]?.replace(/\\([0-7]{3})/g, unescapeOctal) ?? null;
  }
  return null;
}

function unescapeOctal(_: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 8));
}
