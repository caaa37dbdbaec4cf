/**
 * Leaving nothing: from the bpffs folder alone, whoever made it and whether or not an agent's state is left.
 *
 * Pods keep their traffic, without policy from then on. Programs that carry flows elsewhere go first, the authority at the veths
 * last, then the maps, then the folder.
 */
import { existsSync, readdirSync, rmSync, rmdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { agentError } from "./diagnostics.ts";
import { removeLinks } from "./links.ts";
import { lockFolder } from "./lock.ts";
import { mapsFolder } from "./pins.ts";
import { removePrograms } from "./programs.ts";

/** BPF_FS_MAGIC, include/uapi/linux/magic.h. */
const BPF_FS = 0xcafe4a11;

/** Throws N003. */
export function checkBpffs(folder: string): void {
  if (statfsSync(folder).type !== BPF_FS) throw agentError("N003", `${folder} is not on a bpf file system`);
}

/**
 * Detaches and removes all that a datapath has in the folder, and the folder. Throws N004 while an agent runs, unless `force`:
 * that agent will find its links gone.
 */
export async function uninstall(bpffs: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
  if (!existsSync(bpffs)) return;
  checkBpffs(bpffs);
  const lock = force ? null : await lockFolder(bpffs);
  try {
    removeAll(bpffs);
  } finally {
    lock?.release();
  }
}

/** As `uninstall`, for the agent that holds the lock. */
export function removeAll(bpffs: string): void {
  removeLinks(bpffs);
  removePrograms(bpffs);
  const maps = mapsFolder(bpffs);
  if (existsSync(maps)) {
    for (const name of readdirSync(maps)) rmSync(join(maps, name));
    rmdirSync(maps);
  }
  // Somebody may have given a mount point, which stays.
  if (readdirSync(bpffs).length === 0 && !isMountPoint(bpffs)) rmdirSync(bpffs);
}

function isMountPoint(folder: string): boolean {
  try {
    return statfsSync(join(folder, "..")).type !== BPF_FS;
  } catch {
    return true;
  }
}
