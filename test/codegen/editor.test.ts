// Kernel-side sources type-check in an ordinary editor: plain tsc over AssemblyScript's types, as programs/tsconfig.json says.
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

test("tsc accepts programs/ and the standard library", () => {
  const tsc = new URL("../../node_modules/typescript/bin/tsc", import.meta.url).pathname;
  const project = new URL("../../programs", import.meta.url).pathname;
  let output = "";
  try {
    execFileSync(process.execPath, [tsc, "-p", project], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    output = (error as { stdout: string }).stdout;
  }
  expect(output).toBe("");
});
