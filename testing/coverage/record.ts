/**
 * Collecting coverage while tests run.
 *
 * A `Coverage` collects what programs that are loaded with it do: `loadProgram(path, { coverage })`. Besides, one for the whole
 * process collects everything when the environment variable EBPF_TS_COVERAGE names a folder; it is written there when
 * the process ends (and by vitest's provider, vitest.ts, after each test file) as `PID-N.json`, and all that is in the
 * folder as `lcov.info`.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { Counters } from "../../lib/vm/index.ts";
import type { Observer, ProgramCounts } from "../../lib/vm/index.ts";
import { coverObject, mergeCoverage, summarise } from "./coverage.ts";
import type { BranchCoverage, CoverageSummary, FileCoverage, FunctionCoverage } from "./coverage.ts";
import { formatLcov } from "./lcov.ts";

export class Coverage {
  /** By object: a test file loads the same one for each test. Programs by name, so that no machine is kept. */
  private readonly parts = new Map<ObjectSpec, { readonly root: string; readonly counters: Counters<string> }>();

  /** What counts the instructions of an object's programs, whose source files are in `root`. */
  watch(object: ObjectSpec, root: string): Observer {
    const known = this.parts.get(object);
    if (known !== undefined) return known.counters;
    const counters = new Counters(({ name }) => name);
    this.parts.set(object, { root, counters });
    return counters;
  }

  /** By source file, paths absolute; files that are not on disk (the library's, another machine's) are left out. */
  report(): FileCoverage[] {
    return [...this.parts].reduce<FileCoverage[]>((all, [object, { root, counters }]) => {
      const countsOf = (name: string): ProgramCounts | null => counters.programs.get(name) ?? null;
      return mergeCoverage(
        all,
        coverObject(object, countsOf, (file) => readSource(root, file)),
      );
    }, []);
  }

  summary(): CoverageSummary {
    return summarise(this.report());
  }

  lcov(): string {
    return formatLcov(this.report());
  }

  /** Forgets everything; what is loaded already is counted no further. */
  reset(): void {
    this.parts.clear();
  }
}

function readSource(root: string, file: string): { path: string; text: string } | null {
  const path = resolve(root, file);
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch {
    return null;
  }
}

// ---- the process's own

const VARIABLE = "EBPF_TS_COVERAGE";
// Test runners load a module several times; the process has one all the same.
const KEY = Symbol.for("ebpf-ts.coverage");
interface Holder {
  [KEY]?: { readonly coverage: Coverage; written: number };
}

/** What collects everything in this process; null when nothing is to be collected. */
export function processCoverage(): Coverage | null {
  if (process.env[VARIABLE] === undefined) return null;
  const holder = globalThis as Holder;
  if (holder[KEY] === undefined) {
    holder[KEY] = { coverage: new Coverage(), written: 0 };
    process.on("exit", writeProcessCoverage);
  }
  return holder[KEY].coverage;
}

/** Writes what was collected since the last call, and what the folder has together. */
export function writeProcessCoverage(): void {
  const folder = process.env[VARIABLE];
  const state = (globalThis as Holder)[KEY];
  const files = state?.coverage.report() ?? [];
  if (folder === undefined || state === undefined || files.length === 0) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${process.pid}-${state.written++}.json`), JSON.stringify(files.map(toPlain)));
  state.coverage.reset();
  writeFileSync(join(folder, "lcov.info"), formatLcov(readCoverage(folder)));
}

/** The sum of what processes have written into a folder. */
export function readCoverage(folder: string): FileCoverage[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return names.reduce<FileCoverage[]>((all, name) => {
    const files = JSON.parse(readFileSync(join(folder, name), "utf8")) as PlainFile[];
    return mergeCoverage(all, files.map(fromPlain));
  }, []);
}

/** A map is no JSON. */
interface PlainFile {
  readonly path: string;
  readonly lines: readonly (readonly [number, number])[];
  readonly branches: readonly BranchCoverage[];
  readonly functions: readonly FunctionCoverage[];
}

function toPlain(file: FileCoverage): PlainFile {
  return { ...file, lines: [...file.lines] };
}

function fromPlain(file: PlainFile): FileCoverage {
  return { ...file, lines: new Map(file.lines) };
}
