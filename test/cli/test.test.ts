/** `test`: which runner it takes, what it passes on, and the exit code. The runners are stand-ins that write down how they were called. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { documents, makeFolder, run } from "./command.ts";

const folder = makeFolder();
afterAll(() => folder.remove());
/** A new one for each test: node remembers what it once resolved. */
let root = "";
let projects = 0;

function write(path: string, text: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
const called = (): unknown => JSON.parse(readFileSync(join(root, "called.json"), "utf8"));

/** A vitest that ends with this code. */
function installVitest(code: number): void {
  write("node_modules/vitest/package.json", JSON.stringify({ name: "vitest", bin: { vitest: "./vitest.mjs" } }));
  write(
    "node_modules/vitest/vitest.mjs",
    `import { writeFileSync } from "node:fs";
     writeFileSync("called.json", JSON.stringify(process.argv.slice(2)));
     process.exit(${code});`,
  );
}

beforeEach(() => {
  root = folder.path(`project${projects++}`);
  write("package.json", '{"type":"module"}');
});

describe("with vitest", () => {
  // prettier-ignore
  test.each<[readonly string[], readonly string[]]>([
    [[],                       ["run"]],
    [["filter"],               ["run", "filter"]],
    [["--coverage"],           ["run", "--coverage.enabled", "--coverage.provider=custom", "--coverage.customProviderModule=ebpf-ts/testing/coverage"]],
  ])("%j", async (argv, passed) => {
    installVitest(0);
    write("test/filter.test.ts", "");
    expect(await run("test", ...argv, "--root", root)).toEqual({ code: EXIT.ok, stdout: "", stderr: "" });
    expect(called()).toEqual(passed);
  });

  test("a failed test is exit code 1", async () => {
    installVitest(7);
    write("filter.test.ts", "");
    const ran = await run("test", "--root", root, "--json");
    expect(ran.code).toBe(EXIT.input);
    expect(documents(ran)).toEqual([{ ok: false, runner: "vitest", files: ["filter.test.ts"], exitCode: 1 }]);
  });
});

describe("without vitest", () => {
  // A folder of its own below the system's temporary folder: nothing is installed above it.
  const built = (code: string): string =>
    `import { writeFileSync } from "node:fs"; writeFileSync("called.json", "1"); ${code}`;

  test("built tests are run by node", async () => {
    write("dist/filter.test.js", built(""));
    write("dist/other.test.js", built("throw new Error('not this one');"));
    const ran = await run("test", "filter", "--root", root, "--json");
    expect(ran).toMatchObject({ code: EXIT.ok, stderr: expect.stringContaining("no vitest") as string });
    expect(documents(ran)).toEqual([{ ok: true, runner: "node", files: ["dist/filter.test.js"], exitCode: 0 }]);
    expect(called()).toBe(1);
  });

  test("one that fails is exit code 1", async () => {
    write("filter.test.mjs", built("throw new Error('no');"));
    expect(await run("test", "--root", root, "--json")).toMatchObject({ code: EXIT.input });
  });

  test("sources alone cannot be run", async () => {
    write("filter.test.ts", "");
    const ran = await run("test", "--root", root);
    expect(ran).toMatchObject({ code: EXIT.environment, stderr: expect.stringContaining("error M007") as string });
  });
});

test("no tests", async () => {
  installVitest(0);
  write("node_modules/other/x.test.ts", "");
  write("test/filter.test.ts", "");
  const none = await run("test", "nothing", "--root", root);
  expect(none).toMatchObject({ code: EXIT.input, stderr: expect.stringContaining("none for nothing") as string });
  rmSync(join(root, "test"), { recursive: true });
  expect(await run("test", "--root", root)).toMatchObject({ code: EXIT.input });
});
