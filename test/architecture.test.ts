/** Fails when a file imports what the tables of `architecture/rules.ts` do not allow, or the tsconfigs say otherwise. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { findBreaches, resolveTarget } from "./architecture/check.ts";
import { PROJECTS } from "./architecture/rules.ts";
import { scanImports } from "./architecture/scan.ts";
import type { Import } from "./architecture/scan.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** lib/std and programs are AssemblyScript: they import each other by the compiler's rules, not by ours. */
const SOURCES = ["lib", "codegen", "loader", "cli", "mesh", "index.ts"];
const SKIPPED = new Set(["lib/std", "node_modules"]);

function listSources(path: string): string[] {
  if (SKIPPED.has(path) || !existsSync(join(ROOT, path))) return [];
  if (path.endsWith(".ts")) return path.endsWith(".d.ts") ? [] : [path];
  return readdirSync(join(ROOT, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.name.endsWith(".ts"))
    .flatMap((entry) => listSources(`${path}/${entry.name}`));
}

function readImports(file: string): Import[] {
  return scanImports(file, readFileSync(join(ROOT, file), "utf8"));
}

interface Tsconfig {
  readonly references?: readonly { readonly path: string }[];
}

function readReferences(tsconfig: string): string[] {
  const text = readFileSync(join(ROOT, tsconfig), "utf8");
  const { references = [] } = JSON.parse(text) as Tsconfig;
  return references.map((r) => relative(ROOT, resolve(ROOT, tsconfig, "..", r.path)).replace(/\/tsconfig\.json$/, ""));
}

describe("the tree keeps the tables", () => {
  const files = SOURCES.flatMap(listSources);

  test("no import breaks a rule", () => {
    const imports = files.flatMap(readImports);
    expect(imports.length).toBeGreaterThan(10);
    expect(findBreaches(imports)).toEqual([]);
  });

  test("only loader/sys opens native code", () => {
    const opens = /\.node["'`]|\bdlopen\s*\(/;
    const found = files.filter((f) => !f.startsWith("loader/sys/") && opens.test(readFileSync(join(ROOT, f), "utf8")));
    expect(found).toEqual([]);
  });

  test.each(PROJECTS.map((p) => [p.folder, p] as const))(
    "%s: references of its tsconfig equal the table",
    (folder, project) => {
      const tsconfig = folder.endsWith(".ts") ? `tsconfig.${folder.slice(0, -3)}.json` : `${folder}/tsconfig.json`;
      expect(readReferences(tsconfig).toSorted()).toEqual(project.may.map(configOf).toSorted());
    },
  );

  test("the root tsconfig builds every project of the table", () => {
    expect(readReferences("tsconfig.json").toSorted()).toEqual(PROJECTS.map((p) => configOf(p.folder)).toSorted());
  });

  test("the table has no cycle", () => {
    const seen = new Set<string>();
    for (const project of PROJECTS) {
      expect(
        project.may.filter((f) => !seen.has(f)),
        `${project.folder} comes before what it imports`,
      ).toEqual([]);
      seen.add(project.folder);
    }
  });
});

/** A project of one file has its tsconfig beside it, `index.ts` in `tsconfig.index.json`. */
function configOf(folder: string): string {
  return folder.endsWith(".ts") ? `tsconfig.${folder.slice(0, -3)}.json` : folder;
}

// prettier-ignore
const BREACHES: readonly [file: string, source: string, says: string | null][] = [
  ["lib/vm/machine.ts",           'import { decode } from "../asm/index.ts";',                  null],
  ["lib/vm/machine.ts",           'import { x } from "./memory.ts";',                           null],
  ["lib/vm/machine.ts",           'import { readFile } from "node:fs";',                        "lib/vm uses no node: modules"],
  ["lib/vm/machine.ts",           'import { x } from "../verifier/index.ts";',                  "verifier and vm do not import each other"],
  ["lib/vm/machine.ts",           'import type { X } from "../../codegen/index.ts";',           "lib imports neither codegen"],
  ["lib/vm/jit/emit.ts",          'const b = await import("binaryen");',                        null],
  ["lib/vm/jit/emit.ts",          'import b from "binaryen";',                                  "only codegen/frontend sees"],
  ["lib/isa/insn.ts",             'import { Reader } from "../bytes/index.ts";',                "lib/isa may not import lib/bytes"],
  ["lib/elf/read.ts",             'import { x } from "../vm/index.ts";',                        "lib/elf may not import lib/vm"],
  ["codegen/lower/lower.ts",      'import { x } from "../../lib/vm/index.ts";',                 "codegen imports neither verifier nor vm"],
  ["codegen/passes/inline.ts",    'import { fold } from "./fold.ts";',                          "passes do not import each other"],
  ["codegen/passes/inline.ts",    'import type { Pass } from "./index.ts";',                    null],
  ["codegen/passes/index.ts",     'import { fold } from "./fold.ts";',                          null],
  ["codegen/regalloc/check.ts",   'import { allocate } from "./linear-scan.ts";',               "checker does not import the allocator"],
  ["codegen/frontend/asc.ts",     'import asc from "assemblyscript/asc";',                      null],
  ["codegen/emit/btf.ts",         'import { Node } from "assemblyscript";',                     "only codegen/frontend sees"],
  ["loader/program.ts",           'import { compile } from "../codegen/index.ts";',             "loader imports neither codegen nor vm"],
  ["loader/program.ts",           'import { bpf } from "./sys/index.ts";',                      null],
  ["cli/load.ts",                 'import { bpf } from "../loader/sys/index.ts";',              "only loader imports loader/sys"],
  ["cli/load.ts",                 'import shim from "../build/Release/shim.node";',             "only loader/sys sees the native shim"],
  ["cli/load.ts",                 'import { x } from "left-pad";',                              "cli may not import the package left-pad"],
  ["mesh/agent.ts",               'import { x } from "../loader/index.ts";',                    "mesh imports only the package's exports"],
  ["elsewhere/x.ts",              'import { x } from "../lib/isa/index.ts";',                   "belongs to no row"],
];

describe("a seeded breach is found", () => {
  test.each(BREACHES)("%s: %s", (file, source, says) => {
    const breaches = findBreaches(scanImports(file, source));
    if (says === null) expect(breaches).toEqual([]);
    else expect(breaches.join("\n")).toContain(says);
  });
});

// prettier-ignore
const SCANS: readonly [name: string, source: string, specifiers: string[]][] = [
  ["default and named",       'import a, { b } from "./x.ts";\nimport * as c from \'y\';',          ["./x.ts", "y"]],
  ["several lines",           'import {\n  a,\n  b,\n} from "./x.ts";',                             ["./x.ts"]],
  ["side effect",             'import "./x.ts";',                                                   ["./x.ts"]],
  ["re-export",               'export { a } from "./x.ts";\nexport type * from "./y.ts";',          ["./x.ts", "./y.ts"]],
  ["dynamic",                 'const a = cond ? await import("./x.ts") : null;',                    ["./x.ts"]],
  ["type position",           'let a: import("./x.ts").A;',                                         ["./x.ts"]],
  ["not: plain export",       'export const from = "./x.ts";\nexport function f(a = "./y.ts") {}',  []],
  ["not: line comment",       '// import a from "./x.ts";\nlet a;',                                 []],
  ["not: block comment",      '/*\nimport a from "./x.ts";\n*/',                                    []],
  ["not: template text",      'const program = `\nimport a from "./x.ts";\n`;',                     []],
  ["after a comment in text", 'const glob = "**/*.ts";\nimport a from "./x.ts"; /* */',             ["./x.ts"]],
  ["after a regexp",          'const r = /["`]/g;\nimport a from "./x.ts";\nconst s = `"`;',        ["./x.ts"]],
];

describe("scanner", () => {
  test.each(SCANS)("%s", (_name, source, specifiers) => {
    expect(scanImports("a.ts", source).map((i) => i.specifier)).toEqual(specifiers);
  });

  test("line, type-only and dynamic are told", () => {
    expect(scanImports("a.ts", 'let x;\nimport type { A } from "./a.ts";\nawait import("./b.ts");')).toEqual([
      { file: "a.ts", line: 2, specifier: "./a.ts", typeOnly: true, dynamic: false },
      { file: "a.ts", line: 3, specifier: "./b.ts", typeOnly: false, dynamic: true },
    ]);
    expect(scanImports("a.ts", 'import type from "./a.ts";')[0]?.typeOnly).toBe(false);
  });

  test("targets are paths from the root, or package names", () => {
    expect(resolveTarget("lib/vm/maps/hash.ts", "../../isa/index.ts")).toBe("lib/isa/index");
    expect(resolveTarget("codegen/a.ts", "assemblyscript/asc")).toBe("assemblyscript");
    expect(resolveTarget("codegen/a.ts", "@jridgewell/trace-mapping/x")).toBe("@jridgewell/trace-mapping");
    expect(resolveTarget("codegen/a.ts", "node:fs/promises")).toBe("node:fs/promises");
  });
});
