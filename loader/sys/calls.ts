/**
 * The system calls as functions: names and values in, a result or a thrown error out. Each sees to it that the sizes it
 * tells the kernel are the sizes of the buffers it hands over, for the kernel writes as many bytes as it was told.
 */
import { closeSync } from "node:fs";
import { check } from "../errors.ts";
import { buildAttr } from "./attr.ts";
import type { Attr, CommandName, FieldValues } from "./attr.ts";
import { failedWith } from "./errno.ts";
import { shim } from "./shim.ts";

/** Runs a prepared attribute; outputs appear in `attr.bytes`. Returns the result or the negated errno. */
export function runAttr(attr: Attr): number {
  return shim().bpf(attr.cmd, attr.bytes, ...attr.pointers);
}

/** One command from named values. Returns the result or the negated errno. */
export function bpf<C extends CommandName>(command: C, values: FieldValues<C>): number {
  return runAttr(buildAttr(command, values));
}

/** As `bpf`; a failure throws a KernelError that says what was tried. */
export function mustBpf<C extends CommandName>(what: string, command: C, values: FieldValues<C>): number {
  return check(bpf(command, values), what);
}

/** The kernel gives up a load with EAGAIN when a signal is pending (bpf_check's callers retry, as libbpf does). */
const LOAD_ATTEMPTS = 5;

/** Runs an attribute again while the kernel asks for it. */
export function runPatiently(attr: Attr): number {
  let result = runAttr(attr);
  for (let i = 1; i < LOAD_ATTEMPTS && failedWith(result, "EAGAIN", "EINTR"); i++) result = runAttr(attr);
  return result;
}

/** Closes a descriptor that the loader owns. */
export function closeFd(fd: number): void {
  closeSync(fd);
}

/** The first `length` bytes of the info structure of a map, program, link or BTF. Shorter kernels leave zeros. */
export function getInfo(fd: number, length: number): DataView {
  const info = new Uint8Array(length);
  mustBpf("read an object's properties", "obj_get_info_by_fd", { bpf_fd: fd, info_len: length, info });
  return new DataView(info.buffer);
}

/** Index of an interface in the network namespace of this thread. */
export function interfaceIndex(name: string): number {
  return check(shim().ifNameToIndex(name), `find interface ${JSON.stringify(name)}`);
}
