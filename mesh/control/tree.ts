/**
 * Watching a folder with everything below it, by inotify on each folder. (`recursive` of fs.watch is polling or incomplete,
 * depending on the version of Node.)
 *
 * It tells which paths may have changed, no more: what they are now is for others to look at. Hidden names are not part of the
 * tree; one of them, `..data`, tells that a Kubernetes volume was updated, which changes everything beside it.
 */
import { readdirSync, statSync, watch } from "node:fs";
import type { Dirent, FSWatcher, Stats } from "node:fs";
import { dirname, join } from "node:path";

const VOLUME_UPDATED = "..data";

/** As fs.watch: `rename` is for a name that came or went, `change` for content. */
export type FileEvent = "rename" | "change";

export interface TreeListener {
  /** The file may be new, another or gone. `event`: what the system told of it; null: nothing, it was seen to be there. */
  readonly onFile: (path: string, event: FileEvent | null) => void;
  /** The folder is gone, with all below it. */
  readonly onGone: (path: string) => void;
  /** The folder cannot be listed or watched, with the system's words; null: it can, again. */
  readonly onFolder: (path: string, problem: string | null) => void;
}

interface Folder {
  readonly inode: string;
  /** Null: the system has no watches left, and the folder is only looked at from time to time. */
  readonly watcher: FSWatcher | null;
}

export class Tree {
  private readonly root: string;
  private readonly listener: TreeListener;
  private readonly folders = new Map<string, Folder>();

  constructor(root: string, listener: TreeListener) {
    this.root = root;
    this.listener = listener;
  }

  /** Looks at all folders, and tells every file that there is. */
  scan(): void {
    this.visit(this.root);
  }

  close(): void {
    for (const { watcher } of this.folders.values()) watcher?.close();
    this.folders.clear();
  }

  private visit(path: string): void {
    let entries: Dirent[];
    try {
      this.watch(path, statSync(path));
      // Listed after the watch is there, so that nothing falls between.
      entries = readdirSync(path, { withFileTypes: true });
    } catch (error) {
      // What comes back under its name has to be watched anew.
      this.folders.get(path)?.watcher?.close();
      this.folders.delete(path);
      this.listener.onFolder(path, messageOf(error));
      return;
    }
    for (const entry of entries) {
      if (entry.name.startsWith(".")) continue;
      const below = join(path, entry.name);
      if (entry.isFile()) this.listener.onFile(below, null);
      else this.look(below, null);
    }
  }

  /** Once for each folder; anew for another folder of the same name. */
  private watch(path: string, stats: Stats): void {
    const known = this.folders.get(path);
    const inode = inodeOf(stats);
    if (known?.inode === inode && known.watcher !== null) return;
    known?.watcher?.close();
    let watcher: FSWatcher | null = null;
    let problem: string | null = null;
    try {
      watcher = watch(path, (event, name) => this.hear(path, event, name));
      // The folder is gone: its parent is told as well, and the next scan sees the root.
      watcher.on("error", () => watcher?.close());
    } catch (error) {
      problem = messageOf(error);
    }
    this.folders.set(path, { inode, watcher });
    this.listener.onFolder(path, problem);
  }

  private hear(path: string, event: FileEvent, name: string | null): void {
    if (name === null || name === VOLUME_UPDATED) this.visit(path);
    else if (!name.startsWith(".")) this.look(join(path, name), event);
  }

  private look(path: string, event: FileEvent | null): void {
    const stats = statOf(path);
    if (stats?.isDirectory() === true) {
      if (!this.isCircle(path, stats)) this.visit(path);
    } else if (this.folders.has(path)) {
      this.forget(path);
    } else {
      this.listener.onFile(path, event);
    }
  }

  /** A link to one of the folders that it lies in. */
  private isCircle(path: string, stats: Stats): boolean {
    for (let above = dirname(path); this.folders.has(above); above = dirname(above)) {
      if (this.folders.get(above)?.inode === inodeOf(stats)) return true;
      if (above === dirname(above)) break;
    }
    return false;
  }

  private forget(path: string): void {
    for (const [folder, { watcher }] of this.folders) {
      if (folder !== path && !isBelow(folder, path)) continue;
      watcher?.close();
      this.folders.delete(folder);
    }
    this.listener.onGone(path);
  }
}

/** Is the path somewhere below the folder? */
export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}

/** Null: there is nothing at that path, or nothing that can be reached. */
export function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** What went wrong, in the system's words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Numbers of inodes are used again; the time of birth tells them apart. */
const inodeOf = ({ dev, ino, birthtimeMs }: Stats): string => `${dev}:${ino}:${birthtimeMs}`;
