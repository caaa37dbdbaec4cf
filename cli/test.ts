/** `ebpf-ts test`: the tests of a project, by the project's own vitest, or built ones by node's test runner. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import type { Command } from "commander";
import type { Attach } from "./cli.ts";
import { environmentError, inputError } from "./diagnostics.ts";
import { EXIT } from "./exit.ts";
import type { Output } from "./output.ts";

interface TestOptions {
  readonly root?: string;
  readonly coverage?: true;
  readonly json?: true;
}

const EXAMPLES = `
Tests are files called *.test.ts: they import from "ebpf-ts/testing" and from vitest. Where the project has no vitest, built
tests (*.test.js, *.test.mjs) are run by "node --test".

Examples:
  ebpf-ts test
  ebpf-ts test filter --coverage`;

export function addTest(program: Command, attach: Attach): void {
  const command = program
    .command("test")
    .description("run the tests of a project")
    .argument("[paths...]", "only test files whose path contains one of these")
    .option("--root <folder>", "the project (default: the nearest folder from here upwards with a package.json)")
    .option("--coverage", "tell which lines and branches were executed, of the kernel-side sources too")
    .option("--json", "print a JSON document {ok, runner, files, exitCode}; the runner's words go to standard error")
    .addHelpText("after", EXAMPLES);
  attach<TestOptions>(command, (paths, options, out) => test(paths, options, out));
}

/** How tests are run, and on which files. */
interface Runner {
  readonly name: "vitest" | "node";
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function test(paths: readonly string[], options: TestOptions, out: Output): Promise<number> {
  const root = options.root === undefined ? findRoot(process.cwd()) : resolve(options.root);
  const files = findTests(root).filter((file) => paths.length === 0 || paths.some((path) => file.includes(path)));
  const runner = chooseRunner(root, files, paths, options.coverage === true);
  if (runner.name === "node") out.note(`the project has no vitest: "node --test" runs its built tests`);
  const exitCode = await run(root, runner, out.json);
  out.emit({ ok: exitCode === EXIT.ok, runner: runner.name, files, exitCode });
  return exitCode;
}

function findRoot(from: string): string {
  for (let folder = from; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return folder;
    if (folder === dirname(folder)) return from;
  }
}

const SOURCE = /\.test\.[cm]?tsx?$/;
const BUILT = /\.test\.[cm]?js$/;

/** Test files below a folder, relative to it, sorted. */
function findTests(root: string): readonly string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== "node_modules" && !entry.name.startsWith(".")) visit(path);
      } else if (SOURCE.test(entry.name) || BUILT.test(entry.name)) found.push(relative(root, path));
    }
  };
  visit(root);
  return found.sort();
}

/** Throws I006 when there is nothing to run, M007 when there is nothing to run it with. */
function chooseRunner(root: string, files: readonly string[], paths: readonly string[], coverage: boolean): Runner {
  const expected = "files called *.test.ts";
  if (files.length === 0)
    throw inputError("I006", `no tests in ${root}`, {
      expected,
      ...(paths.length === 0 ? {} : { found: `none for ${paths.join(", ")}` }),
    });
  const vitest = findVitest(root);
  if (vitest !== null)
    return { name: "vitest", argv: [vitest, "run", ...paths, ...(coverage ? VITEST_COVERAGE : [])], env: {} };
  const built = files.filter((file) => BUILT.test(file));
  if (built.length === 0) throw environmentError("M007", `there is no vitest in ${root}, and its tests are not built`);
  return {
    name: "node",
    argv: ["--test", ...(coverage ? ["--experimental-test-coverage"] : []), ...built],
    env: coverage ? { EBPF_TS_COVERAGE: "coverage/ebpf" } : {},
  };
}

const VITEST_COVERAGE = [
  "--coverage.enabled",
  "--coverage.provider=custom",
  "--coverage.customProviderModule=ebpf-ts/testing/coverage",
];

/** The script of the vitest that the project would import; null when it has none. */
function findVitest(root: string): string | null {
  try {
    const manifest = createRequire(join(root, "package.json")).resolve("vitest/package.json");
    const { bin } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly bin: { readonly vitest: string } };
    return join(dirname(manifest), bin.vitest);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
}

/** Runs it to its end; its exit code as ours. With `quiet` its results go to standard error. */
function run(root: string, { argv, env }: Runner, quiet: boolean): Promise<number> {
  const child = spawn(process.execPath, argv, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["inherit", quiet ? 2 : "inherit", "inherit"],
  });
  return new Promise((done, fail) => {
    // Ctrl-C reaches the runner too: it ends first, and says what there was.
    const wait = (): void => undefined;
    process.on("SIGINT", wait);
    child.on("error", fail);
    child.on("close", (code, signal) => {
      process.off("SIGINT", wait);
      if (signal === "SIGINT" || code === EXIT.interrupted) done(EXIT.interrupted);
      else done(code === 0 ? EXIT.ok : EXIT.input);
    });
  });
}
