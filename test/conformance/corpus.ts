/** The ISA conformance corpus beside the repository (../shared/corpus/conformance). */
import { existsSync, readFileSync } from "node:fs";
import type { ConformanceCase } from "../../lib/vm/conformance.ts";

export interface CorpusCase extends ConformanceCase {
  readonly mem: string;
  readonly expect: string;
  /** What Linux 6.18 did with it. */
  readonly kernel_6_18: "pass" | "load_error";
}

const FOLDER = new URL("../../../shared/corpus/conformance/", import.meta.url);

/** Where the corpus is; null where it is not. */
export const CORPUS: URL | null = existsSync(FOLDER) ? FOLDER : null;
if (CORPUS === null)
  process.stderr.write("skipped: the conformance corpus is not there (../shared/corpus/conformance)\n");

/** The records of a file; none where there is no corpus. */
export function readCorpus<T>(file: string): T[] {
  return CORPUS === null ? [] : JSON.parse(readFileSync(new URL(file, CORPUS), "utf8"));
}
