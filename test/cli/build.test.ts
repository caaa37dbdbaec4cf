/** `build` and `dis` on the examples and on programs that do not compile; needs no privilege. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { readElf } from "../../lib/elf/index.ts";
import { documents, example, makeFolder, ROOT, run } from "./command.ts";

const folder = makeFolder();
afterAll(() => folder.remove());

// prettier-ignore
const EXAMPLES: readonly [name: string, sections: Readonly<Record<string, string>>, maps: readonly string[]][] = [
  ["xdp-filter",       { filter: "xdp" },                                                     ["blockedPorts", "blockedPrefixes", "drops", "flows", "verdicts"]],
  ["tcx-policy",       { policy: "tcx/egress" },                                              ["denials", "identities", "rules", "verdicts"]],
  ["service-redirect", { redirect: "cgroup/connect4", peer: "cgroup/getpeername4" },          ["origins", "redirected", "services"]],
  ["socket-shortcut",  { remember: "sockops", shortcut: "sk_msg" },                           ["local", "messages", "sockets"]],
];

interface Built {
  readonly ok: boolean;
  readonly bytes: number;
  readonly programs: readonly { readonly name: string; readonly instructions: number }[];
  readonly timings: readonly { readonly step: string; readonly ms: number }[];
}
interface Disassembled {
  readonly programs: readonly {
    readonly name: string;
    readonly instructions: readonly { readonly line?: { readonly file: string } }[];
  }[];
}

describe.each(EXAMPLES)("%s", (name, sections, maps) => {
  test("build writes the object that it describes, dis shows it with its source lines", async () => {
    const file = folder.path(`${name}.o`);
    const built = await run("build", example(name), "-o", file, "--check", "--json");
    expect(built.code, built.stderr).toBe(EXIT.ok);
    const [document] = documents<Built>(built);
    const bytes = readFileSync(file);
    const object = readElf(bytes, file);
    expect(document?.bytes).toBe(bytes.length);
    expect(document?.timings.length).toBeGreaterThan(3);
    expect(Object.fromEntries(object.programs.map((p) => [p.name, p.section]))).toEqual(sections);
    expect(
      object.maps
        .filter((m) => m.initial === null)
        .map((m) => m.name)
        .toSorted(),
    ).toEqual(maps);

    const dis = await run("dis", file, "--json");
    expect(dis.code).toBe(EXIT.ok);
    const [listing] = documents<Disassembled>(dis);
    expect(listing?.programs.map((p) => p.name)).toEqual(object.programs.map((p) => p.name));
    for (const program of listing?.programs ?? []) {
      const counted = document?.programs.find((p) => p.name === program.name)?.instructions ?? 0;
      // 64-bit loads are one line and two slots.
      expect(program.instructions.length).toBeGreaterThan(counted / 2);
      expect(program.instructions.length).toBeLessThanOrEqual(counted);
      expect(program.instructions.some((i) => i.line?.file.endsWith(`${name}.ts`))).toBe(true);
    }
  });
});

describe("build", () => {
  test("writes beside the program by default, the same bytes each time; dis of either form is the same", async () => {
    const [first, second] = [folder.path("copy.o"), folder.path("again.o")];
    writeFileSync(folder.path("copy.ts"), readFileSync(example("service-redirect")));
    expect(await run("build", folder.path("copy.ts"))).toMatchObject({ code: EXIT.ok });
    expect(await run("build", folder.path("copy.ts"), "-o", second)).toMatchObject({ code: EXIT.ok });
    expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
    const [ofSource, ofObject] = [await run("dis", folder.path("copy.ts")), await run("dis", first)];
    expect(ofSource.stdout).toBe(ofObject.stdout);
    expect(ofObject.stdout).toContain("; if (!backend) return Verdict.Allow; @ copy.ts:25");
    const one = await run("dis", first, "--program", "peer");
    expect(one.stdout).toContain("peer (cgroup/getpeername4):");
    expect(one.stdout).not.toContain("redirect (cgroup/connect4):");
  });

  test("--cpu v1 does without 32-bit jumps", async () => {
    for (const [cpu, jumps] of [
      ["v1", false],
      ["v3", true],
    ] as const) {
      const file = folder.path(`${cpu}.o`);
      expect(await run("build", example("tcx-policy"), "--cpu", cpu, "-o", file)).toMatchObject({ code: EXIT.ok });
      expect(/if w\d/.test((await run("dis", file)).stdout), cpu).toBe(jumps);
    }
  });

  test("--dump prints the IR, and says when there is no such pass", async () => {
    const file = folder.path("dump.o");
    const all = await run("build", example("service-redirect"), "-o", file, "--dump", "all");
    expect(all.stderr).toMatch(/^; redirect after \w/);
    expect(all.stderr).toContain("function redirect(");
    const none = await run("build", example("service-redirect"), "-o", file, "--dump", "no-such-pass");
    expect(none).toMatchObject({
      code: EXIT.ok,
      stderr: expect.stringMatching(/^no pass no-such-pass changed anything; these did: \w/) as string,
    });
  });

  test("a file that cannot be written", async () => {
    const { code, stderr } = await run("build", example("service-redirect"), "-o", folder.path("absent/x.o"));
    expect(code).toBe(EXIT.input);
    expect(stderr).toContain("I005");
  });
});

describe("programs that do not compile", () => {
  const errors = join(ROOT, "test/files/errors");
  // One of each kind that people meet first; test/codegen/errors.test.ts has all.
  test.each(["float", "missing-null-check", "packet-out-of-bounds", "recursion"])(
    "%s: place, line, caret, remedy",
    async (name) => {
      const file = folder.path(`${name}.o`);
      const golden = readFileSync(join(errors, `${name}.txt`), "utf8");
      const text = await run("build", join(errors, `${name}.ts`), "-o", file);
      expect(text).toEqual({ code: EXIT.input, stdout: "", stderr: golden });
      expect(text.stderr).toMatch(/\n {4,}\^\n/);
      expect(readdirSync(folder.path("."))).not.toContain(`${name}.o`);
      const json = await run("build", join(errors, `${name}.ts`), "-o", file, "--json");
      expect(documents(json)).toMatchObject([
        { ok: false, diagnostics: [{ code: golden.match(/error (C\d+)/)?.[1], place: { kind: "source" } }] },
      ]);
    },
  );
});

describe("dis", () => {
  test("a program that is not there", async () => {
    const { code, stderr } = await run("dis", example("tcx-policy"), "--program", "nobody");
    expect(code).toBe(EXIT.input);
    expect(stderr).toContain("expected: policy");
  });
});
