import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Compiling a fixture takes about a second on a cold cache; kernel tests make namespaces.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // All cores: kernel tests have namespaces and cgroups of their own, and wait for what they need.
    maxWorkers: "100%",
  },
});
