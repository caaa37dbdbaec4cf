import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

const ROOT = resolve(import.meta.dirname, "..");

/**
 * The package's entries by their names, as mesh/ imports them, are the sources: with the built ones beside them, every class
 * would be there twice, and `instanceof DiagnosticError` false for half of the errors.
 */
function entryAliases(): { find: RegExp; replacement: string }[] {
  const { exports } = JSON.parse(readFileSync(resolve(ROOT, "package.json"), "utf8")) as {
    exports: Record<string, string | { default: string }>;
  };
  return Object.entries(exports).flatMap(([entry, target]) => {
    if (typeof target === "string") return [];
    const source = target.default.replace("./dist/", "").replace(/\.js$/, ".ts");
    return [{ find: new RegExp(`^ebpf-ts${entry.slice(1)}$`), replacement: resolve(ROOT, source) }];
  });
}

export default defineConfig({
  resolve: { alias: entryAliases() },
  test: {
    include: ["test/**/*.test.ts"],
    // Compiling a fixture takes about a second on a cold cache; kernel tests make namespaces.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // All cores: kernel tests have namespaces and cgroups of their own, and wait for what they need.
    maxWorkers: "100%",
  },
});
