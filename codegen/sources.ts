/** Where the compiler reads files: the program's folder, and the package's standard library. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReadSource } from "./frontend/index.ts";

/** `ebpf-ts/std.ts`, `ebpf-ts/std/index.ts`, `ebpf-ts/std/maps.ts`: asc asks for these spellings. */
const LIBRARY_PATH = /^ebpf-ts\/std\/([\w-]+\.ts)$/;

/** Readers for a program at `path`; its folder is the base of relative imports. */
export function nodeReaders(path: string): { entry: string; read: ReadSource; library: ReadSource } {
  const folder = dirname(path);
  const std = join(packageRoot(), "lib", "std");
  return {
    entry: basename(path),
    read: (name) => readText(join(folder, name)),
    library: (name) => {
      const file = LIBRARY_PATH.exec(name)?.[1];
      return file === undefined ? null : readText(join(std, file));
    },
  };
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}

/** The folder that holds package.json: above the sources, or above `dist` once built. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const text = readText(join(folder, "package.json"));
    if (text !== null && (JSON.parse(text) as { name?: string }).name === "ebpf-ts") return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error("the ebpf-ts package folder is not found");
    folder = parent;
  }
}
