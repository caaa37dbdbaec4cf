/** README.md says what is true: its program compiles and does what it says, its commands exist, its links lead somewhere. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { formatHex, packet } from "../../lib/packet/index.ts";
import { makeFolder, ROOT, run } from "./command.ts";

const text = readFileSync(join(ROOT, "README.md"), "utf8");
const folder = makeFolder();
afterAll(() => folder.remove());

const blocks = (language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(([, code = ""]) => code);

describe("README.md", () => {
  test("its program compiles, and drops what its map says", async () => {
    const program = blocks("ts").find((code) => code.includes('from "ebpf-ts/std"')) ?? "";
    const file = folder.path("filter.ts");
    writeFileSync(file, program);
    const segmentTo = (port: number): string => formatHex(packet.tcp({ dst: `10.0.0.2:${port}` }));
    for (const [port, verdict] of [
      [23, "XDP_DROP"],
      [80, "XDP_PASS"],
    ] as const) {
      const ran = await run(
        "run",
        file,
        "filter",
        "--packet",
        segmentTo(port),
        "--maps",
        '{"blocked":[[23,{"value":0}]]}',
      );
      expect(ran.code, ran.stderr).toBe(EXIT.ok);
      expect(ran.stdout).toContain(verdict);
    }
  });

  test("its code type-checks against the built package", () => {
    const code = blocks("ts").find((block) => block.includes('from "ebpf-ts"')) ?? "";
    writeFileSync(folder.path("code.ts"), `${code}\nexport const used = [link];\n`);
    // prettier-ignore
    const compilerOptions = {
      module: "nodenext", target: "es2023", lib: ["es2023", "esnext.disposable"], strict: true, noEmit: true, types: [],
      skipLibCheck: true,
      paths: { "ebpf-ts": [join(ROOT, "dist/index.d.ts")], "ebpf-ts/testing": [join(ROOT, "dist/testing/index.d.ts")] },
    };
    writeFileSync(folder.path("package.json"), '{ "type": "module" }');
    writeFileSync(folder.path("tsconfig.json"), JSON.stringify({ compilerOptions, files: ["code.ts"] }));
    const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
    const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", folder.path("tsconfig.json")], {
      encoding: "utf8",
    });
    expect([stdout, status]).toEqual(["", 0]);
  });

  test("two set-up commands, both of scripts that there are", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    const setUp = blocks("sh")
      .flatMap((code) => code.split("\n"))
      .filter((line) => line.startsWith("npm ci"));
    expect(setUp).toEqual(["npm ci && npm run demo", "npm ci && npm test"]);
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["demo", "test", "check"]));
  });

  test.each(blocks("sh").flatMap((code) => code.match(/^npx ebpf-ts \w+/gm) ?? []))(
    "%s is a command",
    async (command) => {
      expect(await run(command.split(" ").at(-1) ?? "", "--help")).toMatchObject({ code: EXIT.ok });
    },
  );

  test("its entries are those of package.json", () => {
    const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      exports: Record<string, unknown>;
    };
    for (const [, entry = ""] of text.matchAll(/"ebpf-ts(\/\w+)?"/g))
      expect(Object.keys(exports)).toContain(`.${entry}`);
  });

  test("its links lead to files", () => {
    const targets = [...text.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path = ""]) => path);
    expect(targets.length).toBeGreaterThan(3);
    expect(targets.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  test("is short", () => expect(text.split("\n").length).toBeLessThanOrEqual(120));
});
