/** Functions of the running kernel by name: their type ids in the kernel's own BTF, which a call of one needs. */
import { readFileSync } from "node:fs";
import { findFunctions } from "../lib/btf/index.ts";
import type { LinkedProgram } from "../lib/object/index.ts";
import { loaderError } from "./errors.ts";

const KERNEL_BTF = "/sys/kernel/btf/vmlinux";

/** What was looked up so far: the kernel's type information does not change while it runs. */
const known = new Map<string, number>();

/** The ids of all that the programs call. Throws L004 for a name that the kernel does not have. */
export function resolveKernelFunctions(programs: readonly LinkedProgram[]): (kfunc: string) => number {
  const wanted = new Set(programs.flatMap((program) => program.kernelCalls.map(({ kfunc }) => kfunc)));
  const unknown = new Set([...wanted].filter((name) => !known.has(name)));
  if (unknown.size > 0) for (const [name, id] of findFunctions(readKernelBtf(), unknown)) known.set(name, id);
  for (const name of unknown) if (!known.has(name)) missing(name);
  return (name) => known.get(name) ?? missing(name);
}

function readKernelBtf(): Uint8Array {
  try {
    return new Uint8Array(readFileSync(KERNEL_BTF));
  } catch (cause) {
    throw loaderError("L004", `the kernel's type information cannot be read: ${String(cause)}`, {
      remedy: "calls of kernel functions need a kernel built with CONFIG_DEBUG_INFO_BTF",
    });
  }
}

function missing(name: string): never {
  throw loaderError("L004", `the running kernel has no function ${name}`, {
    remedy: "kernel functions come and go with versions; those of modules are not looked for",
  });
}
