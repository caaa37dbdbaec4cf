/** The command line from outside: help, usage errors, files that are not there; needs no privilege. */
import { writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { makeFolder, run } from "./command.ts";

const folder = makeFolder();
afterAll(() => folder.remove());
const garbage = folder.path("garbage.o");
writeFileSync(garbage, "this is no object");

describe("help", () => {
  test("names every command and the exit codes", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(EXIT.ok);
    for (const word of ["build", "dis", "run", "load", "demo", "Exit codes:"]) expect(stdout).toContain(word);
  });
  test.each(["build", "dis", "run", "load", "demo"])("%s --help has a text and offers --json", async (command) => {
    const { code, stdout } = await run(command, "--help");
    expect(code).toBe(EXIT.ok);
    expect(stdout).toContain(`Usage: ebpf-ts ${command}`);
    expect(stdout).toContain("--json");
  });
  test("--version", async () =>
    expect(await run("--version")).toMatchObject({
      code: EXIT.ok,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    }));
});

describe("usage errors", () => {
  // prettier-ignore
  const WRONG: readonly [argv: string[], says: string][] = [
    [[],                                                     "Usage:"],
    [["frobnicate"],                                         "unknown command 'frobnicate'"],
    [["build"],                                              "missing required argument 'file.ts'"],
    [["build", "x.ts", "--cpu", "v9"],                       "one of v1, v2, v3, v4"],
    [["dis", "x.o", "--bogus"],                              "unknown option '--bogus'"],
    [["load", "x.o", "--mode", "warp"],                      "Allowed choices are auto, native, generic"],
    [["load", "x.o", "--duration", "soon"],                  "positive number"],
    [["run", "x.o"],                                         "missing required argument 'program'"],
    [["run", "x.o", "p", "--packet", "00", "--pcap", "y"],   "do not go together"],
    [["build", "x.o"],                                       "takes a TypeScript program"],
  ];
  test.each(WRONG)("%j", async (argv, says) => {
    const { code, stderr } = await run(...argv);
    expect(code).toBe(EXIT.usage);
    expect(stderr).toContain(says);
  });
});

describe("bad input", () => {
  const absent = folder.path("absent.ts");
  // prettier-ignore
  const INPUTS: readonly [name: string, argv: string[], diagnostic: string][] = [
    ["no such program",    ["build", absent],                                           "I001"],
    ["no such object",     ["dis", folder.path("absent.o")],                           "I001"],
    ["not an object",      ["dis", garbage],                                            "E00"],
    ["not an object",      ["load", garbage, "--dev", "lo"],                            "E00"],
    ["not an object",      ["run", garbage, "x", "--packet", "00"],                     "E00"],
  ];
  test.each(INPUTS)("%s: %j", async (_name, argv, diagnostic) => {
    const text = await run(...argv);
    expect(text.code).toBe(EXIT.input);
    expect(text.stderr).toContain(diagnostic);
    expect(text.stderr).not.toMatch(/^\s+at /m);
    const json = await run(...argv, "--json");
    expect(json.code).toBe(EXIT.input);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, diagnostics: [{ severity: "error" }] });
  });
});
