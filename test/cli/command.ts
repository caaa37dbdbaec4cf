/** Runs the command inside the test's process, with streams that are strings. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { runCli } from "../../cli/cli.ts";
import { converse } from "../../cli/conversation.ts";

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(...argv: string[]): Promise<Ran> {
  return talk(null, ...argv);
}

/** As `run`, for commands that read: these lines come through a pipe. */
export async function talk(lines: readonly string[] | null, ...argv: string[]): Promise<Ran> {
  let stdout = "";
  let stderr = "";
  const code = await runCli(argv, {
    stdout: (t) => void (stdout += t),
    stderr: (t) => void (stderr += t),
    ...(lines === null
      ? {}
      : { conversation: () => converse(Readable.from(lines.map((l) => `${l}\n`)), new PassThrough()) }),
  });
  return { code, stdout, stderr };
}

/** The JSON documents on standard output, one a line. */
export function documents<T>({ stdout }: Ran): T[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

export function makeFolder(): { readonly path: (name: string) => string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-cli-"));
  return { path: (name) => join(folder, name), remove: () => rmSync(folder, { recursive: true }) };
}

export const ROOT = resolve(import.meta.dirname, "../..");
export const example = (name: string): string => join(ROOT, "programs/examples", `${name}.ts`);
