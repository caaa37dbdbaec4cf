/** The programs of `test/scenarios/programs`, each compiled once. */
import { compileFile } from "../../codegen/index.ts";
import { formatDiagnostic } from "../../lib/diag/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";

const objects = new Map<string, Promise<ObjectSpec>>();

/** The object of a file, named without `.ts`. Throws its diagnostics as text where it does not compile. */
export function compiledProgram(name: string): Promise<ObjectSpec> {
  const known = objects.get(name) ?? compile(name);
  objects.set(name, known);
  return known;
}

async function compile(name: string): Promise<ObjectSpec> {
  const path = new URL(`programs/${name}.ts`, import.meta.url).pathname;
  const { object, diagnostics } = await compileFile(path, { check: true });
  if (object === null) throw new Error(diagnostics.map(formatDiagnostic).join("\n"));
  return object;
}
