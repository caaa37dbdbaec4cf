/** The outside command that the test bed uses, and how it runs it. Arguments go as lists, never through a shell. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { bedError } from "./diagnostics.ts";

/** Command and the Debian package that has it. */
export const TOOLS = { ip: "iproute2" } as const;
export type Tool = keyof typeof TOOLS;

/** Users' PATHs often lack the directories where system tools live. */
const SYSTEM_DIRECTORIES = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
/** A thousand namespaces in one batch take a third of a second. */
const TIME_LIMIT_MS = 60_000;
const SHOWN_INPUT = 200;

/** The full path of a tool. Throws H001 that names its package. `path` is a PATH value. */
export function findTool(
  tool: Tool,
  path = [process.env["PATH"] ?? "", ...SYSTEM_DIRECTORIES].join(delimiter),
): string {
  for (const directory of path.split(delimiter)) {
    const file = join(directory, tool);
    if (directory !== "" && isExecutable(file)) return file;
  }
  throw bedError("H001", `the command ${tool} is missing`, {
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

/** Runs a tool to its end and gives its standard output. Throws H004 with what it complained about. */
export function runTool(tool: Tool, args: readonly string[], input = ""): string {
  const limits = { timeout: TIME_LIMIT_MS, maxBuffer: 1 << 28 };
  const done = spawnSync(findTool(tool), args, { input, encoding: "utf8", ...limits });
  if (done.status === 0) return done.stdout;
  const complaint = done.stderr?.trim() ?? "";
  throw bedError("H004", `${tool} ${args.join(" ")} failed`, {
    found: complaint === "" ? (done.error?.message ?? `exit code ${done.status}`) : withLine(complaint, input),
  });
}

/** `ip -batch` tells the line by its number; people want to see it. */
function withLine(complaint: string, input: string): string {
  const [, number] = /Command failed -:(\d+)/.exec(complaint) ?? [];
  const line = number === undefined ? undefined : input.split("\n")[Number(number) - 1];
  return line === undefined ? complaint : `${complaint} (${line.slice(0, SHOWN_INPUT)})`;
}

/** Runs many commands of `ip` in one process. */
export function runIp(commands: readonly string[], ...options: readonly string[]): void {
  if (commands.length > 0) runTool("ip", [...options, "-batch", "-"], `${commands.join("\n")}\n`);
}
