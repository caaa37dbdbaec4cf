/**
 * The kernel that an object is for, as far as a command knows it: its types, configuration and symbols. They are read once and only
 * when an object asks for them: the types take half a second.
 */
import { existsSync } from "node:fs";
import { release } from "node:os";
import type { Command } from "commander";
import { decodeBtf } from "../lib/btf/index.ts";
import type { Btf } from "../lib/btf/index.ts";
import { adaptObject, kernelVersion, needsOf, parseKernelConfig } from "../lib/object/index.ts";
import type { KernelConfig } from "../lib/object/index.ts";
import { readConfigFile, runningConfig, runningSymbols } from "../loader/index.ts";
import { environmentError, inputError } from "./diagnostics.ts";
import { readBytes, readInput } from "./input.ts";
import type { Input } from "./input.ts";

/** Where a Linux kernel shows its types. */
export const RUNNING_TYPES = "/sys/kernel/btf/vmlinux";

export interface KernelOptions {
  readonly btf?: string;
  readonly config?: string;
}

/** The options of `KernelOptions`. */
export function addKernelOptions(command: Command): Command {
  return command
    .option("--btf <file>", "the kernel's types, for objects that depend on them (default: the running kernel's)")
    .option(
      "--config <file>",
      "the kernel's configuration, for objects that ask for it (default: the running kernel's)",
    );
}

export class TargetKernel {
  private readonly btfFile: string | null;
  private readonly configFile: string | null;
  /** Nobody named another kernel. */
  private readonly isRunning: boolean;
  private types: Btf | null = null;

  constructor({ btf, config }: KernelOptions) {
    this.btfFile = btf ?? (existsSync(RUNNING_TYPES) ? RUNNING_TYPES : null);
    this.configFile = config ?? null;
    this.isRunning = btf === undefined && process.platform === "linux";
  }

  /** Null where there are none. Throws DiagnosticError for a file that is no BTF. */
  readTypes(): Btf | null {
    if (this.types === null && this.btfFile !== null) this.types = decodeBtf(readBytes(this.btfFile), this.btfFile);
    return this.types;
  }

  /** Of the release that is named. Its options are null where nobody knows them. Throws I001 for a file that cannot be read. */
  readConfig(name: string): KernelConfig {
    const version = kernelVersion(name);
    if (this.configFile === null) return { version, options: runningConfig().options };
    try {
      return { version, options: parseKernelConfig(readConfigFile(this.configFile)) };
    } catch (error) {
      throw inputError("I001", `${this.configFile} cannot be read`, { found: String(error) });
    }
  }

  /** Null where they are those of another kernel than the running one. */
  readSymbols(): ReadonlyMap<string, bigint> | null {
    return this.isRunning && existsSync("/proc/kallsyms") ? runningSymbols() : null;
  }
}

/**
 * What `readInput` gives, adapted to the kernel as a loader would do; `name` is its release (default the running kernel's).
 * Throws M008 where the object depends on types that nobody knows, O009 and O010 for what the kernel does not have.
 */
export async function readForKernel(file: string, kernel: TargetKernel, name = release()): Promise<Input> {
  const input = await readInput(file);
  const needs = needsOf(input.object);
  const types = needs.types ? kernel.readTypes() : null;
  if (needs.types && types === null) {
    throw environmentError("M008", `${file} depends on the kernel's types (CO-RE), which are not known`, {
      found: `no ${RUNNING_TYPES}`,
      remedy: "give the types of the kernel that it is for with --btf",
    });
  }
  const config = needs.config ? kernel.readConfig(name) : null;
  const diagnostics = input.diagnostics.filter(({ code }) => code !== "E010");
  return { ...input, object: adaptObject(input.object, { types, config }), diagnostics };
}
