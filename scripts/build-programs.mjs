// usage: node scripts/build-programs.mjs
// Compiles the mesh's kernel-side programs to dist/programs/mesh.o, so that an agent needs no compiler in its memory.
// Does nothing when neither the sources, the standard library nor the compiler changed since.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const SOURCE = join(ROOT, "programs/mesh/index.ts");
const TARGET = join(ROOT, "dist/programs/mesh.o");
const STAMP = `${TARGET}.sha256`;
const INPUTS = [
  "programs/mesh",
  "lib/std",
  "dist/codegen",
  "dist/lib/asm",
  "dist/lib/btf",
  "dist/lib/elf",
  "dist/lib/object",
  "dist/lib/isa",
];

function hashInputs() {
  const hash = createHash("sha256");
  for (const folder of INPUTS) {
    const files = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((e) => e.isFile() && /\.(ts|js)$/.test(e.name) && !e.name.endsWith(".d.ts"))
      .map((e) => join(e.parentPath, e.name))
      .toSorted();
    for (const file of files) hash.update(file.slice(ROOT.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex");
}

const stamp = hashInputs();
if (!existsSync(TARGET) || !existsSync(STAMP) || readFileSync(STAMP, "utf8") !== stamp) {
  const { compileFile, DiagnosticError, writeElf } = await import("../dist/index.js");
  const { object, diagnostics } = await compileFile(SOURCE);
  if (object === null) {
    console.error(new DiagnosticError(diagnostics).message);
    process.exit(1);
  }
  mkdirSync(dirname(TARGET), { recursive: true });
  writeFileSync(TARGET, writeElf(object));
  writeFileSync(STAMP, stamp);
}
