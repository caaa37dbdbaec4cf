/** The outside commands that the test bed uses, and how it runs them. Arguments go as lists, never through a shell. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { environmentError } from "../diagnostics.ts";

/** Command and the Debian package that has it. */
export const TOOLS = { ip: "iproute2", nsenter: "util-linux", sh: "dash" } as const;
export type Tool = keyof typeof TOOLS;

/** Users' PATHs often lack the directories where system tools live. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
const TIME_LIMIT_MS = 10_000;

/** The full path of a tool. Throws `EnvironmentError` M001 that names its package. `path` is a PATH value. */
export function findTool(
  tool: Tool,
  path = [process.env["PATH"] ?? "", ...SYSTEM_DIRECTORIES].join(delimiter),
): string {
  for (const directory of path.split(delimiter)) {
    const file = join(directory, tool);
    if (directory !== "" && isExecutable(file)) return file;
  }
  throw environmentError("M001", `the command ${tool} is missing`, {
    expected: `${tool} in PATH`,
    remedy: `install it: apt-get install ${TOOLS[tool]}`,
  });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs a tool to its end and gives its standard output. Throws `EnvironmentError` M004 with what it complained about. */
export function runTool(tool: Tool, args: readonly string[], input = ""): string {
  const done = spawnSync(findTool(tool), args, { input, encoding: "utf8", timeout: TIME_LIMIT_MS });
  if (done.status === 0) return done.stdout;
  const complaint = done.stderr?.trim() ?? "";
  throw environmentError("M004", `${tool} ${args.join(" ")} failed`, {
    found: complaint === "" ? (done.error?.message ?? `exit code ${done.status}`) : complaint,
  });
}
