/**
 * Names of a bed's namespaces and groups: `ebpf-ts-<pid>-<start>-<n>`, where pid and start time tell the process that
 * owns it. A name whose owner is not alive is a leftover of a killed run; the start time tells a reused pid apart.
 */
import { readFileSync } from "node:fs";

const PREFIX = "ebpf-ts-";
const NAME = /^ebpf-ts-(\d+)-(\d+)-\d+/;

let beds = 0;

/** A name that no other bed on this machine has. */
export function nextRunId(): string {
  beds += 1;
  return `${PREFIX}${process.pid}-${startOf(process.pid)}-${beds}`;
}

/** The run id that a name starts with, or null when the name is not ours. */
export function runIdOf(name: string): string | null {
  return NAME.exec(name)?.[0] ?? null;
}

/** Is the process that made this run id gone? */
export function isLeftover(runId: string): boolean {
  const [, pid, start] = NAME.exec(runId) ?? [];
  return pid !== undefined && startOf(Number(pid)) !== start;
}

/** Start time in clock ticks since boot (proc_pid_stat(5), field 22), or null for no such process. */
function startOf(pid: number): string | null {
  try {
    // The command name, field 2, may hold blanks and parentheses: count from behind its last ")".
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? null : (fields[18] ?? null);
  } catch {
    return null;
  }
}
