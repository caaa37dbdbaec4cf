/**
 * What the running kernel is, as objects need to know it: its types, its configuration, the addresses of its symbols. None of it
 * changes while the kernel runs, so each is read once, and only when an object asks for it.
 */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";
import type { Resolve } from "../lib/asm/index.ts";
import { coreTarget, decodeBtf, findExtern, findFunctions } from "../lib/btf/index.ts";
import type { Btf } from "../lib/btf/index.ts";
import { adaptObject, kernelVersion, needsOf, parseKernelConfig } from "../lib/object/index.ts";
import type { KernelConfig, KernelReference, LinkedProgram, ObjectSpec } from "../lib/object/index.ts";
import { loaderError } from "./errors.ts";

const KERNEL_BTF = "/sys/kernel/btf/vmlinux";
const SYMBOLS = "/proc/kallsyms";

let types: Btf | undefined;
let config: KernelConfig | undefined;
let symbols: ReadonlyMap<string, bigint> | undefined;

function readKernelBtf(): Uint8Array {
  try {
    return new Uint8Array(readFileSync(KERNEL_BTF));
  } catch (cause) {
    throw loaderError("L004", `the kernel's type information cannot be read: ${String(cause)}`, {
      remedy:
        "CO-RE relocations and what programs use of the kernel by name need a kernel built with CONFIG_DEBUG_INFO_BTF",
    });
  }
}

/** All types of the kernel proper, which takes half a second. Throws L004 where they cannot be read. */
function kernelTypes(): Btf {
  return (types ??= decodeBtf(readKernelBtf(), KERNEL_BTF));
}

/** The configuration from /proc or /boot; its options are null where there is neither. */
export function runningConfig(): KernelConfig {
  return (config ??= { version: kernelVersion(release()), options: readOptions() });
}

function readOptions(): ReadonlyMap<string, string> | null {
  const file = ["/proc/config.gz", `/boot/config-${release()}`].find((path) => existsSync(path));
  return file === undefined ? null : parseKernelConfig(readConfigFile(file));
}

/** The text of a kernel's configuration, packed (`.gz`) or not. Throws as readFileSync does. */
export function readConfigFile(path: string): string {
  const bytes = readFileSync(path);
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString("utf8");
}

/** Addresses by name; none of them for a user who may not see them (kernel.kptr_restrict), then they are 0. */
export function runningSymbols(): ReadonlyMap<string, bigint> {
  return (symbols ??= readSymbols());
}

function readSymbols(): Map<string, bigint> {
  const lines = readFileSync(SYMBOLS, "utf8").matchAll(/^([0-9a-f]+) \w ([^\s]+)$/gm);
  return new Map(Array.from(lines, ([, address = "0", name = ""]) => [name, BigInt(`0x${address}`)]));
}

/** The object for the running kernel. Throws as `adaptObject`, and L004 where the kernel's types cannot be read. */
export function adaptToRunning(object: ObjectSpec): ObjectSpec {
  const needs = needsOf(object);
  return adaptObject(object, {
    ...(needs.types ? { types: kernelTypes() } : {}),
    ...(needs.config ? { config: runningConfig() } : {}),
  });
}

const known = new Map<string, number>();

/**
 * What the programs use of the kernel by name. Throws L004 for what they cannot do without. Functions that have to be there are
 * looked up by name alone, which is fast: the kernel itself judges how they are called.
 */
export function resolveKernel(object: ObjectSpec, programs: readonly LinkedProgram[]): Resolve {
  const addresses = programs.flatMap((program) => program.kernelAddresses);
  const calls = programs.flatMap((program) => program.kernelCalls);
  if (addresses.length === 0 && calls.every(({ weak }) => !weak)) return resolveFunctions(calls);
  return (reference) => {
    const { name, type, weak } = reference;
    if (type === 0) {
      const address = runningSymbols().get(name);
      if (address !== undefined) return { kind: "address", address };
    } else {
      const answer = findExtern(object.btf, type, coreTarget(kernelTypes()));
      if (answer.kind === "found" || (answer.kind === "other" && !weak)) return { kind: "type", id: answer.id };
    }
    return weak ? { kind: "missing" } : missing(name, addresses.includes(reference) ? "symbol" : "function");
  };
}

function resolveFunctions(calls: readonly KernelReference[]): Resolve {
  const unknown = new Set(calls.map(({ name }) => name).filter((name) => !known.has(name)));
  if (unknown.size > 0) for (const [name, id] of findFunctions(readKernelBtf(), unknown)) known.set(name, id);
  for (const name of unknown) if (!known.has(name)) missing(name);
  return ({ name }) => ({ kind: "type", id: known.get(name) ?? missing(name) });
}

function missing(name: string, what: "function" | "symbol" = "function"): never {
  throw loaderError("L004", `the running kernel has no ${what} ${name}`, {
    remedy: "kernel functions come and go with versions; those of modules are not looked for",
  });
}
