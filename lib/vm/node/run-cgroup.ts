/**
 * Running the programs of a cgroup on one event: all of them, in order, with one return value of the call between them
 * (bpf_get_retval, bpf_set_retval). A program that does not allow (bit 0 of what it returns) sets it to -EPERM unless it
 * is an error already. Source: kernel/bpf/cgroup.c (bpf_prog_run_array_cg).
 */
import { ERRNO } from "../errno.ts";
import type { RunInput, RunResult } from "../machine.ts";
import type { AttachType } from "../../kernel/index.ts";
import type { Sock } from "./sock.ts";

const ALLOW = 1;

/**
 * `retval`: what the call would give. `input` makes the event anew for each program (with what
 * the call would give by then), after `after` has taken over what the
 * one before changed. Gives the return value at the end: anything but 0 ends the call with it.
 */
export function runCgroup(
  sock: Sock,
  hook: AttachType,
  retval: number,
  input: (retval: number) => RunInput,
  after: (result: RunResult) => void,
): number {
  let value = retval;
  for (const program of sock.cgroup.effective(hook)) {
    const result = program.run(hook, sock.namespace, { ...input(value), retval: value });
    after(result);
    value = result.retval;
    if (((result.returnValue ?? 0) & ALLOW) === 0 && !isError(value)) value = -ERRNO.EPERM;
  }
  return value;
}

/** IS_ERR_VALUE: MAX_ERRNO is 4095. */
function isError(value: number): boolean {
  return value < 0 && value >= -4095;
}
