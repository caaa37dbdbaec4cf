/**
 * What the running kernel showed for each scenario: `test/files/scenarios/HOOK.json`, an object from scenario names to
 * lists of observations, one observation a line. Written by `test/kernel/scenarios.test.ts`, as root, when the environment
 * says so: `RECORD_SCENARIOS=HOOK[,HOOK]` (or `all`) plays all of a hook's scenarios anew, `RECORD_SCENARIOS=new` those
 * without a recording.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Observation } from "./observation.ts";
import type { HookFamily } from "./script.ts";

/** The kernel that was recorded, by its first two numbers: others differ in details (errors, orders, what is allowed). */
export const RECORDED_ON = "6.18";

export type Recording = ReadonlyMap<string, readonly Observation[]>;

const fileOf = (hook: HookFamily): string =>
  fileURLToPath(new URL(`../files/scenarios/${hook.replaceAll("_", "-")}.json`, import.meta.url));

/** Observations by scenario name; empty where nothing has been recorded. */
export function readRecording(hook: HookFamily): Recording {
  const file = fileOf(hook);
  if (!existsSync(file)) return new Map();
  return new Map(Object.entries(JSON.parse(readFileSync(file, "utf8")) as Record<string, Observation[]>));
}

export function writeRecording(hook: HookFamily, recording: Recording): void {
  const scenarios = [...recording].map(
    ([name, seen]) => `  ${JSON.stringify(name)}: [\n${seen.map((o) => `    ${JSON.stringify(o)}`).join(",\n")}\n  ]`,
  );
  const file = fileOf(hook);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `{\n${scenarios.join(",\n")}\n}\n`);
}

/** What the environment asks to record of this hook. */
export function recordingAskedFor(hook: HookFamily): "all" | "new" | null {
  const asked = (process.env.RECORD_SCENARIOS ?? "").split(",");
  if (asked.includes("all") || asked.includes(hook)) return "all";
  return asked.includes("new") ? "new" : null;
}
