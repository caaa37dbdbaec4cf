/**
 * docs/testing.md, done as a newcomer does it: its files written into an empty folder, its commands run there. What it says
 * of their outcome is checked.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kernelRefusal } from "../../testing/index.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const text = readFileSync(join(ROOT, "docs/testing.md"), "utf8");

interface Block {
  readonly language: string;
  readonly code: string;
}
const blocks: readonly Block[] = [...text.matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, language = "", code = ""]) => ({
  language,
  code,
}));
const fileOf = ({ code }: Block): string | undefined => /^\/\/ ([\w./-]+)\n/.exec(code)?.[1];
const files = blocks.flatMap((block) => {
  const name = fileOf(block);
  return name === undefined ? [] : [{ name, code: block.code }];
});
const commands = blocks.filter(({ language }) => language === "sh").flatMap(({ code }) => code.trim().split("\n"));
const said = blocks.find(({ language }) => language === "")?.code.trim() ?? "";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ebpf-ts-tutorial-"));
  // What npm install would put there.
  for (const name of ["vitest", "@vitest/coverage-v8", "fast-check"]) link(join(ROOT, "node_modules", name), name);
  link(ROOT, "ebpf-ts");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const { name, code } of files) writeFileSync(join(folder, name), code);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function link(target: string, name: string): void {
  const path = join(folder, "node_modules", name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

/** Runs a command of the page; its output without colours. */
function run(command: string): { readonly status: number | null; readonly output: string } {
  const [line = "", ...settings] = command.split(/^((?:[A-Z_]+=\S+ )+)/).toReversed();
  const own = Object.fromEntries(
    (settings[0]?.trim().split(" ") ?? []).map((pair) => pair.split("=") as [string, string]),
  );
  const [program = "", ...args] = line.split(" ");
  // One process for all files: AssemblyScript is loaded and the program compiled once. A busy machine gets its time.
  const once = ["--no-isolate", "--no-file-parallelism", "--testTimeout=60000", "--hookTimeout=60000"];
  const node = program === "npx" ? [join(ROOT, "node_modules/vitest/vitest.mjs"), ...args.slice(1), ...once] : args;
  // Nothing of the vitest that runs this.
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VITEST|NODE_OPTIONS|TEST$|EBPF_TS_COVERAGE)/.test(name),
  );
  const env = { ...Object.fromEntries(inherited), NO_COLOR: "1", ...own };
  const { status, stdout, stderr } = spawnSync(process.execPath, node, { cwd: folder, env, encoding: "utf8" });
  return { status, output: stdout + stderr };
}

const commandWith = (part: string): string => commands.find((command) => command.includes(part)) ?? "no such command";

// Each starts a process that starts a compiler.
describe("docs/testing.md", { timeout: 120_000 }, () => {
  test("has the files and commands that are tested here", () => {
    expect(files.map(({ name }) => name)).toEqual([
      ...["filter.ts", "filter.test.ts", "wrong.test.ts", "random.test.ts", "vitest.config.ts", "edges.test.ts"],
      ...["everywhere.test.ts", "node-test.mjs"],
    ]);
    expect(commands.slice(2)).toEqual([
      "npx vitest run filter.test.ts",
      "npx vitest run random.test.ts",
      "npx vitest run --coverage filter.test.ts",
      "npx vitest run --coverage filter.test.ts edges.test.ts",
      "npx vitest run everywhere.test.ts",
      "EBPF_TS_COVERAGE=coverage/ebpf node --test node-test.mjs",
    ]);
  });

  test("its first test passes, and does not cover everything; the one that should fail says what is printed", () => {
    const { status, output } = run(
      `${commandWith("--coverage filter.test.ts")} wrong.test.ts --coverage.reportOnFailure`,
    );
    expect(status).toBe(1);
    expect(output).toContain("1 failed | 3 passed");
    expect(output).toContain(said);
    expect(output).toMatch(/filter\.ts +\| +\d+/);
    expect(output).not.toMatch(/filter\.ts +\| +[\d.]+ \| +100/);
  });

  test("all of them pass and do", () => {
    const { status, output } = run(`${commandWith("filter.test.ts edges.test.ts")} random.test.ts everywhere.test.ts`);
    expect(status, output).toBe(0);
    expect(output).toContain(kernelRefusal() === null ? "9 passed" : "8 passed | 1 skipped");
    expect(output).toMatch(/filter\.ts +\| +100 \| +100 \| +100 \| +100/);
    const lcov = readFileSync(join(folder, "coverage/lcov.info"), "utf8");
    expect(lcov).toContain("SF:filter.ts");
    expect(lcov).not.toMatch(/^BRDA:.*,(?:0|-)$/m);
  });

  test("node:test runs it, and its coverage is written", () => {
    const { status, output } = run(commandWith("node --test"));
    expect(status, output).toBe(0);
    expect(output).toMatch(/pass 1/);
    const lcov = readFileSync(join(folder, "coverage/ebpf/lcov.info"), "utf8");
    expect(lcov).toMatch(/^SF:.*filter\.ts$/m);
    expect(lcov).toMatch(/^FNDA:2,filter$/m);
  });
});
