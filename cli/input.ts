/** Reads what the user names: a TypeScript program, which is compiled, or an ELF object. Both become an ObjectSpec. */
import { readFileSync } from "node:fs";
import type { CompileOptions, CompileResult } from "../codegen/index.ts";
import { DiagnosticError } from "../lib/diag/index.ts";
import type { Diagnostic } from "../lib/diag/index.ts";
import { inspectElf } from "../lib/elf/index.ts";
import type { ObjectSpec, ProgramSpec } from "../lib/object/index.ts";
import { inputError } from "./diagnostics.ts";

export interface Input {
  readonly object: ObjectSpec;
  /** Steps of the compiler; empty for an object file. */
  readonly timings: CompileResult["timings"];
  /** Warnings. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Throws `DiagnosticError`: compile errors, what is wrong with the object, or I001 for a file that cannot be read. */
export async function readInput(file: string, options: CompileOptions = {}): Promise<Input> {
  if (!file.endsWith(".ts")) {
    const { object, warnings } = inspectElf(readBytes(file), file);
    return { object, timings: [], diagnostics: warnings };
  }
  readBytes(file);
  // Loaded when it is needed: AssemblyScript takes most of a second to start.
  const { compileFile } = await import("../codegen/index.ts");
  const { object, diagnostics, timings } = await compileFile(file, options);
  if (object === null) throw new DiagnosticError(diagnostics);
  return { object, timings, diagnostics };
}

/** A whole file. Throws `DiagnosticError` I001. */
export function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw inputError("I001", `${file} cannot be read`, {
      found: error instanceof Error ? error.message : String(error),
    });
  }
}

/** The program of that name. Throws `DiagnosticError` I002 that lists those there are. */
export function selectProgram(object: ObjectSpec, name: string): ProgramSpec {
  const found = object.programs.find((p) => p.name === name);
  if (found !== undefined) return found;
  const expected = object.programs.map((p) => p.name).join(", ") || "an object with programs";
  throw inputError("I002", `there is no program called ${name}`, { expected });
}
