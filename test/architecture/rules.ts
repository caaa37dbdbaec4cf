/**
 * What may import what, as data: docs/DESIGN §4 in two tables.
 *
 * `PROJECTS` is the coarse one: each row is a TypeScript project, and its `may` column equals the project's
 * `references`, so the compiler refuses what the table refuses. `NEVER` holds the finer rules that references cannot
 * say, each with its reason.
 */
import type { Import } from "./scan.ts";

export interface Project {
  /** Folder from the root; `index.ts` for the package's main entry, a project of one file. */
  readonly folder: string;
  /** Projects that it may import; equals `references` in its tsconfig. */
  readonly may: readonly string[];
  /** npm packages that it may import. */
  readonly packages: readonly string[];
  /** May it import `node:` modules? */
  readonly node: boolean;
}

const FORMATS = ["lib/isa", "lib/bytes", "lib/diag", "lib/kernel", "lib/object", "lib/btf"];

// prettier-ignore
export const PROJECTS: readonly Project[] = [
  // Foundations: no imports at all.
  { folder: "lib/isa",    may: [],                                                        packages: [], node: false },
  { folder: "lib/bytes",  may: [],                                                        packages: [], node: false },
  { folder: "lib/diag",   may: [],                                                        packages: [], node: false },
  { folder: "lib/graph",  may: [],                                                        packages: [], node: false },
  { folder: "lib/kernel", may: [],                                                        packages: [], node: false },
  // Formats.
  { folder: "lib/btf",    may: ["lib/bytes", "lib/diag"],                                 packages: [], node: false },
  { folder: "lib/object", may: ["lib/isa", "lib/btf", "lib/kernel", "lib/diag"],          packages: [], node: false },
  { folder: "lib/asm",    may: FORMATS,                                                   packages: [], node: false },
  { folder: "lib/elf",    may: [...FORMATS, "lib/asm"],                                   packages: [], node: false },
  { folder: "lib/packet", may: ["lib/bytes", "lib/diag"],                                 packages: [], node: false },
  // Engines.
  { folder: "lib/vm",     may: [...FORMATS, "lib/asm", "lib/graph"],                      packages: ["binaryen"], node: false },
  { folder: "lib/verifier", may: [...FORMATS, "lib/asm", "lib/graph"],                    packages: [], node: false },
  { folder: "codegen",    may: [...FORMATS, "lib/asm", "lib/graph"],                      packages: ["assemblyscript", "binaryen", "@jridgewell/trace-mapping"], node: true },
  // The verifier explains what kernels say about rejected programs.
  { folder: "loader",     may: [...FORMATS, "lib/asm", "lib/verifier"],                   packages: [], node: true },
  // Composition roots.
  { folder: "testing",    may: [...FORMATS, "lib/asm", "lib/elf", "lib/packet", "lib/vm", "codegen", "loader"], packages: ["fast-check", "vitest", "@vitest/coverage-v8"], node: true },
  // The mesh names them by the package's exports; `may` is the order of building.
  { folder: "mesh",       may: ["lib/diag", "lib/object", "lib/btf", "lib/asm", "lib/elf", "lib/packet", "lib/vm", "codegen", "loader", "testing"], packages: ["ebpf-ts", "yaml", "re2js", "prom-client"], node: true },
  { folder: "cli",        may: [...FORMATS, "lib/asm", "lib/elf", "lib/packet", "lib/vm", "lib/verifier", "codegen", "loader", "mesh"], packages: ["commander"], node: true },
  { folder: "index.ts",   may: ["lib/diag", "lib/object", "lib/asm", "lib/elf", "lib/vm", "codegen", "loader"], packages: [], node: false },
];

export interface Never {
  readonly rule: string;
  readonly why: string;
  /** True for an import that breaks the rule. `target`: path from the root without extension, or the package's name. */
  readonly breach: (source: Import, target: string) => boolean;
}

const inside = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);
const folderOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf("/"), 0));

export const NEVER: readonly Never[] = [
  {
    rule: "lib imports neither codegen, loader, testing, mesh nor cli",
    why: "lib is bytes in, bytes out: it runs in a browser",
    breach: (from, to) =>
      inside(from.file, "lib") && ["codegen", "loader", "testing", "mesh", "cli"].some((f) => inside(to, f)),
  },
  {
    rule: "verifier and vm do not import each other",
    why: "each is the other's oracle: a shared mistake would agree with itself",
    breach: (from, to) =>
      (inside(from.file, "lib/verifier") && inside(to, "lib/vm")) ||
      (inside(from.file, "lib/vm") && inside(to, "lib/verifier")),
  },
  {
    rule: "codegen imports neither verifier nor vm",
    why: "the compiler is judged by them",
    breach: (from, to) => inside(from.file, "codegen") && (inside(to, "lib/verifier") || inside(to, "lib/vm")),
  },
  {
    rule: "loader imports neither codegen nor vm",
    why: "loading somebody's object needs no compiler",
    breach: (from, to) => inside(from.file, "loader") && (inside(to, "codegen") || inside(to, "lib/vm")),
  },
  {
    rule: "passes do not import each other",
    why: "their order is data in codegen/passes/index.ts; a pass that calls another hides a step",
    breach: (from, to) =>
      folderOf(from.file) === "codegen/passes" &&
      from.file !== "codegen/passes/index.ts" &&
      inside(to, "codegen/passes") &&
      !from.typeOnly,
  },
  {
    rule: "the register allocation checker does not import the allocator",
    why: "it must not share the allocator's mistakes (types are fine)",
    breach: (from, to) => from.file === "codegen/regalloc/check.ts" && inside(to, "codegen/regalloc") && !from.typeOnly,
  },
  {
    rule: "only codegen/frontend sees assemblyscript and binaryen",
    why: "another WebAssembly producer must be able to take their place; the JIT may load binaryen when it is first used",
    breach: (from, to) =>
      (to === "assemblyscript" || to === "binaryen") &&
      !inside(from.file, "codegen/frontend") &&
      !(to === "binaryen" && inside(from.file, "lib/vm/jit") && from.dynamic),
  },
  {
    rule: "only testing/vitest.ts and testing/coverage/vitest.ts see vitest, only testing/arbitraries.ts fast-check",
    why: "tests run under node:test as well, without either installed",
    breach: (from, to) =>
      inside(from.file, "testing") &&
      ((["vitest", "@vitest/coverage-v8"].includes(to) && !from.file.endsWith("/vitest.ts")) ||
        (to === "fast-check" && from.file !== "testing/arbitraries.ts")),
  },
  {
    rule: "only loader/sys sees the native shim",
    why: "one place knows how bpf(2) is reached; the rest can be tested without it",
    breach: (from, to) => to.endsWith(".node") && !inside(from.file, "loader/sys"),
  },
  {
    rule: "only loader imports loader/sys",
    why: "outside, objects with an owner and close(), never bare file descriptors",
    breach: (from, to) => inside(to, "loader/sys") && !inside(from.file, "loader"),
  },
  {
    rule: "mesh imports only the package's exports",
    why: "it proves that the public surface is enough to build on",
    breach: (from, to) => inside(from.file, "mesh") && from.specifier.startsWith(".") && !inside(to, "mesh"),
  },
];
